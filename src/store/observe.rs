//! What a batch did that somebody on this node may want to hear: keyspace events, and keys that a parked session may
//! wait for. Told after the batch is published, in log order, on every node alike. It is not part of the state: who
//! listens on a node changes nothing in what the node stores.

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

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A keyspace event.
    Event { db: u32, key: Vec<u8>, class: EventClass, name: &'static str },
    /// The key holds something that a parked session may wait for, or what it held is gone.
    Ready { db: u32, key: Vec<u8> },
    /// So may any key: databases were emptied or exchanged.
    AllReady,
}

/// Who is told.
pub trait Observer: Send + Sync {
    /// Whether anybody wants keyspace events. Batches ask once.
    fn wants_events(&self) -> bool;
    /// Whether anybody is parked. Batches ask once.
    fn wants_ready(&self) -> bool;
    /// What one batch did.
    fn happened(&self, happenings: Vec<Happening>);
    /// A read of this node found no live key. Called by readers.
    fn missed(&self, _db: u32, _key: &[u8]) {}
    /// All data were replaced by a snapshot.
    fn replaced(&self);
}
