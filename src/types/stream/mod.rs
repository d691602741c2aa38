//! Streams: entries in the order of their ids, and consumer groups that remember which entries they were given.
//!
//! The row keeps values that must not need a search (`meta.rs`); its version defines the layout of all sub-keys below.
//! Numbers are big-endian, so byte order is id order; a name in the middle of a key has its length (u32) before it.
//!
//! | sub-key | holds |
//! |---|---|
//! | 1 ‖ id | an entry: its fields and values (`entry.rs`) |
//! | 2 ‖ group | a group: last id delivered, entries read, what is pending (`records.rs`) |
//! | 3 ‖ group with length ‖ consumer | a consumer: when seen, when active, what is pending |
//! | 4 ‖ group with length ‖ id | a pending entry: when and how often delivered, to whom |
//! | 5 ‖ group with length ‖ consumer with length ‖ id | – (a consumer's pending entries in order) |
//! | 6 to 10 | producers that may send an entry again (`producers.rs`) |
//!
//! **Invariants.** No entry lies before the row's first id or after its last one: trimming the front and reading from the
//! front again does not pass deleted entries. The bounds of pending entries do the same for groups and consumers. Ids come
//! from log time, never from a clock.
//!
//! Only changes of a stream's entries or its set of groups write the row. Deliveries and acknowledgements touch their
//! sub-keys alone: as in Redis, they disturb neither WATCH nor cached reads, and they wake no client.

mod counters;
mod entry;
mod group;
mod id;
mod keys;
mod meta;
mod pending;
mod producers;
mod records;
mod references;
mod stream;
#[cfg(test)]
mod tests;
mod trim;

pub use counters::{entries_read_with, estimated_entries_read, lag};
pub use entry::{digest_of, encode_fields, fields};
pub use group::{Group, delete_group, put_group, scan_consumers, scan_groups};
pub use id::{StreamId, invalid_id};
pub use meta::StreamMeta;
pub use pending::scan_pending;
pub use producers::Idempotence;
pub use records::{ConsumerRecord, GroupRecord, Pending, PendingBounds};
pub use references::{AllGroups, References, group_names};
pub use stream::Stream;
pub use trim::{NODE_ENTRIES, Trim, TrimTo};
