//! Every hard bound of the server, with the relations between them checked at compile time.
//!
//! Units are in the names. Values that an operator may change live in `config`; these are the outer walls.

/// Largest key or value (Redis: 512 MiB).
pub const BULK_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Most arguments of one command (Redis: 1024 * 1024).
pub const ARGC_MAX: usize = 1024 * 1024;
/// Longest inline line and longest header line of a frame (Redis: 64 KiB).
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// Unread request bytes of one connection before it is closed (Redis: 1 GiB).
pub const QUERY_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Request bytes read ahead of a call that waits, to see whether its client is still there.
pub const READ_AHEAD_BYTES_MAX: usize = 1024 * 1024;
/// Arguments allowed before AUTH.
pub const PREAUTH_ARGC_MAX: usize = 10;
/// Bytes of one argument before AUTH.
pub const PREAUTH_BULK_BYTES_MAX: usize = 16 * 1024;
/// Unread request bytes of a client that has not authenticated.
pub const PREAUTH_QUERY_BYTES_MAX: usize = 1024 * 1024;
/// Reply bytes that may wait for a client that has not authenticated.
pub const PREAUTH_OUTPUT_BYTES_MAX: usize = 16 * 1024;
/// Replies within replies; a deeper one is cut off with an error.
pub const REPLY_DEPTH_MAX: usize = 128;
/// Largest string value that SETRANGE, APPEND and friends may build.
pub const STRING_BYTES_MAX: usize = BULK_BYTES_MAX;
/// Largest Raft entry: one proposal must fit whole, so that an EXEC is never split.
pub const ENTRY_BYTES_MAX: usize = 600 * 1024 * 1024;
/// The batcher stops adding proposals to an entry beyond this size.
pub const ENTRY_BYTES_TARGET: usize = 1024 * 1024;
/// Commands in one proposal.
pub const PROPOSAL_COMMANDS_MAX: usize = 1024 * 1024;
/// Proposals waiting for the batcher; one more is refused with TRYAGAIN.
pub const PROPOSAL_QUEUE_MAX: usize = 16 * 1024;
/// Bytes of proposals waiting for the batcher.
pub const PROPOSAL_QUEUE_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Raft entries proposed and not yet applied: one being applied, one being synced, and some for peers that are slower.
/// With more, entries get smaller and each costs its wake-ups.
pub const ENTRIES_IN_FLIGHT_MAX: usize = 4;
/// Batches of writes on their way to the node that leads. One that is far away answers late, so more than entries.
pub const FORWARDS_IN_FLIGHT_MAX: usize = 16;
/// Members of a core: voters and learners.
pub const MEMBERS_MAX: usize = 32;
/// Logical databases.
pub const DATABASES: u32 = 16;
/// Keys one connection may WATCH.
pub const WATCHED_KEYS_MAX: usize = 100_000;
/// Bytes of commands queued by one MULTI.
pub const MULTI_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Expired keys deleted by one logged sweep.
pub const EXPIRE_SWEEP_KEYS_MAX: u32 = 1000;
/// Largest record kept by the hot cache; larger values are always read from the store.
pub const HOT_RECORD_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(BULK_BYTES_MAX < ENTRY_BYTES_MAX);
const _: () = assert!(MULTI_BYTES_MAX < ENTRY_BYTES_MAX);
const _: () = assert!(ENTRY_BYTES_TARGET < ENTRY_BYTES_MAX);
const _: () = assert!(PREAUTH_BULK_BYTES_MAX < BULK_BYTES_MAX);
const _: () = assert!(ENTRY_BYTES_MAX < u32::MAX as usize);

/// What one value of an RDB file may become in memory while it is imported.
pub const RDB_OBJECT_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// What a payload of RESTORE may become in memory: everything that fits a proposal does.
pub const RDB_PAYLOAD_OBJECT_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// The Redis version whose commands and replies clients may expect (HELLO, INFO).
pub const REPORTED_REDIS_VERSION: &str = "7.2.4";
/// The one user there is until ACLs come.
pub const USER_NAME: &str = "default";

/// Subscriptions to channels, patterns and shard channels on one node, all clients together.
pub const SUBSCRIPTIONS_MAX: u64 = 4 * 1024 * 1024;
/// Messages that wait for one subscriber, bytes; with more it is closed (Redis's default, 32 MiB).
pub const PUBSUB_QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// More than this for `PUBSUB_QUEUE_SOFT_MS` closes it, too.
pub const PUBSUB_QUEUE_SOFT_BYTES: usize = 8 * 1024 * 1024;
pub const PUBSUB_QUEUE_SOFT_MS: u128 = 60_000;
/// Messages that wait for the slowest edge that a core node feeds; it misses older ones.
pub const PUBSUB_TAP_MESSAGES_MAX: usize = 256;
/// A larger message does not go to edges.
pub const PUBSUB_TAP_BYTES_MAX: usize = 1024 * 1024;
/// Messages that a core node keeps for edges that come from another one, and their bytes.
pub const PUBSUB_RECENT_MESSAGES_MAX: usize = 1024;
pub const PUBSUB_RECENT_BYTES_MAX: usize = 4 * 1024 * 1024;
