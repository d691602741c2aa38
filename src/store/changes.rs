//! The changes of a batch, for their readers on this node: sessions that watch keys (WATCH), sessions blocked on keys,
//! clients that cache keys, subscribers of keyspace events.
//!
//! A batch asks once which changes are wanted (`Interest`), records those in log order, and publishes them when it commits:
//! first to WATCH, before readers see the batch, then to the observer. Changes are not part of the state: listeners on a
//! node do not change what the node stores.

use super::{Store, Type};
use bytes::Bytes;

/// The class of a keyspace event; its letter is the one of `notify-keyspace-events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventClass {
    Generic,
    String,
    List,
    Set,
    Hash,
    SortedSet,
    Stream,
    Expired,
    Evicted,
    New,
    /// A read found nothing. Told by the node that answered it alone.
    Miss,
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeEvent {
    /// A key was made, changed or deleted.
    Key(KeyChange),
    /// A keyspace event of a key.
    Keyspace { db: u32, key: Vec<u8>, class: EventClass, name: &'static str },
    /// A script has published a message.
    Message { channel: Bytes, payload: Bytes, is_sharded: bool },
    /// A call in the log reads a key for a client that tracks what it reads.
    Read { key: Vec<u8>, by: Origin },
    /// Calls of this client read more keys than a batch tells of.
    ReadsTooMuch { by: Origin },
    /// A user was made, changed or deleted. Always told.
    User { name: String },
    /// Databases were emptied or exchanged: any key may be another.
    Databases(DatabaseChange),
    /// A call went through.
    Call(PassedCall),
}

/// What happened to whole databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseChange {
    Emptied(u32),
    Exchanged(u32, u32),
}

/// A call that went through, as whoever repeats it elsewhere needs it. Calls of scripts are told one by one, and a script itself
/// is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedCall {
    pub db: u32,
    /// So many events before this one are its own.
    pub changes: usize,
    pub passed: Passed,
}

/// How the effect of a call is had elsewhere, where its keys hold the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// By these commands, each of them about one key alone.
    Commands(Vec<PassedCommand>),
    /// It changed no more than when its keys expire.
    Expiry,
    /// It may have changed these keys, although their rows are what they were.
    Keys(Vec<Vec<u8>>),
    /// It may have changed this consumer group of a stream, and nothing else.
    StreamGroup { key: Vec<u8>, group: Vec<u8> },
    /// By these words, which are about no key.
    Words(Vec<Vec<u8>>),
}

/// Words about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedCommand {
    pub key: Vec<u8>,
    pub words: Vec<Vec<u8>>,
}

/// A key before and after a command's write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    pub db: u32,
    pub key: Vec<u8>,
    /// The type stored before, expired or not.
    pub before: Option<Type>,
    pub after: Option<Type>,
    /// Whether the former value had not expired.
    pub was_live: bool,
    /// The client whose call did it, if the entry says so.
    pub by: Option<Origin>,
}

/// The client of a call in the log, as its entry names it. It means something to the process that the client is connected to, and
/// decides nothing that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Drawn by each process when it starts: clients are numbered from 1 again then.
    pub process: u64,
    pub client: u64,
    /// The client tracks the keys that the call reads.
    pub tracks: bool,
}

impl KeyChange {
    /// Whether readers can see it: removing an expired key changes nothing for them.
    pub fn is_visible(&self) -> bool {
        self.after.is_some() || self.was_live
    }

    /// Whether a blocked session may have waited for it: for the new value, or for the end of a stream's group.
    pub fn may_unblock(&self) -> bool {
        [self.before, self.after].into_iter().flatten().any(Type::is_collection)
    }
}

/// The changes that an observer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    /// `ChangeEvent::Key`, `ChangeEvent::Read` and `ChangeEvent::Databases`.
    pub keys: bool,
    /// `ChangeEvent::Keyspace`.
    pub events: bool,
    /// `ChangeEvent::Message`.
    pub messages: bool,
    /// `ChangeEvent::Call`; with them goes `keys`.
    pub calls: bool,
}

/// Receives changes.
pub trait Observer: Send + Sync {
    /// The changes it wants. Each batch asks once.
    fn interest(&self) -> Interest;
    /// The changes of one batch, after it was published, in log order. `index`: its last entry of the core.
    fn changed(&self, index: u64, changes: Vec<ChangeEvent>);
    /// All that the publication of this number (`Published::number`) has changed was told. `recorded`: its last entry of the core, if
    /// its changes of keys were recorded. `has_calls`: its calls were, too.
    fn told(&self, _number: u64, _recorded: Option<u64>, _has_calls: bool) {}
    /// A read of this node found no live key. Called by readers.
    fn missed(&self, _db: u32, _key: &[u8]) {}
    /// Any key may have changed: a snapshot replaced all data, or changes were not recorded while they were not wanted.
    fn replaced(&self);
    /// A snapshot replaced all data.
    fn installed(&self) {}
}

impl Store {
    /// The changes that a batch starting now must record.
    pub(super) fn interest(&self) -> Interest {
        let interest = self.observer().map_or_else(Interest::default, Observer::interest);
        Interest { keys: interest.keys || interest.calls || self.watched.any(), ..interest }
    }
}
