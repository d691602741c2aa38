//! How often keys are used, for the eviction of those that are used least often and for OBJECT FREQ. It is no part of the state.
//!
//! A key's count is Redis's: it begins with 5, each access raises it with a probability that falls as it rises, up to 255, and it
//! falls by one for each time (`lfu-decay-time`) without an access. Counts are kept in a fixed number of slots of four bytes
//! (4 MiB in all), chosen by a hash of the key: there are none before an LFU policy is set. A slot keeps eight more bits of the
//! hash of the key that it counts. Another key that comes to the slot takes one off the count, and the slot once it is worth
//! more than what the slot counts; until then its own count is that of a new key.

use super::script_view::split_mix;
use std::{
    hash::BuildHasher,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

const SLOTS: usize = 1 << 20;
/// The count of a new key.
const NEW: u8 = 5;

/// See the module.
#[derive(Default)]
pub(super) struct Frequencies {
    is_on: AtomicBool,
    slots: OnceLock<Box<[AtomicU32]>>,
    log_factor: AtomicU32,
    decay_minutes: AtomicU32,
    minute: AtomicU32,
    dice: AtomicU64,
    hasher: foldhash::fast::RandomState,
}

/// What a slot holds: eight bits of a hash, the minute of the last access, the count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slot {
    tag: u8,
    minute: u16,
    count: u8,
}

impl Slot {
    fn of(bits: u32) -> Self {
        let [tag, high, low, count] = bits.to_be_bytes();
        Slot { tag, minute: u16::from_be_bytes([high, low]), count }
    }

    fn bits(self) -> u32 {
        let [high, low] = self.minute.to_be_bytes();
        u32::from_be_bytes([self.tag, high, low, self.count])
    }
}

impl Frequencies {
    /// Counts from now on, by these rules; or (`None`) no longer.
    pub(super) fn switch(&self, rules: Option<(u32, u32)>) {
        if let Some((log_factor, decay_minutes)) = rules {
            self.log_factor.store(log_factor, Ordering::Relaxed);
            self.decay_minutes.store(decay_minutes, Ordering::Relaxed);
            self.slots.get_or_init(|| (0..SLOTS).map(|_| AtomicU32::new(0)).collect());
        }
        self.is_on.store(rules.is_some(), Ordering::Release);
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// It is now this second.
    pub(super) fn tick(&self, second: u32) {
        self.minute.store(second / 60, Ordering::Relaxed);
    }

    /// A key was read or written.
    pub(super) fn access(&self, key: &[u8]) {
        if self.is_on() {
            self.count(key);
        }
    }

    fn count(&self, key: &[u8]) {
        let Some((slot, tag)) = self.slot(key) else { return };
        let now = self.now();
        let before = Slot::of(slot.load(Ordering::Relaxed));
        let count = self.decayed(before, now);
        let after = match before.tag == tag && before.count > 0 {
            true => Slot { tag, minute: now, count: self.raised(count) },
            false if count <= NEW => Slot { tag, minute: now, count: NEW },
            false => Slot { minute: now, count: count - 1, ..before },
        };
        // Two accesses at once may count as one.
        if after != before {
            slot.store(after.bits(), Ordering::Relaxed);
        }
    }

    /// A key's count.
    pub(super) fn get(&self, key: &[u8]) -> u8 {
        let Some((slot, tag)) = self.slot(key) else { return NEW };
        let slot = Slot::of(slot.load(Ordering::Relaxed));
        match slot.tag == tag && slot.count > 0 {
            true => self.decayed(slot, self.now()),
            false => NEW,
        }
    }

    fn slot(&self, key: &[u8]) -> Option<(&AtomicU32, u8)> {
        let hash = self.hasher.hash_one(key);
        let slots = self.slots.get()?;
        let [tag, ..] = hash.to_be_bytes();
        let number = usize::try_from(hash).unwrap_or(0) & (SLOTS - 1);
        Some((slots.get(number)?, tag))
    }

    fn now(&self) -> u16 {
        // Wraps around after 45 days, as in Redis.
        (self.minute.load(Ordering::Relaxed) & 0xffff) as u16
    }

    fn decayed(&self, slot: Slot, now: u16) -> u8 {
        let passed = u32::from(now.wrapping_sub(slot.minute));
        let periods = passed.checked_div(self.decay_minutes.load(Ordering::Relaxed)).unwrap_or(0);
        slot.count.saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
    }

    fn raised(&self, count: u8) -> u8 {
        let above = u64::from(count.saturating_sub(NEW));
        let one_of = above.saturating_mul(self.log_factor.load(Ordering::Relaxed).into()).saturating_add(1);
        let (state, number) = split_mix(self.dice.load(Ordering::Relaxed));
        // Two threads may draw the same number: it decides nothing else.
        self.dice.store(state, Ordering::Relaxed);
        let is_hit = number.is_multiple_of(one_of);
        count.saturating_add(u8::from(is_hit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_rise_slowly_and_fall_with_time() {
        let counts = Frequencies::default();
        counts.access(b"k");
        assert_eq!(counts.get(b"k"), NEW, "nothing is counted yet");
        counts.switch(Some((10, 1)));
        for _ in 0..1000 {
            counts.access(b"k");
        }
        // Redis's table: 1,000 hits with a factor of 10 make about 18.
        let count = counts.get(b"k");
        assert!((10..=40).contains(&count), "{count}");
        counts.tick(60 * 3);
        assert_eq!(counts.get(b"k"), count - 3);
        counts.switch(Some((0, 0)));
        assert_eq!(counts.get(b"k"), count, "0: no decay");
        for _ in 0..1000 {
            counts.access(b"k");
        }
        assert_eq!(counts.get(b"k"), 255);
        counts.switch(None);
        counts.access(b"k");
        assert_eq!((counts.is_on(), counts.get(b"other")), (false, NEW));
    }

    #[test]
    fn a_key_that_is_used_more_takes_the_slot_of_one_that_is_not() {
        let counts = Frequencies::default();
        counts.switch(Some((0, 0)));
        let of = |key: &str| counts.slot(key.as_bytes()).map(|(slot, tag)| (std::ptr::from_ref(slot), tag));
        let first = of("0").unwrap();
        let other = (1_u32..100_000_000).map(|number| number.to_string());
        let mut other =
            other.filter(|key| of(key).is_some_and(|(slot, tag)| slot == first.0 && tag != first.1));
        let other = other.next().unwrap();
        (0..20).for_each(|_| counts.access(b"0"));
        let count = counts.get(b"0");
        assert!(count > 20, "{count}");
        counts.access(other.as_bytes());
        assert_eq!((counts.get(b"0"), counts.get(other.as_bytes())), (count - 1, NEW));
        (0..100).for_each(|_| counts.access(other.as_bytes()));
        assert!(counts.get(other.as_bytes()) > NEW && counts.get(b"0") == NEW);
    }
}
