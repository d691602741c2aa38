//! Scripts that run on this node outside the log, for SCRIPT KILL and FUNCTION STATS: those that only read, and trials. What
//! the log has cannot be killed: it ends by its budget, on every replica at the same instruction.

use crate::time::monotonic_ms;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// One run.
#[derive(Debug)]
pub(super) struct Running {
    number: u64,
    /// Of a function; `None`: a script.
    pub(super) function: Option<Vec<u8>>,
    pub(super) command: Vec<Vec<u8>>,
    pub(super) since_ms: u64,
    is_killed: AtomicBool,
}

#[derive(Default)]
struct Runs {
    next: u64,
    by_number: BTreeMap<u64, Arc<Running>>,
}

static RUNS: LazyLock<Mutex<Runs>> = LazyLock::new(Mutex::default);

/// Words of a call, and bytes of each, that FUNCTION STATS shows.
const WORDS_SHOWN: usize = 16;
const BYTES_SHOWN: usize = 128;

/// A run that has begun; it ends with this.
pub(super) struct Run(Arc<Running>);

impl Run {
    pub(super) fn begin(function: Option<&[u8]>, argv: &[&[u8]]) -> Self {
        let shown = argv.iter().take(WORDS_SHOWN);
        let command = shown.map(|word| word.get(..word.len().min(BYTES_SHOWN)).unwrap_or_default().to_vec());
        let (function, command) = (function.map(<[u8]>::to_vec), command.collect());
        let mut runs = RUNS.lock();
        let number = runs.next;
        runs.next = number.wrapping_add(1);
        let since_ms = monotonic_ms();
        let running =
            Arc::new(Running { number, function, command, since_ms, is_killed: AtomicBool::new(false) });
        runs.by_number.insert(number, Arc::clone(&running));
        Run(running)
    }
}

impl std::ops::Deref for Run {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.0
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        RUNS.lock().by_number.remove(&self.0.number);
    }
}

impl Running {
    pub(super) fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::Relaxed)
    }
}

/// Those of functions, or of scripts, the oldest first.
pub(super) fn all(of_functions: bool) -> Vec<Arc<Running>> {
    let runs = RUNS.lock();
    runs.by_number.values().filter(|run| run.function.is_some() == of_functions).map(Arc::clone).collect()
}

/// Ends them all; how many there were.
pub(super) fn kill(of_functions: bool) -> usize {
    let runs = all(of_functions);
    runs.iter().for_each(|run| run.is_killed.store(true, Ordering::Relaxed));
    runs.len()
}
