//! Feature levels: what a log entry may mean. A core works at one level, its *active* level, which is part of the replicated
//! state (`store/state.rs`) and is only ever raised, by an entry of the log. Commands, options and changed semantics ask for
//! the active level, never for what the program understands: so builds of different versions apply one log alike.
//!
//! | level | what it adds |
//! |---|---|
//! | 3 | what every build before the level was in the log does: a store without one is at this level |
//! | 4 | large strings are stored in pieces; calls have budgets; apply keeps sums over the state (`store/sums.rs`) |
//! | 5 | lists have segments: a change in the middle moves few elements (`types/list`); scripts and functions: the commands, and a database of the system's own for their texts |
//! | 6 | users: ACL SETUSER and ACL DELUSER, rows of the system's database, and calls of scripts in the name of a user |
//! | 7 | calls may name the client that called, for client-side caching; commands and options of Redis 8 and Valkey 9, which builds before it do not know; the bytes of keys and values are counted (`store/sizes.rs`); entries that count older rows, and that evict keys; a collection that moves to another database gets a new id |
//! | 8 | rules of databases in users (`db=0,1`), and all users set at once (ACL LOAD); commands and options that came to Redis 8 later; members of sets expire one by one; a field that has expired stays until a sweep or a new value takes it away, whoever deletes it; the data may follow a Redis (`replica/source.rs`) |
//!
//! To change what apply does with an entry, add a level here and keep the old way for cores below it.

/// What an empty store is at, and one that does not say: the builds that wrote it had no level in the log. Never changes.
pub const INITIAL: u32 = 3;

/// From here on large strings are stored in pieces.
pub const LARGE_STRINGS: u32 = 4;

/// From here on a call that would take too much memory, or read too much, is refused (`store/txn/budget.rs`).
pub const BUDGETS: u32 = 4;

/// From here on apply keeps sums over the state.
pub const SUMS: u32 = 4;

/// From here on lists have segments.
pub const LIST_SEGMENTS: u32 = 5;

/// From here on there are scripts and functions, and the database that keeps them (`store/state.rs`).
pub const SCRIPTS: u32 = 5;

/// From here on there are users, and calls in the name of one.
pub const USERS: u32 = 6;

/// From here on calls may name the client that called (`replica/origin.rs`), so clients may track keys.
pub const TRACKING: u32 = 7;

/// From here on there are commands and options of Redis 8 and Valkey 9: the rows and handlers that ask for this level.
pub const REDIS_8: u32 = 7;

/// From here on apply counts what keys and values take, and keys are evicted.
pub const SIZES: u32 = 7;

/// From here on rules of users may name databases, and an entry may set all users (ACL LOAD).
pub const USERS_AT_ONCE: u32 = 8;

/// From here on there are more commands and options of Redis 8: the rows and handlers that ask for this level.
pub const REDIS_8_MORE: u32 = 8;

/// From here on members of sets may expire one by one (`types/set`).
pub const SET_EXPIRY: u32 = 8;

/// From here on only a sweep or a new value takes a field away that has expired. Before, HDEL and HGETDEL took it out of the
/// hash and left it in the hash's count.
pub const EXPIRED_FIELDS_STAY: u32 = 8;

/// From here on the data may follow a Redis or Valkey (`replica/source.rs`).
pub const SOURCE: u32 = 8;

/// The lowest level at which this program still applies entries as they were meant.
pub const OLDEST: u32 = INITIAL;

/// The highest level that this program understands; a new core begins at it.
#[cfg(not(feature = "next-level"))]
pub const NEWEST: u32 = SET_EXPIRY;

/// Of builds for tests: a level that no release has, see `commands/set/next_level.rs`.
#[cfg(feature = "next-level")]
pub const NEWEST: u32 = SET_EXPIRY + 1;

const _: () = assert!(OLDEST <= NEWEST);

/// Which program this is.
pub fn this_program() -> &'static str {
    concat!("this program (flotilla ", env!("CARGO_PKG_VERSION"), ")")
}

/// Which levels it understands: the second half of every refusal.
pub fn understood() -> String {
    format!("{} understands levels {OLDEST} to {NEWEST}", this_program())
}

/// What a node or an edge says that it understands; builds before level 4 may say nothing.
pub fn said(level: u32) -> u32 {
    level.max(INITIAL)
}
