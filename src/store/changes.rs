//! What a batch changed, for everybody on this node who wants to hear of it: sessions that watch keys (WATCH), sessions that
//! are blocked on keys, subscribers of keyspace events.
//!
//! A batch asks once who wants what (`Interest`), notes that much in log order, and hands it out when it commits: first to
//! WATCH, before readers see the batch, then, behind it, to the observer. It is not part of the state: who listens on a node
//! changes nothing in what the node stores.

use super::{Store, Type};

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
    New,
    /// A read found nothing. Told by the node that answered it alone.
    Miss,
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeEvent {
    /// A key was made, changed or deleted.
    Key(KeyChange),
    /// What keyspace events tell of a key.
    Keyspace { db: u32, key: Vec<u8>, class: EventClass, name: &'static str },
    /// Databases were emptied or exchanged: any key may be another.
    Databases,
}

/// A key before and after a command's write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    pub db: u32,
    pub key: Vec<u8>,
    /// What was stored under it, expired or not.
    pub before: Option<Type>,
    pub after: Option<Type>,
    /// What was there had not expired.
    pub was_live: bool,
}

impl KeyChange {
    /// Whether readers can tell: the end of what had expired changes nothing for them.
    pub fn is_visible(&self) -> bool {
        self.after.is_some() || self.was_live
    }

    /// Whether a blocked session may have waited for it: for what is there now, or (a stream's group) for its end.
    pub fn may_unblock(&self) -> bool {
        [self.before, self.after].into_iter().flatten().any(Type::is_collection)
    }
}

/// Which changes somebody wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    /// `ChangeEvent::Key` and `ChangeEvent::Databases`.
    pub keys: bool,
    /// `ChangeEvent::Keyspace`.
    pub events: bool,
}

/// Who is told.
pub trait Observer: Send + Sync {
    /// What it wants. Batches ask once.
    fn interest(&self) -> Interest;
    /// What one batch changed, after it was published, in log order.
    fn changed(&self, changes: Vec<ChangeEvent>);
    /// A read of this node found no live key. Called by readers.
    fn missed(&self, _db: u32, _key: &[u8]) {}
    /// Any key may have changed: all data were replaced by a snapshot, or changes were not noted while nobody wanted them.
    fn replaced(&self);
}

impl Store {
    /// What a batch that begins now has to note.
    pub(super) fn interest(&self) -> Interest {
        let Interest { keys, events } = self.observer().map_or_else(Interest::default, Observer::interest);
        Interest { keys: keys || self.watched.any(), events }
    }
}
