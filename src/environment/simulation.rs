//! What a simulated world has to say. Its implementation is a test's; the product only asks.

use std::{any::Any, fs::File, io, path::Path};

/// A simulated machine, or several of which it knows whose turn it is.
pub trait Simulation: SimulatedDisk + Sync {
    /// The wall clock, ms since the Unix epoch.
    fn wall_ms(&self) -> u64;

    /// The monotonic clock, µs.
    fn monotonic_us(&self) -> u64;

    /// A random number that the run's seed repeats.
    fn random(&self) -> u64;

    /// Takes what a thread would own, to do its work when it sees fit: there are no threads.
    fn host(&self, thread: Box<dyn Any>);

    /// Whether this node keeps a rule.
    fn keeps(&self, rule: Rule) -> bool;
}

/// A disk of which every operation may be the last, and that may lose what no sync has covered. `before_…` is called before
/// the file system does the same; a sync is the simulated disk's alone.
pub trait SimulatedDisk {
    fn before_create(&self, path: &Path) -> io::Result<()>;
    fn before_create_directory(&self, path: &Path) -> io::Result<()>;
    fn before_write(&self, file: &File, path: &Path, bytes: &[u8], at: u64) -> io::Result<()>;
    fn before_rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn before_remove(&self, path: &Path) -> io::Result<()>;
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}

/// Rules that keep a cluster correct and that a test can have a node break, to show that its checks notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A leader reads under its lease only.
    LeaseToRead,
    /// A leader that asks another node to lead gives up its lease.
    LeaseEndsWithOffer,
    /// A node that has just started votes later: it may have promised a leader not to.
    VotesLater,
    /// Log time is bent towards wall clocks, never set to them.
    LogTimeIsBent,
    /// Edges are fed what the log is seen to have committed.
    FeedsCommitted,
}

impl Rule {
    pub const ALL: [Rule; 5] = [
        Rule::LeaseToRead,
        Rule::LeaseEndsWithOffer,
        Rule::VotesLater,
        Rule::LogTimeIsBent,
        Rule::FeedsCommitted,
    ];
}
