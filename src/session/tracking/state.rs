//! How a client tracks keys: what it has asked for.

use bytes::Bytes;

/// Which keys a client is told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackingMode {
    /// Those that it reads.
    Reads,
    /// Those that it reads behind CLIENT CACHING YES.
    OptIn,
    /// Those that it reads, except behind CLIENT CACHING NO.
    OptOut,
    /// All that begin with its prefixes, read or not.
    Broadcast,
}

/// The options of CLIENT TRACKING ON, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingOptions {
    pub mode: TrackingMode,
    /// Its own changes are not told.
    pub no_loop: bool,
    /// The client that is told in its place; 0 = none.
    pub redirect: u64,
    /// Of `Broadcast`; empty = all keys.
    pub prefixes: Vec<Bytes>,
}

/// What other sessions may see of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackingState {
    pub mode: TrackingMode,
    pub no_loop: bool,
    pub redirect: u64,
    /// The client that was to be told has gone.
    pub is_broken: bool,
}
