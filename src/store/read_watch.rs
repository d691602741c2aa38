//! A read as seen from outside: whether it is a long one, and whether it shall go on.
//!
//! Every row that a view reads is counted. A read that is not allowed to be long is sent back (`Error::WouldBlock`) when it
//! turns out to be, and its watch says so; a long one ends soon after it was cancelled.

use super::Published;
use crate::{
    error::{Error, Result},
    limits::{TRACKED_KEY_BYTES, TRACKED_READS_BYTES_MAX},
    resp::ErrorReply,
};
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// A read of more bytes is a long one. A row counts `ROW_BYTES` beside its own.
const SHORT_BYTES_MAX: u64 = 1024 * 1024;
const ROW_BYTES: u64 = 64;
/// Of reads of more bytes one goes on at a time.
const LARGE_READ_BYTES: u64 = 64 * 1024 * 1024;

/// Lets one large read go on at a time: each may hold a string of 512 MiB.
pub trait LargeReads: Send + Sync {
    /// Waits until it is this one's turn, and no longer than it is to go on. False: it must end.
    fn begin(&self, goes_on: &dyn Fn() -> bool) -> bool;
    /// It is over, and so is what it has read.
    fn end(&self);
}

/// See the module. One thread reads, others may look and cancel.
pub struct ReadWatch {
    /// `None`: it must not be long.
    large_reads: Option<Arc<dyn LargeReads>>,
    is_large: AtomicBool,
    is_long: AtomicBool,
    is_cancelled: AtomicBool,
    bytes: AtomicU64,
    /// The keys that a script reads, if its client tracks them.
    script_reads: Mutex<Option<ScriptReads>>,
}

/// The keys that a script has read on a view.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ScriptReads {
    pub keys: Vec<Vec<u8>>,
    bytes: usize,
    /// There were more.
    pub is_too_much: bool,
    /// `Published::number` of the state that it read.
    pub number: u64,
}

impl ReadWatch {
    /// For a read that is sent back if it is long.
    pub fn short() -> Self {
        ReadWatch {
            large_reads: None,
            is_large: AtomicBool::new(false),
            is_long: AtomicBool::new(false),
            is_cancelled: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            script_reads: Mutex::default(),
        }
    }

    /// From now on the keys that scripts read are kept.
    pub fn keep_script_reads(&self) {
        self.script_reads.lock().get_or_insert_default();
    }

    /// The keys that scripts have read of this state, if they were kept.
    pub fn take_script_reads(&self, of: &Published) -> Option<Box<ScriptReads>> {
        let reads = self.script_reads.lock().take()?;
        Some(Box::new(ScriptReads { number: of.number(), ..reads }))
    }

    /// A script reads this key.
    pub(super) fn script_reads(&self, key: &[u8]) {
        if let Some(reads) = self.script_reads.lock().as_mut() {
            reads.bytes = reads.bytes.saturating_add(key.len()).saturating_add(TRACKED_KEY_BYTES);
            match reads.bytes <= TRACKED_READS_BYTES_MAX {
                true => reads.keys.push(key.to_vec()),
                false => reads.is_too_much = true,
            }
        }
    }

    /// For one that may be long; among `large_reads` when it is large.
    pub fn long(large_reads: Arc<dyn LargeReads>) -> Self {
        let mut watch = Self::short();
        watch.large_reads = Some(large_reads);
        watch
    }

    /// Whether it was sent back because it is long.
    pub fn is_long(&self) -> bool {
        self.is_long.load(Ordering::Relaxed)
    }

    /// Bytes of the rows that it has read.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Nobody waits for it any more.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Counts a row.
    pub fn count(&self, bytes: usize) -> Result<()> {
        // Only the reading thread writes.
        let sum = self.bytes().saturating_add(bytes as u64).saturating_add(ROW_BYTES);
        self.bytes.store(sum, Ordering::Relaxed);
        if sum > SHORT_BYTES_MAX { self.goes_on() } else { Ok(()) }
    }

    /// Whether a read that has become long goes on.
    pub(super) fn goes_on(&self) -> Result<()> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            return Err(ErrorReply::try_again("the read was cancelled").into());
        }
        if let Some(large_reads) = &self.large_reads {
            if self.bytes() <= LARGE_READ_BYTES || self.is_large.load(Ordering::Relaxed) {
                return Ok(());
            }
            if large_reads.begin(&|| !self.is_cancelled.load(Ordering::Relaxed)) {
                self.is_large.store(true, Ordering::Relaxed);
                return Ok(());
            }
            return Err(ErrorReply::try_again("other large reads go on; nothing was read").into());
        }
        self.is_long.store(true, Ordering::Relaxed);
        Err(Error::WouldBlock)
    }
}

impl Drop for ReadWatch {
    fn drop(&mut self) {
        if let Some(large_reads) = self.large_reads.as_ref().filter(|_| self.is_large.load(Ordering::Relaxed))
        {
            large_reads.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    /// Counts them, and lets so many in.
    struct Counted(AtomicUsize, usize);

    impl LargeReads for Counted {
        fn begin(&self, goes_on: &dyn Fn() -> bool) -> bool {
            goes_on() && self.0.fetch_add(1, Ordering::Relaxed) < self.1
        }

        fn end(&self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_large_read_waits_for_its_turn_and_gives_it_back() {
        let turns = Arc::new(Counted(AtomicUsize::new(0), 1));
        let count = || turns.0.load(Ordering::Relaxed);
        let long = || ReadWatch::long(Arc::clone(&turns) as Arc<dyn LargeReads>);
        let (first, second) = (long(), long());
        assert!(first.count(LARGE_READ_BYTES as usize / 2).is_ok());
        assert_eq!(count(), 0);
        assert!(first.count(LARGE_READ_BYTES as usize).is_ok() && first.count(1).is_ok());
        assert_eq!(count(), 1);
        assert!(matches!(second.count(2 * LARGE_READ_BYTES as usize), Err(Error::Client(_))));
        drop(second);
        drop(first);
        assert_eq!(count(), 1, "the second never had it");
    }

    #[test]
    fn a_long_read_is_sent_back_or_goes_on_until_it_is_cancelled() {
        let short = ReadWatch::short();
        assert!(short.count(1000).is_ok() && !short.is_long());
        assert!(matches!(short.count(SHORT_BYTES_MAX as usize), Err(Error::WouldBlock)) && short.is_long());
        let long = ReadWatch::long(Arc::new(Counted(AtomicUsize::new(0), 9)));
        assert!(long.count(SHORT_BYTES_MAX as usize).is_ok() && long.goes_on().is_ok() && !long.is_long());
        long.cancel();
        assert!(matches!(long.count(1), Err(Error::Client(_))));
        assert!(long.bytes() > SHORT_BYTES_MAX);
    }
}
