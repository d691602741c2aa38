//! Every hard bound of the server, with the relations between them checked at compile time.
//!
//! Units are in the names. Values that an operator may change live in `config`; these are the outer walls.

use std::time::Duration;

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
/// TLS handshakes of clients under way at a time, shared by the network threads, of which each has at least the second number. One
/// may take 64 KiB of what the client sends, and some more.
pub const TLS_HANDSHAKES_MAX: usize = 256;
pub const TLS_HANDSHAKES_OF_THREAD_MIN: usize = 16;
/// Replies within replies; a deeper one is cut off with an error.
pub const REPLY_DEPTH_MAX: usize = 128;
/// Largest string value that SETRANGE, APPEND and friends may build.
pub const STRING_BYTES_MAX: usize = BULK_BYTES_MAX;
/// Largest Raft entry: a proposal must fit whole, so that an EXEC is never split.
pub const ENTRY_BYTES_MAX: usize = 600 * 1024 * 1024;
/// The batcher stops adding proposals to an entry beyond this size.
pub const ENTRY_BYTES_TARGET: usize = 1024 * 1024;
/// Commands in one proposal.
pub const PROPOSAL_COMMANDS_MAX: usize = 1024 * 1024;
/// Proposals waiting for the batcher; one more is refused with TRYAGAIN.
pub const PROPOSAL_QUEUE_MAX: usize = 16 * 1024;
/// Bytes of proposals waiting for the batcher.
pub const PROPOSAL_QUEUE_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Raft entries proposed and not yet applied: one being applied, one being synced, and some for slower peers. With more,
/// entries get smaller and each costs its wake-ups.
pub const ENTRIES_IN_FLIGHT_MAX: usize = 4;
/// Batches of writes on their way to the node that leads. One that is far away answers late, so more than entries.
pub const FORWARDS_IN_FLIGHT_MAX: usize = 16;
/// Members of a core: voters and learners.
pub const MEMBERS_MAX: usize = 32;
/// Logical databases.
pub const DATABASES: u32 = 16;
/// Behind the logical databases: the system's own, which no client can select. It has the texts of scripts and functions.
pub const SYSTEM_DATABASE: u32 = DATABASES;
/// Users, and the bytes of what is stored of all of them. Part of what entries mean, as are all limits of users.
pub const ACL_USERS_MAX: u64 = 10_000;
pub const ACL_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Of an `aclfile`.
pub const ACL_FILE_BYTES_MAX: u64 = 2 * ACL_BYTES_MAX;
/// What is stored of one user, and the words of one ACL SETUSER, in bytes.
pub const ACL_USER_BYTES_MAX: usize = 64 * 1024;
/// Rules of one ACL SETUSER.
pub const ACL_RULES_MAX: usize = 4096;
/// A user's name, and one pattern.
pub const ACL_USER_NAME_BYTES_MAX: usize = 256;
pub const ACL_PATTERN_BYTES_MAX: usize = 1024;
/// Patterns of keys and channels of one user: each is matched with each key of a call.
pub const ACL_PATTERNS_MAX: usize = 256;
pub const ACL_SELECTORS_MAX: usize = 32;
pub const ACL_PASSWORDS_MAX: usize = 64;
/// Rules of commands of one selector that none of its later rules takes back.
pub const ACL_COMMAND_RULES_MAX: usize = 512;
/// Scripts of EVAL that are kept for EVALSHA, and their bytes; the oldest goes. Part of what entries mean, as are all limits of
/// scripts.
pub const SCRIPTS_MAX: u64 = 500;
pub const SCRIPTS_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Scripts that SCRIPT LOAD keeps, and their bytes; one more is refused.
pub const LOADED_SCRIPTS_MAX: u64 = 10_000;
pub const LOADED_SCRIPTS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Libraries of functions, and the bytes of their texts.
pub const LIBRARIES_MAX: u64 = 1_000;
pub const LIBRARIES_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Functions of one library.
pub const LIBRARY_FUNCTIONS_MAX: usize = 1_000;
/// What one run of a script may use: instructions,
pub const SCRIPT_INSTRUCTIONS_MAX: u64 = 50_000_000;
/// (those of an entry together: one that runs for long, and many that do not,)
pub const ENTRY_INSTRUCTIONS_MAX: u64 = 2 * SCRIPT_INSTRUCTIONS_MAX;
/// memory, and that of its reply.
pub const SCRIPT_MEMORY_BYTES_MAX: usize = 128 * 1024 * 1024;
pub const SCRIPT_REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Keys one connection may WATCH, and the bytes of their names.
pub const WATCHED_KEYS_MAX: usize = 100_000;
pub const WATCHED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Keys for which one call may wait (BLPOP, XREAD BLOCK …).
pub const BLOCKING_KEYS_MAX: usize = 256 * 1024;
/// Keys of a parked session that enter or leave their queues under one lock: apply asks there for whom to wake.
pub const PARKING_KEYS_AT_A_TIME: usize = 256;
/// Bytes of commands queued by one MULTI.
pub const MULTI_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Memory that a call, or an EXEC as a whole, may take while it is applied, by the figures of `store/txn/budget.rs`: a string
/// of 512 MiB, or millions of small elements, and less than a node with 1 GiB has. Part of what entries mean (ADR 34).
pub const CALL_BYTES_MAX: u64 = 640 * 1024 * 1024;
/// What the commands of an entry may write together, by the same figures: a large one, and as many small ones as there is room
/// for.
pub const ENTRY_WRITTEN_BYTES_MAX: u64 = CALL_BYTES_MAX + 64 * 1024 * 1024;
/// Rows (keys, elements, pieces of strings) that it may read,
pub const CALL_ROWS_READ_MAX: u64 = 32 * 1024 * 1024;
/// and their bytes: more take tens of seconds.
pub const CALL_BYTES_READ_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// What the replies of an EXEC's reads may hold when it is sent.
pub const EXEC_REPLIES_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The same of an MGET, or of another read of named values, that stands alone: one string of 512 MiB.
pub const READ_REPLY_BYTES_MAX: u64 = CALL_BYTES_MAX;
/// The same of any proposal where it is applied: the data may have grown meanwhile.
pub const APPLIED_REPLIES_BYTES_MAX: u64 = 2 * EXEC_REPLIES_BYTES_MAX;
/// A read whose reply is about to be longer does not travel with writes,
pub const TRAVELLING_REPLY_BYTES_MAX: usize = 16 * 1024;
/// nor does one that returns values with writes of more bytes.
pub const TRAVELLED_WITH_BYTES_MAX: usize = 64 * 1024;
/// Expired keys deleted by one logged sweep.
pub const EXPIRE_SWEEP_KEYS_MAX: u32 = 1000;
/// Bytes of replies of long reads that wait for their clients, of all clients together; with more no other one begins.
pub const LONG_REPLIES_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A long read that does not begin within this time is refused.
pub const LONG_READ_WAIT_MAX: Duration = Duration::from_secs(30);
/// Names that one COMMAND DOCS or COMMAND INFO may ask for: more than there are commands.
pub const COMMAND_NAMES_MAX: usize = 1024;
/// Largest record kept by the hot cache; larger values are always read from the store.
pub const HOT_RECORD_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(BULK_BYTES_MAX < ENTRY_BYTES_MAX);
const _: () = assert!(MULTI_BYTES_MAX < ENTRY_BYTES_MAX);
const _: () = assert!((STRING_BYTES_MAX as u64) < CALL_BYTES_MAX);
const _: () = assert!(ENTRY_BYTES_TARGET < ENTRY_BYTES_MAX);
const _: () = assert!(PREAUTH_BULK_BYTES_MAX < BULK_BYTES_MAX);
const _: () = assert!(ENTRY_BYTES_MAX < u32::MAX as usize);

/// Most memory that one value of an RDB file may take while it is imported.
pub const RDB_OBJECT_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Most memory that a payload of RESTORE may take below the feature level that brought budgets; from there on it is part of
/// the budget of its call.
pub const RDB_PAYLOAD_OBJECT_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// The Redis version whose commands and replies clients may expect (HELLO, INFO).
pub const REPORTED_REDIS_VERSION: &str = "7.2.4";
/// The one user there is until ACLs come.
pub const USER_NAME: &str = "default";

/// Subscriptions to channels, patterns and shard channels on one node, all clients together.
pub const SUBSCRIPTIONS_MAX: u64 = 4 * 1024 * 1024;
/// Those of one client; and its patterns, each of which every message is compared with.
pub const CLIENT_SUBSCRIPTIONS_MAX: usize = 256 * 1024;
pub const CLIENT_PATTERNS_MAX: usize = 16 * 1024;
/// Memory of the tables of tracked keys (CLIENT TRACKING) of one node, beside `tracking-table-max-keys`: a table that is full
/// invalidates what it forgets.
pub const TRACKING_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// What a tracked key takes beside its name, and what each client that tracks it adds, about.
pub const TRACKED_KEY_BYTES: usize = 128;
pub const TRACKED_ITEM_BYTES: usize = 32;
/// Memory of the keys that one script reads, or the calls of one batch, for clients that track them; with more, these clients are
/// told to drop everything.
pub const TRACKED_READS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Prefixes of one client that tracks by prefix, and their bytes.
pub const TRACKED_PREFIXES_MAX: usize = 256;
pub const TRACKED_PREFIXES_BYTES_MAX: usize = 64 * 1024;
/// Memory of the changes that wait for a network thread to look for the clients that track them; with more, all of its clients
/// are told to drop everything.
pub const TRACKING_WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a recently changed key takes beside its name, about (`tracking-changes-bytes`).
pub const RECENT_CHANGE_BYTES: usize = 192;
/// Recently changed keys that are looked at for a client that reconnects, and bytes of the names that it is told of; with more, it is told
/// to drop everything.
pub const RECENT_LOOKED_AT_MAX: usize = 256 * 1024;
pub const RECENT_TOLD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of the keys in one invalidation of a prefix.
pub const INVALIDATION_BYTES_MAX: usize = 16 * 1024;
/// Messages that wait for the slowest edge that a core node feeds; it misses older ones.
pub const PUBSUB_TAP_MESSAGES_MAX: usize = 256;
/// A larger message does not go to edges.
pub const PUBSUB_TAP_BYTES_MAX: usize = 1024 * 1024;
/// Messages that a core node keeps for edges that move to it from another node, and their bytes.
pub const PUBSUB_RECENT_MESSAGES_MAX: usize = 1024;
pub const PUBSUB_RECENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest value that a follower by PSYNC gets, in memory: there may be three times as much of one at a time.
pub const PASSED_VALUE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
