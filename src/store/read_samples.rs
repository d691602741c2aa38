//! Keys that clients of this node read, for a leader that must not evict them (`maxmemory`). No part of the state.
//!
//! Bounded: so many bytes of names wait until they are taken, once a second, and others are not noted until then. Where the time of the
//! last read counts, a key is noted once in some seconds, so that keys that are read seldom have a chance beside those
//! that are read all the time. Where the number of reads counts, one of sixteen is noted.

use super::Store;
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    hash::BuildHasher,
    sync::{
        OnceLock,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
};

const SLOTS: usize = 1 << 16;
/// Time in which a key is noted once.
const REPEAT_SECONDS: u32 = 4;
/// Reads of which one is noted where they are counted.
const COUNTED: u64 = 16;
/// Keys that wait, the bytes of their names, and of one.
pub const READ_SAMPLES_MAX: usize = 8192;
const READ_SAMPLES_BYTES_MAX: usize = 128 << 10;
const NAME_BYTES_MAX: usize = 1024;

/// What the leader goes by when it evicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadSampling {
    Last = 1,
    Number = 2,
}

/// See the module.
#[derive(Default)]
pub(super) struct ReadSamples {
    /// 0 = nothing is noted.
    sampling: AtomicU8,
    second: AtomicU32,
    reads: AtomicU64,
    /// When a key of each hash was last noted: eight more bits of its hash, and the second.
    noted: OnceLock<Box<[AtomicU32]>>,
    hasher: foldhash::fast::RandomState,
    waiting: Mutex<Waiting>,
    /// Keys of other nodes.
    told: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    keys: Vec<Bytes>,
    bytes: usize,
}

impl ReadSamples {
    /// A key was read.
    #[inline]
    pub(super) fn note(&self, key: &[u8]) {
        match self.sampling.load(Ordering::Relaxed) {
            0 => {}
            sampling => self.sample(sampling == ReadSampling::Number as u8, key),
        }
    }

    fn sample(&self, is_counted: bool, key: &[u8]) {
        let is_due = match is_counted {
            true => self.reads.fetch_add(1, Ordering::Relaxed).is_multiple_of(COUNTED),
            false => self.was_long_ago(key),
        };
        if !is_due || key.len() > NAME_BYTES_MAX {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.keys.len() < READ_SAMPLES_MAX && waiting.bytes < READ_SAMPLES_BYTES_MAX {
            waiting.bytes = waiting.bytes.saturating_add(key.len());
            waiting.keys.push(Bytes::copy_from_slice(key));
        }
    }

    /// Whether the key was not noted in the last seconds; it is from now on.
    fn was_long_ago(&self, key: &[u8]) -> bool {
        let hash = self.hasher.hash_one(key);
        let slots = self.noted.get_or_init(|| (0..SLOTS).map(|_| AtomicU32::new(0)).collect());
        let Some(slot) = slots.get(usize::try_from(hash).unwrap_or_default() % SLOTS) else { return false };
        let [tag, ..] = hash.to_be_bytes();
        let second = self.second.load(Ordering::Relaxed) & 0x00ff_ffff;
        let (now, before) = (u32::from(tag) << 24 | second, slot.load(Ordering::Relaxed));
        let is_recent = before >> 24 == u32::from(tag)
            && second.wrapping_sub(before & 0x00ff_ffff) & 0x00ff_ffff < REPEAT_SECONDS
            && before != 0;
        if !is_recent {
            slot.store(now, Ordering::Relaxed);
        }
        !is_recent
    }

    pub(super) fn tick(&self, second: u32) {
        self.second.store(second, Ordering::Relaxed);
    }
}

impl Store {
    /// Notes what clients read from now on, for a leader that goes by this; `None`: no longer.
    pub fn sample_reads(&self, sampling: Option<ReadSampling>) {
        let samples = &self.hot.samples;
        samples.sampling.store(sampling.map_or(0, |sampling| sampling as u8), Ordering::Relaxed);
        if sampling.is_none() {
            *samples.waiting.lock() = Waiting::default();
        }
    }

    /// Whether it does.
    pub fn read_sampling(&self) -> Option<ReadSampling> {
        match self.hot.samples.sampling.load(Ordering::Relaxed) {
            1 => Some(ReadSampling::Last),
            2 => Some(ReadSampling::Number),
            _ => None,
        }
    }

    /// The storage keys that were noted since the last call.
    pub fn take_read_samples(&self) -> Vec<Bytes> {
        std::mem::take(&mut *self.hot.samples.waiting.lock()).keys
    }

    /// Clients of another node have read these: they are in use.
    pub fn note_reads(&self, keys: &[Bytes]) {
        for key in keys.iter().filter(|key| key.len() <= NAME_BYTES_MAX) {
            self.frequencies.access(key);
            // This node may not lead: then it passes on what it was told.
            self.hot.samples.note(key);
            if self.hot.get_record(key).is_none() {
                self.hot.passed_by(key);
            }
        }
        self.hot.samples.told.fetch_add(keys.len() as u64, Ordering::Relaxed);
    }

    /// For INFO: keys that other nodes have said were read there.
    pub fn reads_told(&self) -> u64 {
        self.hot.samples.told.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(samples: &ReadSamples) -> usize {
        std::mem::take(&mut *samples.waiting.lock()).keys.len()
    }

    #[test]
    fn a_key_is_noted_once_in_some_seconds_or_one_read_of_sixteen() {
        let samples = ReadSamples::default();
        samples.note(b"k");
        assert_eq!(taken(&samples), 0, "nobody wants to know");
        samples.sampling.store(ReadSampling::Last as u8, Ordering::Relaxed);
        samples.tick(10);
        (0..100).for_each(|_| samples.note(b"k"));
        assert_eq!(taken(&samples), 1);
        samples.tick(10 + REPEAT_SECONDS - 1);
        samples.note(b"k");
        assert_eq!(taken(&samples), 0);
        samples.tick(10 + REPEAT_SECONDS);
        samples.note(b"k");
        assert_eq!(taken(&samples), 1);
        samples.sampling.store(ReadSampling::Number as u8, Ordering::Relaxed);
        (0..160).for_each(|_| samples.note(b"k"));
        assert_eq!(taken(&samples), 10);
    }

    #[test]
    fn what_waits_has_a_bound() {
        let samples = ReadSamples::default();
        samples.sampling.store(ReadSampling::Last as u8, Ordering::Relaxed);
        samples.tick(10);
        for key in 0..100_000_u32 {
            samples.note(format!("{key:0100}").as_bytes());
        }
        samples.note(&[b'x'; NAME_BYTES_MAX + 1]);
        let waiting = samples.waiting.lock();
        assert!((1300..1320).contains(&waiting.keys.len()), "{}", waiting.keys.len());
    }
}
