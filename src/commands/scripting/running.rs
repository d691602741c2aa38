//! Scripts that run on this node, for SCRIPT KILL, FUNCTION STATS and the metrics: those that only read and trials, which can be
//! killed, and those of the log, which cannot: replicas would part. They end by their budget, on every replica at the same
//! instruction.
//!
//! A run is entered once it has taken a while (`LOOKS_MIN`). So short ones cost nothing here, and what a kill meets is a
//! script that somebody may want to be rid of.

use crate::{resp::ErrorReply, time::monotonic_ms};
use parking_lot::Mutex;
use std::{
    cell::{Cell, OnceCell},
    collections::BTreeMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// Looks of the interpreter, about 8,000 instructions apart, after which a run counts as long.
const LOOKS_MIN: u32 = 20;
/// Words of a call, and bytes of each, that FUNCTION STATS shows.
const WORDS_SHOWN: usize = 16;
const BYTES_SHOWN: usize = 128;

/// Where a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On a view or in a trial: nothing comes of it when it is killed.
    OutsideTheLog,
    /// In apply.
    Log,
}

/// One run.
#[derive(Debug)]
pub(super) struct Running {
    number: u64,
    place: Place,
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

/// A run that is entered; it is struck off with this.
struct Entered(Arc<Running>);

impl Entered {
    fn new(place: Place, function: Option<&[u8]>, argv: &[&[u8]]) -> Self {
        let shown = argv.iter().take(WORDS_SHOWN);
        let command = shown.map(|word| word.get(..word.len().min(BYTES_SHOWN)).unwrap_or_default().to_vec());
        let (function, command) = (function.map(<[u8]>::to_vec), command.collect());
        let mut runs = RUNS.lock();
        let number = runs.next;
        runs.next = number.wrapping_add(1);
        let (since_ms, is_killed) = (monotonic_ms(), AtomicBool::new(false));
        let running = Arc::new(Running { number, place, function, command, since_ms, is_killed });
        runs.by_number.insert(number, Arc::clone(&running));
        Entered(running)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        RUNS.lock().by_number.remove(&self.0.number);
    }
}

/// One call's run, from its beginning to its end.
pub(super) struct Run<'a> {
    place: Place,
    function: Option<&'a [u8]>,
    argv: &'a [&'a [u8]],
    looks: Cell<u32>,
    entered: OnceCell<Entered>,
}

impl<'a> Run<'a> {
    pub(super) fn new(place: Place, function: Option<&'a [u8]>, argv: &'a [&'a [u8]]) -> Self {
        Run { place, function, argv, looks: Cell::new(0), entered: OnceCell::new() }
    }

    /// The interpreter has come to its next look; whether the run has become long.
    pub(super) fn look(&self) -> bool {
        self.looks.set(self.looks.get().saturating_add(1));
        self.looks.get() > LOOKS_MIN
    }

    /// Enters it, if it is not yet; whether it is killed. Always false in the log.
    pub(super) fn is_killed(&self) -> bool {
        let Entered(running) =
            self.entered.get_or_init(|| Entered::new(self.place, self.function, self.argv));
        self.place == Place::OutsideTheLog && running.is_killed.load(Ordering::Relaxed)
    }
}

/// Those of functions, or of scripts, the oldest first.
pub(super) fn all(of_functions: bool) -> Vec<Arc<Running>> {
    let runs = RUNS.lock();
    runs.by_number.values().filter(|run| run.function.is_some() == of_functions).map(Arc::clone).collect()
}

/// For the metrics: long runs of now, and how long the longest of them has run, ms.
pub fn long_runs() -> (usize, u64) {
    let runs = RUNS.lock();
    let began_ms = runs.by_number.values().map(|run| run.since_ms).min();
    let longest_ms = began_ms.map_or(0, |began_ms| monotonic_ms().saturating_sub(began_ms));
    (runs.by_number.len(), longest_ms)
}

/// What SCRIPT KILL or FUNCTION KILL has met, on one node or on several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Killed {
    /// Ended.
    pub killed: u32,
    /// Of the log, and so left alone.
    pub in_log: u32,
    /// Functions where scripts were meant, or scripts where functions were: left alone.
    pub of_other_kind: u32,
}

impl Killed {
    /// Of two nodes.
    pub fn and(self, other: Killed) -> Killed {
        Killed {
            killed: self.killed.saturating_add(other.killed),
            in_log: self.in_log.saturating_add(other.in_log),
            of_other_kind: self.of_other_kind.saturating_add(other.of_other_kind),
        }
    }

    /// What the client is told, as by redis-server of the one script that it runs.
    pub fn answer(self, of_functions: bool) -> Result<(), ErrorReply> {
        if self.killed > 0 {
            return Ok(());
        }
        if self.in_log > 0 {
            let text =
                "Sorry the script already executed write commands against the dataset. It ends by its limits";
            return Err(ErrorReply::new("UNKILLABLE", text));
        }
        if self.of_other_kind > 0 {
            let other = if of_functions { "SCRIPT" } else { "FUNCTION" };
            let text =
                format!("Redis is busy running a script. You can only call {other} KILL or SHUTDOWN NOSAVE.");
            return Err(ErrorReply::new("BUSY", text));
        }
        Err(ErrorReply::new("NOTBUSY", "No scripts in execution right now."))
    }
}

/// Ends the scripts, or the functions, that run on this node outside the log.
pub fn kill(of_functions: bool) -> Killed {
    let mut met = Killed::default();
    for run in RUNS.lock().by_number.values() {
        let count = match run.place {
            _ if run.function.is_some() != of_functions => &mut met.of_other_kind,
            Place::Log => &mut met.in_log,
            Place::OutsideTheLog => {
                run.is_killed.store(true, Ordering::Relaxed);
                &mut met.killed
            }
        };
        *count = count.saturating_add(1);
    }
    met
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other tests of this process may run scripts: only what is told of some counts is certain.
    #[test]
    fn what_a_kill_answers() {
        let met = |killed, in_log, of_other_kind| Killed { killed, in_log, of_other_kind };
        let code = |met: Killed| met.answer(false).err().map(|error| error.code().to_owned());
        assert_eq!(code(met(0, 0, 0)).as_deref(), Some("NOTBUSY"));
        assert_eq!(code(met(0, 0, 1)).as_deref(), Some("BUSY"));
        assert_eq!(code(met(0, 1, 1)).as_deref(), Some("UNKILLABLE"));
        assert_eq!(code(met(1, 1, 1)), None, "one was ended");
        assert_eq!(code(met(0, 0, 0).and(met(2, 0, 0))), None, "on another node");
        let text = met(0, 0, 1).answer(true).unwrap_err().to_string();
        assert!(text.contains("SCRIPT KILL"), "{text}");
    }

    #[test]
    fn a_long_run_outside_the_log_is_killed_and_one_of_the_log_is_not() {
        let argv: [&[u8]; 3] = [b"FCALL", b"this test", b"0"];
        let outside = Run::new(Place::OutsideTheLog, Some(b"this test"), &argv);
        let in_log = Run::new(Place::Log, Some(b"this test"), &argv);
        for run in [&outside, &in_log] {
            assert!((0..LOOKS_MIN).all(|_| !run.look()), "still short");
            assert!(run.look() && !run.is_killed());
        }
        let shown = all(true).into_iter().filter(|run| run.command[1] == b"this test").count();
        assert_eq!(shown, 2);
        let met = kill(true);
        assert!(met.killed >= 1 && met.in_log >= 1, "{met:?}");
        assert!(outside.is_killed() && !in_log.is_killed());
        drop((outside, in_log));
        assert!(all(true).iter().all(|run| run.command[1] != b"this test"), "struck off");
    }
}
