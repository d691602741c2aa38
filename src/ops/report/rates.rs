//! What came of the last seconds: differences of counters, and of the histograms of classes and stages.
//!
//! Bounded: eleven samples, a few dozen KiB each with their histograms.

use crate::{
    session::{CommandClass, Node, ProcessUsage, Stats},
    state::DurationCounts,
};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Percentiles and rates are those of so many samples, one a second.
const WINDOW: usize = 10;

type Classes = [(CommandClass, DurationCounts); CommandClass::ALL.len()];

/// Counters at one moment.
#[derive(Debug, Clone)]
struct Mark {
    at: Instant,
    counters: [u64; COUNTERS],
    cpu_seconds: f64,
    classes: Classes,
    stages: Vec<(&'static str, DurationCounts)>,
}

const COUNTERS: usize = 9;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// The oldest first.
    marks: VecDeque<Mark>,
}

/// Per second.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PerSecond {
    pub commands: f64,
    pub errors: f64,
    pub in_bytes: f64,
    pub out_bytes: f64,
    pub hits: f64,
    pub misses: f64,
    pub refused: f64,
    pub evicted: f64,
    pub expired: f64,
    /// Cores in use.
    pub cpu: f64,
}

/// What came since.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Of the last second.
    pub last: PerSecond,
    /// Of the last ten.
    pub window: PerSecond,
    pub window_seconds: f64,
    pub classes: Classes,
    pub stages: Vec<(&'static str, DurationCounts)>,
}

impl Sample {
    fn class(&self, wanted: CommandClass) -> &DurationCounts {
        static NONE: std::sync::LazyLock<DurationCounts> = std::sync::LazyLock::new(DurationCounts::default);
        let found = self.classes.iter().find(|(class, _)| *class == wanted);
        found.map_or(&NONE, |(_, counts)| counts)
    }

    pub(super) fn reads(&self) -> &DurationCounts {
        self.class(CommandClass::Read)
    }

    pub(super) fn writes(&self) -> &DurationCounts {
        self.class(CommandClass::Write)
    }
}

impl Mark {
    fn of(node: &Node, process: &ProcessUsage) -> Mark {
        let stats = &node.stats;
        let (hits, misses) = node.group.store.lookups();
        let mut stages = node.group.state.latency.stages();
        stages.insert(0, ("commit", stats.threads.commits()));
        Mark {
            at: Instant::now(),
            counters: [
                Stats::get(&stats.commands_processed),
                Stats::get(&stats.error_replies),
                Stats::get(&stats.net_input_bytes),
                Stats::get(&stats.net_output_bytes),
                hits,
                misses,
                Stats::get(&stats.proposals_refused),
                Stats::get(&stats.evicted_keys),
                Stats::get(&stats.expired_keys),
            ],
            cpu_seconds: process.user_seconds + process.system_seconds,
            classes: stats.threads.classes(),
            stages,
        }
    }

    fn since(&self, before: &Mark) -> PerSecond {
        let seconds =
            self.at.saturating_duration_since(before.at).max(Duration::from_millis(1)).as_secs_f64();
        // CONFIG RESETSTAT sets some of them back.
        let rate = |at: usize| {
            let of = |mark: &Mark| mark.counters.get(at).copied().unwrap_or(0);
            of(self).saturating_sub(of(before)) as f64 / seconds
        };
        PerSecond {
            commands: rate(0),
            errors: rate(1),
            in_bytes: rate(2),
            out_bytes: rate(3),
            hits: rate(4),
            misses: rate(5),
            refused: rate(6),
            evicted: rate(7),
            expired: rate(8),
            cpu: ((self.cpu_seconds - before.cpu_seconds) / seconds).max(0.0),
        }
    }
}

impl Rates {
    /// Takes a sample; to be called once a second.
    pub(super) fn sample(&mut self, node: &Node, process: &ProcessUsage) -> Sample {
        let now = Mark::of(node, process);
        let last = self.marks.back().map_or_else(PerSecond::default, |before| now.since(before));
        let oldest = self.marks.front().unwrap_or(&now);
        let stages = now.stages.iter().zip(&oldest.stages);
        let mut classes = now.classes.clone();
        for ((_, counts), (_, before)) in classes.iter_mut().zip(&oldest.classes) {
            *counts = counts.since(before);
        }
        let sample = Sample {
            last,
            window: if self.marks.is_empty() { PerSecond::default() } else { now.since(oldest) },
            window_seconds: now.at.saturating_duration_since(oldest.at).as_secs_f64(),
            classes,
            stages: stages.map(|((name, counts), (_, before))| (*name, counts.since(before))).collect(),
        };
        if self.marks.len() >= WINDOW {
            self.marks.pop_front();
        }
        self.marks.push_back(now);
        sample
    }
}
