//! How full a node's disk is, and what follows from that. Writing to a full disk fails, and a failed write of the log stops the
//! process; so a node stops growing while there is still room for what it needs to shrink again.
//!
//! | bytes left | state | what the node does |
//! |---|---|---|
//! | twice `low` or more | ok | |
//! | less | tight | keeps no more log than it must |
//! | less than `low`, until there is a quarter more | low | takes no write that may make the data grow; compacts what was deleted |
//! | less than a sixteenth of `low` | full | takes no write and, as a follower, no entries |
//!
//! Bytes left are what the file system says, minus twice what was appended to the log since it was asked: the store will need as
//! much again. `node/space.rs` asks.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

const AUTOMATIC_MIN: u64 = 256 << 20;
const AUTOMATIC_MAX: u64 = 1 << 30;

/// What a file system has, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// To this process; the share kept for the superuser is not.
    pub available: u64,
    pub total: u64,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskState {
    Ok,
    Tight,
    Low,
    Full,
}

impl DiskState {
    /// One word for INFO.
    pub fn name(self) -> &'static str {
        match self {
            DiskState::Ok => "ok",
            DiskState::Tight => "tight",
            DiskState::Low => "low",
            DiskState::Full => "full",
        }
    }
}

/// The disk of a node, shared by all that look at it. Until somebody has looked, it is endless.
#[derive(Debug)]
pub struct DiskSpace {
    available: AtomicU64,
    total: AtomicU64,
    /// Bytes appended to the log since the file system was asked.
    appended: AtomicU64,
    low: AtomicU64,
    is_low: AtomicBool,
}

impl Default for DiskSpace {
    fn default() -> Self {
        DiskSpace {
            available: AtomicU64::new(u64::MAX),
            total: AtomicU64::new(u64::MAX),
            appended: AtomicU64::new(0),
            low: AtomicU64::new(0),
            is_low: AtomicBool::new(false),
        }
    }
}

/// The watermark of a file system: as configured or, for 0, a twentieth of it, but neither too little for a segment of the log
/// nor more than anybody would miss.
pub fn low_bytes(configured: u64, total: u64) -> u64 {
    match configured {
        0 => (total / 20).clamp(AUTOMATIC_MIN, AUTOMATIC_MAX).min(total / 4),
        bytes => bytes,
    }
}

impl DiskSpace {
    /// Asks the file system by `ask`; `configured` as in `low_bytes`.
    pub fn look(&self, configured: u64, ask: impl FnOnce() -> io::Result<Space>) -> io::Result<DiskState> {
        // Before: what is appended meanwhile counts twice at worst.
        self.appended.store(0, Ordering::SeqCst);
        let space = ask()?;
        let low = low_bytes(configured, space.total);
        self.low.store(low, Ordering::Relaxed);
        self.total.store(space.total, Ordering::Relaxed);
        self.available.store(space.available, Ordering::SeqCst);
        if space.available < low {
            self.is_low.store(true, Ordering::Release);
        } else if space.available >= low.saturating_add(low / 4) {
            self.is_low.store(false, Ordering::Release);
        }
        Ok(self.state())
    }

    /// The log has grown.
    pub fn appended(&self, bytes: u64) {
        self.appended.fetch_add(bytes, Ordering::SeqCst);
    }

    /// Bytes left.
    pub fn left(&self) -> u64 {
        let appended = self.appended.load(Ordering::SeqCst);
        self.available.load(Ordering::SeqCst).saturating_sub(appended.saturating_mul(2))
    }

    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub fn low(&self) -> u64 {
        self.low.load(Ordering::Relaxed)
    }

    /// Below this many bytes left nothing is written any more.
    pub fn floor(&self) -> u64 {
        self.low() / 16
    }

    pub fn state(&self) -> DiskState {
        let (left, low) = (self.left(), self.low());
        if left < self.floor() {
            DiskState::Full
        } else if left < low || self.is_low.load(Ordering::Acquire) {
            DiskState::Low
        } else if left < low.saturating_mul(2) {
            DiskState::Tight
        } else {
            DiskState::Ok
        }
    }

    /// Whether so many bytes may be appended to the log.
    pub fn fits(&self, bytes: u64) -> bool {
        self.left() >= self.floor().saturating_add(bytes.saturating_mul(2))
    }

    /// Whether a write of so many bytes that may make the data grow may be, in the moment before the next look: large ones, and
    /// many at once, must not use up what is kept for deletes.
    pub fn may_grow(&self, bytes: u64) -> bool {
        self.left() >= (self.low() / 2).saturating_add(bytes.saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn look(disk: &DiskSpace, available: u64) -> DiskState {
        disk.look(64 * MIB, || Ok(Space { available: available * MIB, total: 1024 * MIB })).unwrap()
    }

    #[test]
    fn a_disk_that_nobody_has_looked_at_is_endless() {
        let disk = DiskSpace::default();
        assert_eq!(disk.state(), DiskState::Ok);
        assert!(disk.fits(u64::MAX / 4) && disk.may_grow(u64::MAX / 4));
    }

    #[test]
    fn a_low_disk_is_low_until_there_is_a_quarter_more() {
        let disk = DiskSpace::default();
        let states = [
            (500, DiskState::Ok),
            (127, DiskState::Tight),
            (64, DiskState::Tight),
            (63, DiskState::Low),
            (79, DiskState::Low),
            (3, DiskState::Full),
            (9, DiskState::Low),
            (80, DiskState::Tight),
            (128, DiskState::Ok),
        ];
        for (available, state) in states {
            assert_eq!(look(&disk, available), state, "{available}");
        }
    }

    #[test]
    fn what_was_appended_since_counts_twice() {
        let disk = DiskSpace::default();
        look(&disk, 200);
        disk.appended(40 * MIB);
        assert_eq!((disk.left(), disk.state()), (120 * MIB, DiskState::Tight));
        assert!(disk.may_grow(40 * MIB) && !disk.may_grow(45 * MIB));
        assert!(disk.fits(57 * MIB) && !disk.fits(59 * MIB));
        disk.appended(59 * MIB);
        assert_eq!(disk.state(), DiskState::Full);
        assert_eq!(look(&disk, 200), DiskState::Ok);
    }

    #[test]
    fn the_watermark_follows_the_file_system_unless_it_is_configured() {
        for (configured, total, low) in [
            (0, 100 * MIB, 25 * MIB),
            (0, 256 * MIB, 64 * MIB),
            (0, 8192 * MIB, 8192 * MIB / 20),
            (0, 1 << 40, 1 << 30),
            (5, 1 << 40, 5),
        ] {
            assert_eq!(low_bytes(configured, total), low, "{configured} of {total}");
        }
    }
}
