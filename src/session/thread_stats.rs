//! Counters of each network thread: command latencies, in a histogram per command that is created when the command is first
//! called there, and in one per class of commands; how long writes take through the log; and numbers of socket reads and writes.
//!
//! A thread counts without locks and without sharing cache lines with others; readers add up. Bounded: a histogram of a command has
//! 3,072 counters (24 KiB), and there are as many as called commands × network threads. Values are within 1 % of the
//! measured ones, as Redis's are. Those of classes are coarser and small, so that they can be read every second.

use super::CommandClass;
use crate::state::{DurationCounts, Durations};
use histogram::{AtomicHistogram, Histogram};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// 2^7 counters for each power of two.
const GROUPING_POWER: u8 = 7;
/// 2^30 ns; what takes longer is counted as this long (Redis: one second).
const VALUE_POWER_MAX: u8 = 30;
const NANOS_MAX: u64 = (1 << VALUE_POWER_MAX) - 1;

/// Of one network thread.
#[derive(Debug, Default)]
pub struct ThreadStats {
    /// Times that bytes were read from a client, and that bytes were written to one.
    pub socket_reads: AtomicU64,
    pub socket_writes: AtomicU64,
    /// Calls, while some of them are traced.
    calls: AtomicU64,
    /// Whether latencies are counted.
    is_on: AtomicBool,
    /// By `Resolved::index`.
    class_of: Arc<[CommandClass]>,
    classes: [Durations; CommandClass::ALL.len()],
    /// From a chunk's writes to their replies.
    commits: Durations,
    /// By `Resolved::index`; `None` cannot be, since the parameters above are valid.
    commands: Box<[OnceLock<Option<AtomicHistogram>>]>,
}

impl ThreadStats {
    fn new(class_of: Arc<[CommandClass]>, is_on: bool) -> Self {
        let commands = class_of.iter().map(|_| OnceLock::new()).collect();
        ThreadStats { is_on: AtomicBool::new(is_on), class_of, commands, ..ThreadStats::default() }
    }

    /// A chunk's writes took so long through the log.
    pub fn record_commit(&self, took: Duration) {
        self.commits.add(took);
    }

    /// The number of one more call, for those that are traced.
    pub fn number_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a call.
    pub fn record(&self, index: usize, took: Duration) {
        if !self.is_on.load(Ordering::Relaxed) {
            return;
        }
        if let Some(durations) = self.class_of.get(index).and_then(|class| self.classes.get(*class as usize))
        {
            durations.add(took);
        }
        let Some(slot) = self.commands.get(index) else { return };
        if let Some(histogram) =
            slot.get_or_init(|| AtomicHistogram::new(GROUPING_POWER, VALUE_POWER_MAX).ok())
        {
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).min(NANOS_MAX);
            // No value that is not too large is out of range.
            let _ = histogram.increment(nanos);
        }
    }
}

/// Of all network threads.
#[derive(Debug, Default)]
pub struct Threads {
    threads: Mutex<Vec<Arc<ThreadStats>>>,
    is_off: AtomicBool,
}

impl Threads {
    /// For one more network thread. `class_of`: the classes of all commands.
    pub fn thread(&self, class_of: Arc<[CommandClass]>) -> Arc<ThreadStats> {
        let mut threads = self.threads.lock();
        let fresh = Arc::new(ThreadStats::new(class_of, !self.is_off.load(Ordering::Relaxed)));
        threads.push(Arc::clone(&fresh));
        fresh
    }

    /// Whether calls are counted from now on (`latency-tracking`).
    pub fn switch(&self, is_on: bool) {
        let threads = self.threads.lock();
        self.is_off.store(!is_on, Ordering::Relaxed);
        threads.iter().for_each(|thread| thread.is_on.store(is_on, Ordering::Relaxed));
    }

    /// A command's calls on all threads; `None` = it was not called.
    fn merged(&self, index: usize) -> Option<Histogram> {
        let mut all: Option<Histogram> = None;
        for thread in self.threads.lock().iter() {
            let Some(Some(histogram)) = thread.commands.get(index).and_then(OnceLock::get) else { continue };
            let one = histogram.load();
            all = match all {
                Some(all) => Some(all.wrapping_add(&one).unwrap_or(one)),
                None => Some(one),
            };
        }
        let all = all?;
        // Nothing was called since the counters were last set to zero.
        all.quantile_bucket(0.0).ok().flatten()?;
        Some(all)
    }

    /// For powers of two: microseconds, and how many calls of a command took no longer; only where the count grows. As LATENCY
    /// HISTOGRAM of Redis, which counts in 1024 ns. `None` = it was not called.
    pub fn cumulative(&self, index: usize) -> Option<Vec<(u64, u64)>> {
        let all = self.merged(index)?;
        let (mut counts, mut limit, mut sum): (Vec<(u64, u64)>, u64, u64) = (Vec::new(), 1024, 0);
        for bucket in all.iter().filter(|bucket| bucket.count() > 0) {
            while bucket.start() > limit {
                limit = limit.saturating_mul(2);
            }
            sum = sum.saturating_add(bucket.count());
            // The whole bucket that begins there counts.
            let micros = limit.saturating_add(limit >> GROUPING_POWER).saturating_sub(1) / 1000;
            match counts.last_mut() {
                Some((last, count)) if *last == micros => *count = sum,
                _ => counts.push((micros, sum)),
            }
        }
        Some(counts)
    }

    /// The latency in nanoseconds that these percentages of a command's calls did not exceed; `None` = it was not called.
    pub fn percentiles(&self, index: usize, percentiles: &[f64]) -> Option<Vec<u64>> {
        let all = self.merged(index)?;
        let at = |percentile: &f64| {
            all.quantile_bucket(percentile / 100.0).ok().flatten().map(|bucket| bucket.end())
        };
        percentiles.iter().map(at).collect()
    }

    /// How long the calls of each class took since the start, on all threads.
    pub fn classes(&self) -> [(CommandClass, DurationCounts); CommandClass::ALL.len()] {
        let threads = self.threads.lock();
        CommandClass::ALL.map(|class| {
            let of = threads.iter().filter_map(|thread| thread.classes.get(class as usize));
            (class, of.fold(DurationCounts::default(), |sum, one| sum.plus(&one.counts())))
        })
    }

    /// How long writes took through the log since the start, on all threads.
    pub fn commits(&self) -> DurationCounts {
        let threads = self.threads.lock();
        threads.iter().fold(DurationCounts::default(), |sum, thread| sum.plus(&thread.commits.counts()))
    }

    /// The numbers of socket reads and writes.
    pub fn sockets(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        self.threads.lock().iter().fold((0, 0), |(reads, writes), thread| {
            (
                reads.saturating_add(load(&thread.socket_reads)),
                writes.saturating_add(load(&thread.socket_writes)),
            )
        })
    }

    /// CONFIG RESETSTAT. What the metrics have of classes and the log goes on: their readers take differences.
    pub fn reset(&self) {
        for thread in self.threads.lock().iter() {
            thread.socket_reads.store(0, Ordering::Relaxed);
            thread.socket_writes.store(0, Ordering::Relaxed);
            for histogram in thread.commands.iter().filter_map(|slot| slot.get()?.as_ref()) {
                histogram.drain();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(commands: usize) -> Arc<[CommandClass]> {
        vec![CommandClass::Read; commands].into()
    }

    #[test]
    fn classes_are_of_all_threads_and_go_on_when_commands_are_reset() {
        let threads = Threads::default();
        let class_of: Arc<[CommandClass]> = vec![CommandClass::Write, CommandClass::Read].into();
        let (one, other) = (threads.thread(Arc::clone(&class_of)), threads.thread(class_of));
        one.record(0, Duration::from_micros(10));
        other.record(0, Duration::from_micros(20));
        other.record(1, Duration::from_micros(30));
        other.record(7, Duration::from_micros(40));
        one.record_commit(Duration::from_millis(2));
        threads.reset();
        let counted = threads.classes().map(|(class, counts)| (class.name(), counts.count()));
        assert_eq!(counted[..2], [("read", 1), ("write", 2)]);
        assert_eq!(counted[2..].iter().map(|(_, count)| count).sum::<u64>(), 0);
        assert_eq!(threads.commits().count(), 1);
    }

    #[test]
    fn percentiles_are_of_all_threads_and_within_one_percent() {
        let threads = Threads::default();
        let (one, other) = (threads.thread(reads(3)), threads.thread(reads(3)));
        assert_eq!(threads.percentiles(1, &[50.0]), None);
        for micros in 1..=1000 {
            let thread = if micros % 2 == 0 { &one } else { &other };
            thread.record(1, Duration::from_micros(micros));
        }
        let found = threads.percentiles(1, &[50.0, 99.0, 100.0]).unwrap();
        for (found, wanted) in found.iter().zip([500_000.0, 990_000.0, 1_000_000.0]) {
            let off = (*found as f64 - wanted).abs() / wanted;
            assert!(off <= 0.01, "{found} for {wanted}");
        }
        assert_eq!(threads.percentiles(1, &[]), Some(vec![]));
        assert_eq!(threads.percentiles(0, &[50.0]), None);
        one.record(7, Duration::ZERO);
        threads.reset();
        assert_eq!(threads.percentiles(1, &[50.0]), None);
    }

    #[test]
    fn calls_are_counted_up_to_the_powers_of_two_that_redis_shows() {
        let threads = Threads::default();
        let (one, other) = (threads.thread(reads(1)), threads.thread(reads(1)));
        for (thread, nanos) in [(&one, 900), (&other, 1024), (&one, 16_400), (&one, 40_000), (&other, 60_000)]
        {
            thread.record(0, Duration::from_nanos(nanos));
        }
        one.record(0, Duration::from_secs(3600));
        let counts = threads.cumulative(0).unwrap();
        assert_eq!(counts[..3], [(1, 2), (16, 3), (66, 5)]);
        assert_eq!(counts[3].1, 6, "{counts:?}");
        assert_eq!(threads.cumulative(7), None);
    }

    #[test]
    fn what_takes_long_is_counted_and_nothing_is_while_switched_off() {
        let threads = Threads::default();
        let thread = threads.thread(reads(1));
        thread.record(0, Duration::from_secs(3600));
        assert!(threads.percentiles(0, &[100.0]).unwrap()[0] >= 1_000_000_000);
        threads.reset();
        threads.switch(false);
        thread.record(0, Duration::from_secs(1));
        threads.thread(reads(1)).record(0, Duration::from_secs(1));
        assert_eq!(threads.percentiles(0, &[100.0]), None);
        threads.switch(true);
        thread.record(0, Duration::from_secs(1));
        assert!(threads.percentiles(0, &[100.0]).is_some());
    }
}
