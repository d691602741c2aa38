//! Redis's RDB format: objects, DUMP payloads and whole files. Knows bytes only: no store, no sockets, no clock.
//!
//! Read is every encoding that Redis up to 7.4 and Valkey up to 9 write; written are those that Redis 7.0 loads, and
//! for a small collection the one that Redis 7.0 itself would choose. Format: the source of truth are payloads of five
//! servers in `tests/values.txt`.
//!
//! ```text
//! file     "REDIS" version(4 digits) | "VALKEY" version(3 digits), then opcodes and records, EOF, CRC64
//! record   [expiry] [idle | freq] type key object
//! payload  type object version(u16) CRC64                                     (DUMP, RESTORE)
//! object   lengths and strings; a small collection is one string: a listpack, ziplist, zipmap or intset
//! ```
//!
//! Invariants: bytes from outside never panic and never loop; memory is asked for when the bytes that fill it are there,
//! and what an object may become in memory is bounded. What is read has no duplicate members, no empty collection and
//! no NaN; the ids of a stream ascend.

mod compact;
mod decode;
mod decode_stream;
mod dump;
mod encode;
mod encode_stream;
mod error;
mod input;
mod lzf;
mod object;
mod output;
mod reader;
mod score;
mod types;
mod writer;

pub use dump::{dump, load, load_body};
pub use error::{Fault, RdbError};
pub use object::{Consumer, Entry, Field, Group, Object, Pending, Stream, StreamId};
pub use reader::{Reader, Record, Skipped};
pub use types::{Dialect, VERSION, VERSION_FIELD_EXPIRY};
pub use writer::Writer;

#[cfg(test)]
mod tests;
