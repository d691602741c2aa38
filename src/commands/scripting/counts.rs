//! What scripts and functions have cost this node since its start, for the metrics: in apply, on views and in trials. A script that is
//! tried out and then logged counts twice, as it costs.

use crate::script::{Ran, Stop};
use std::sync::atomic::{AtomicU64, Ordering};

static RUNS: AtomicU64 = AtomicU64::new(0);
static MICROS: AtomicU64 = AtomicU64::new(0);
static INSTRUCTIONS: AtomicU64 = AtomicU64::new(0);
static LIMITED: AtomicU64 = AtomicU64::new(0);

/// Counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub runs: u64,
    /// Time in the interpreter and in the commands that it called.
    pub micros: u64,
    /// Of those that came to their end.
    pub instructions: u64,
    /// Ended by a limit: instructions, memory, or the reply.
    pub limited: u64,
}

impl Counts {
    pub fn now() -> Self {
        let [runs, micros, instructions, limited] =
            [&RUNS, &MICROS, &INSTRUCTIONS, &LIMITED].map(|counter| counter.load(Ordering::Relaxed));
        Counts { runs, micros, instructions, limited }
    }
}

/// Counts a run.
pub(super) fn ran(micros: u64, outcome: &Result<Ran, Stop>) {
    RUNS.fetch_add(1, Ordering::Relaxed);
    MICROS.fetch_add(micros, Ordering::Relaxed);
    match outcome {
        Ok(ran) => INSTRUCTIONS.fetch_add(ran.instructions, Ordering::Relaxed),
        Err(Stop::Limit(_)) => LIMITED.fetch_add(1, Ordering::Relaxed),
        Err(Stop::Store(_) | Stop::Writes | Stop::Killed | Stop::Refused(_)) => 0,
    };
}
