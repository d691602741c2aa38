//! One look at the hot keys, from HOTKEYS START on.

use super::heavy::HeavyNames;
use crate::{
    session::ProcessUsage,
    time::{monotonic_ms, now_ms},
};
use bytes::Bytes;

/// Keys that are counted for each that is reported: the more, the smaller the errors.
const PLACES_PER_KEY: usize = 10;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HotKeyMetrics {
    pub cpu: bool,
    pub net: bool,
}

/// Microseconds and bytes of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    pub micros: u64,
    pub bytes: u64,
}

impl Cost {
    fn add(&mut self, other: Cost) {
        self.micros = self.micros.saturating_add(other.micros);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// See the module.
#[derive(Debug)]
pub struct HotKeySession {
    count: usize,
    sample_ratio: u64,
    /// Sorted; empty = all.
    slots: Vec<u16>,
    slot_of: fn(&[u8]) -> u16,
    cpu: Option<HeavyNames>,
    net: Option<HeavyNames>,
    began_at_ms: u64,
    began_ms: u64,
    /// 0 = until it is stopped.
    ends_ms: u64,
    ended_ms: Option<u64>,
    usage: ProcessUsage,
    all: Cost,
    selected: Cost,
    sampled: Cost,
    dice: u64,
}

/// What HOTKEYS GET tells.
#[derive(Debug, Clone, PartialEq)]
pub struct HotKeyReport {
    pub is_under_way: bool,
    pub sample_ratio: u64,
    pub slots: Vec<u16>,
    /// Calls with keys; those with keys in the selected slots; of these, the sampled ones.
    pub all: Cost,
    pub selected: Cost,
    pub sampled: Cost,
    pub began_at_ms: u64,
    pub duration_ms: u64,
    /// Of the process, since the session began.
    pub user_ms: u64,
    pub system_ms: u64,
    /// Names with microseconds, and with bytes; `None`: not asked for.
    pub by_cpu: Option<Vec<(Bytes, u64)>>,
    pub by_net: Option<Vec<(Bytes, u64)>>,
    /// Bytes that were counted.
    pub net_bytes: u64,
}

impl HotKeySession {
    /// `count`: keys that are reported. `seconds`: 0 = until it is stopped. `slots`: empty = all; `slot_of` says which a key has.
    pub fn new(
        metrics: HotKeyMetrics,
        count: usize,
        seconds: u64,
        sample_ratio: u64,
        mut slots: Vec<u16>,
        slot_of: fn(&[u8]) -> u16,
    ) -> Self {
        slots.sort_unstable();
        let heavy = || HeavyNames::new(count.saturating_mul(PLACES_PER_KEY));
        let began_ms = monotonic_ms();
        let ends_ms = if seconds == 0 { 0 } else { began_ms.saturating_add(seconds.saturating_mul(1000)) };
        HotKeySession {
            count,
            sample_ratio: sample_ratio.max(1),
            slots,
            slot_of,
            cpu: metrics.cpu.then(heavy),
            net: metrics.net.then(heavy),
            began_at_ms: now_ms(),
            began_ms,
            ends_ms,
            ended_ms: None,
            usage: ProcessUsage::read(),
            all: Cost::default(),
            selected: Cost::default(),
            sampled: Cost::default(),
            dice: now_ms() | 1,
        }
    }

    /// Whether it goes on; it may end by time here.
    pub(super) fn is_under_way(&mut self) -> bool {
        if self.ended_ms.is_none() && self.ends_ms > 0 && monotonic_ms() >= self.ends_ms {
            self.ended_ms = Some(self.ends_ms);
        }
        self.ended_ms.is_none()
    }

    pub(super) fn stop(&mut self) -> bool {
        let was_under_way = self.is_under_way();
        if was_under_way {
            self.ended_ms = Some(monotonic_ms());
        }
        was_under_way
    }

    /// False: it has ended.
    pub(super) fn note<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>, micros: u64, bytes: u64) -> bool {
        if !self.is_under_way() {
            return false;
        }
        let keys: Vec<&[u8]> = keys.collect();
        let Some(count) = u64::try_from(keys.len()).ok().filter(|count| *count > 0) else { return true };
        let cost = Cost { micros, bytes };
        self.all.add(cost);
        if !self.slots.is_empty()
            && keys.first().is_none_or(|key| self.slots.binary_search(&(self.slot_of)(key)).is_err())
        {
            return true;
        }
        self.selected.add(cost);
        if self.sample_ratio > 1 && !self.roll().is_multiple_of(self.sample_ratio) {
            return true;
        }
        self.sampled.add(cost);
        for key in keys {
            if let Some(cpu) = &mut self.cpu {
                cpu.add(key, micros / count);
            }
            if let Some(net) = &mut self.net {
                net.add(key, bytes / count);
            }
        }
        true
    }

    /// Marsaglia's xorshift: which calls are looked at matters to nobody.
    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice >> 11
    }

    pub(super) fn report(&mut self) -> HotKeyReport {
        let is_under_way = self.is_under_way();
        let ended_ms = self.ended_ms.unwrap_or_else(monotonic_ms);
        let usage = ProcessUsage::read();
        let ms = |now: f64, then: f64| ((now - then) * 1000.0).max(0.0) as u64;
        HotKeyReport {
            is_under_way,
            sample_ratio: self.sample_ratio,
            slots: self.slots.clone(),
            all: self.all,
            selected: self.selected,
            sampled: self.sampled,
            began_at_ms: self.began_at_ms,
            duration_ms: ended_ms.saturating_sub(self.began_ms),
            user_ms: ms(usage.user_seconds, self.usage.user_seconds),
            system_ms: ms(usage.system_seconds, self.usage.system_seconds),
            by_cpu: self.cpu.as_ref().map(|cpu| cpu.first(self.count)),
            by_net: self.net.as_ref().map(|net| net.first(self.count)),
            net_bytes: self.net.as_ref().map_or(0, |net| net.total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::HotKeys;

    const BOTH: HotKeyMetrics = HotKeyMetrics { cpu: true, net: true };

    fn slot_of(key: &[u8]) -> u16 {
        u16::from(key.first().copied().unwrap_or(0))
    }

    fn note(hot: &HotKeys, keys: &[&str], micros: u64, bytes: u64) {
        hot.note(keys.iter().map(|key| key.as_bytes()), micros, bytes);
    }

    #[test]
    fn each_key_has_its_share_and_the_session_its_states() {
        let hot = HotKeys::default();
        assert!(!hot.stop() && hot.reset() && hot.report().is_none());
        assert!(hot.start(HotKeySession::new(BOTH, 2, 0, 1, Vec::new(), slot_of)));
        assert!(hot.is_on());
        assert!(!hot.start(HotKeySession::new(BOTH, 2, 0, 1, Vec::new(), slot_of)) && !hot.reset());
        note(&hot, &["a", "b"], 10, 100);
        note(&hot, &["b", "c"], 4, 6);
        note(&hot, &[], 1000, 1000);
        let report = hot.report().unwrap();
        let names = |list: Option<Vec<(Bytes, u64)>>| {
            let text = |(name, sum): (Bytes, u64)| format!("{}={sum}", String::from_utf8_lossy(&name));
            list.unwrap().into_iter().map(text).collect::<Vec<_>>().join(" ")
        };
        assert_eq!((names(report.by_cpu), names(report.by_net)), ("b=7 a=5".into(), "b=53 a=50".into()));
        assert_eq!((report.all, report.net_bytes), (Cost { micros: 14, bytes: 106 }, 106));
        assert!(hot.stop() && !hot.stop() && !hot.is_on());
        assert!(!hot.report().unwrap().is_under_way);
        assert!(hot.reset() && hot.report().is_none());
    }

    #[test]
    fn slots_samples_and_time_bound_what_is_counted() {
        let hot = HotKeys::default();
        assert!(hot.start(HotKeySession::new(
            BOTH,
            2,
            0,
            4,
            vec![u16::from(b'b'), u16::from(b'a')],
            slot_of
        )));
        (0..4000).for_each(|_| note(&hot, &["a"], 1, 1));
        note(&hot, &["x"], 1, 1);
        let report = hot.report().unwrap();
        assert_eq!((report.all.micros, report.selected.micros), (4001, 4000));
        assert!((700..1300).contains(&report.sampled.micros), "{report:?}");
        assert_eq!(report.by_cpu.unwrap(), [(Bytes::from_static(b"a"), report.sampled.micros)]);
        hot.stop();
        let mut ended = HotKeySession::new(BOTH, 2, 1, 1, Vec::new(), slot_of);
        ended.ends_ms = monotonic_ms();
        assert!(hot.start(ended));
        note(&hot, &["a"], 1, 1);
        assert!(!hot.is_on() && hot.report().is_some_and(|report| report.all == Cost::default()));
    }
}
