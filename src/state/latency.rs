//! LATENCY: what has lately held this node up for longer than `latency-monitor-threshold`; and how long each of the stages
//! behind commands takes, which is always counted, for the metrics.
//!
//! Bounded: a sample per event and second, 160 of them, as in Redis. While the threshold is 0 an event costs one look at it.
//! A stage ends once per batch, not once per command.

use super::{DurationCounts, Durations};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Samples of an event.
const SAMPLES_MAX: usize = 160;
/// Nothing reaches it.
const NEVER: u64 = u64::MAX;
const STAGES: usize = 5;

/// What takes its time. Names are Redis's where Redis has the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LatencyEvent {
    /// A command's own execution, by whether it should be fast.
    Command,
    FastCommand,
    /// A write of the log and its sync.
    LogSync,
    /// A batch of entries, from its first command to its commit in the store.
    ApplyBatch,
    /// A proposal on its way through the log, seen by the network thread: queue, sync, majority, apply.
    Commit,
    /// The time between two leaders.
    Leaderless,
    /// Expired keys, on their way through the log.
    ExpireCycle,
    /// A checkpoint of the store, for a snapshot or BGSAVE.
    Snapshot,
    /// A read on the pool, its turn and the disk included.
    LongRead,
}

impl LatencyEvent {
    pub const ALL: [LatencyEvent; 9] = [
        LatencyEvent::Command,
        LatencyEvent::FastCommand,
        LatencyEvent::LogSync,
        LatencyEvent::ApplyBatch,
        LatencyEvent::Commit,
        LatencyEvent::Leaderless,
        LatencyEvent::ExpireCycle,
        LatencyEvent::Snapshot,
        LatencyEvent::LongRead,
    ];

    /// As LATENCY names it.
    pub fn name(self) -> &'static str {
        match self {
            LatencyEvent::Command => "command",
            LatencyEvent::FastCommand => "fast-command",
            LatencyEvent::LogSync => "aof-fsync-always",
            LatencyEvent::ApplyBatch => "apply-batch",
            LatencyEvent::Commit => "commit",
            LatencyEvent::Leaderless => "leaderless",
            LatencyEvent::ExpireCycle => "expire-cycle",
            LatencyEvent::Snapshot => "snapshot",
            LatencyEvent::LongRead => "long-read",
        }
    }

    /// The stage whose durations are always counted, and its name in the metrics; `None`: they are not, or elsewhere.
    fn stage(self) -> Option<(usize, &'static str)> {
        match self {
            LatencyEvent::LogSync => Some((0, "log_sync")),
            LatencyEvent::ApplyBatch => Some((1, "apply")),
            LatencyEvent::ExpireCycle => Some((2, "expire")),
            LatencyEvent::Snapshot => Some((3, "snapshot")),
            LatencyEvent::LongRead => Some((4, "disk_read")),
            LatencyEvent::Command
            | LatencyEvent::FastCommand
            | LatencyEvent::Commit
            | LatencyEvent::Leaderless => None,
        }
    }

    pub fn of_command(is_fast: bool) -> Self {
        if is_fast { LatencyEvent::FastCommand } else { LatencyEvent::Command }
    }
}

/// The longest event of one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencySample {
    /// Wall time.
    pub at_seconds: u64,
    pub ms: u64,
}

/// Of one event.
#[derive(Debug, Clone, Default)]
pub struct LatencySeries {
    /// The oldest first.
    pub samples: VecDeque<LatencySample>,
    /// The longest since LATENCY RESET.
    pub max_ms: u64,
}

/// See the module.
#[derive(Debug)]
pub struct LatencyMonitor {
    threshold_us: AtomicU64,
    /// Since when no leader has been known, monotonic; 0 = one is, or none ever was.
    leaderless_since_us: AtomicU64,
    series: Mutex<[LatencySeries; LatencyEvent::ALL.len()]>,
    stages: [Durations; STAGES],
}

impl Default for LatencyMonitor {
    fn default() -> Self {
        LatencyMonitor {
            threshold_us: AtomicU64::new(NEVER),
            leaderless_since_us: AtomicU64::new(0),
            series: Mutex::default(),
            stages: Default::default(),
        }
    }
}

impl LatencyMonitor {
    /// 0 = off.
    pub fn configure(&self, threshold_ms: u64) {
        let threshold_us = if threshold_ms == 0 { NEVER } else { threshold_ms.saturating_mul(1000) };
        self.threshold_us.store(threshold_us, Ordering::Relaxed);
    }

    #[inline]
    pub fn is_on(&self) -> bool {
        self.threshold_us.load(Ordering::Relaxed) != NEVER
    }

    /// Whether an event of so many microseconds is recorded.
    #[inline]
    pub fn wants_us(&self, micros: u64) -> bool {
        micros >= self.threshold_us.load(Ordering::Relaxed)
    }

    /// Records an event, if it took long enough.
    #[inline]
    pub fn add(&self, event: LatencyEvent, took: Duration) {
        self.add_us(event, u64::try_from(took.as_micros()).unwrap_or(NEVER - 1));
    }

    /// As `add`.
    #[inline]
    pub fn add_us(&self, event: LatencyEvent, micros: u64) {
        if let Some(durations) = event.stage().and_then(|(at, _)| self.stages.get(at)) {
            durations.add_nanos(micros.saturating_mul(1000));
        }
        if self.wants_us(micros) {
            self.record(event, micros / 1000, crate::time::now_ms() / 1000);
        }
    }

    /// A leader is known now, or none any more.
    pub(super) fn leader(&self, is_known: bool, now_us: u64) {
        let since = match is_known {
            true => self.leaderless_since_us.swap(0, Ordering::Relaxed),
            false => return self.leaderless_since_us.store(now_us.max(1), Ordering::Relaxed),
        };
        if since > 0 {
            self.add_us(LatencyEvent::Leaderless, now_us.saturating_sub(since));
        }
    }

    #[cold]
    fn record(&self, event: LatencyEvent, ms: u64, at_seconds: u64) {
        let mut all = self.series.lock();
        let Some(series) = all.get_mut(event as usize) else { return };
        series.max_ms = series.max_ms.max(ms);
        match series.samples.back_mut() {
            Some(last) if last.at_seconds == at_seconds => last.ms = last.ms.max(ms),
            _ => {
                if series.samples.len() >= SAMPLES_MAX {
                    series.samples.pop_front();
                }
                series.samples.push_back(LatencySample { at_seconds, ms });
            }
        }
    }

    /// What was counted of each stage, with its name.
    pub fn stages(&self) -> Vec<(&'static str, DurationCounts)> {
        let stages = LatencyEvent::ALL.into_iter().filter_map(LatencyEvent::stage);
        stages.filter_map(|(at, name)| Some((name, self.stages.get(at)?.counts()))).collect()
    }

    /// The events that were recorded.
    pub fn recorded(&self) -> Vec<(LatencyEvent, LatencySeries)> {
        let all = self.series.lock();
        let recorded = LatencyEvent::ALL.into_iter().zip(all.iter());
        recorded
            .filter(|(_, series)| !series.samples.is_empty())
            .map(|(event, one)| (event, one.clone()))
            .collect()
    }

    /// Forgets these events; returns how many of them were recorded.
    pub fn reset(&self, is_meant: impl Fn(LatencyEvent) -> bool) -> usize {
        let mut all = self.series.lock();
        let meant = LatencyEvent::ALL.into_iter().zip(all.iter_mut()).filter(|(event, _)| is_meant(*event));
        let recorded = meant.filter(|(_, series)| !series.samples.is_empty());
        recorded.map(|(_, series)| *series = LatencySeries::default()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_a_second_is_kept_and_no_more_than_fit() {
        let monitor = LatencyMonitor::default();
        monitor.add_us(LatencyEvent::Commit, NEVER - 1);
        assert!(monitor.recorded().is_empty() && !monitor.is_on());
        monitor.configure(5);
        monitor.add_us(LatencyEvent::Commit, 4999);
        assert!(monitor.recorded().is_empty());
        for second in 0..200 {
            for ms in [7, 9, 8] {
                monitor.record(LatencyEvent::Commit, ms, second);
            }
        }
        let recorded = monitor.recorded();
        let [(LatencyEvent::Commit, series)] = recorded.as_slice() else { panic!("{recorded:?}") };
        assert_eq!((series.samples.len(), series.max_ms), (SAMPLES_MAX, 9));
        assert_eq!(series.samples.back(), Some(&LatencySample { at_seconds: 199, ms: 9 }));
        assert_eq!(monitor.reset(|event| event == LatencyEvent::Command), 0);
        assert_eq!(monitor.reset(|_| true), 1);
        assert!(monitor.recorded().is_empty());
    }

    #[test]
    fn stages_are_counted_whatever_the_threshold_is() {
        let monitor = LatencyMonitor::default();
        monitor.add_us(LatencyEvent::LogSync, 700);
        monitor.add(LatencyEvent::LongRead, Duration::from_millis(3));
        monitor.add_us(LatencyEvent::Commit, 900);
        let counted: Vec<(&str, u64)> =
            monitor.stages().iter().map(|(name, counts)| (*name, counts.count())).collect();
        assert_eq!(
            counted,
            [("log_sync", 1), ("apply", 0), ("expire", 0), ("snapshot", 0), ("disk_read", 1)]
        );
        assert!(monitor.recorded().is_empty());
    }

    #[test]
    fn each_event_has_its_place_and_a_name_of_its_own() {
        for (at, event) in LatencyEvent::ALL.into_iter().enumerate() {
            assert_eq!(event as usize, at);
        }
        let names: std::collections::BTreeSet<_> = LatencyEvent::ALL.map(LatencyEvent::name).into();
        assert_eq!(names.len(), LatencyEvent::ALL.len());
    }
}
