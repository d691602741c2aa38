//! What happened, line by line: a hash of all of it, and the last lines for people.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Arguments,
    hash::{DefaultHasher, Hash, Hasher},
};

/// Lines that are kept to be shown when a run fails.
const KEPT: usize = 120;

/// See the module.
pub(crate) struct Trace {
    /// Its keys are always the same, unlike those of a map's.
    hasher: DefaultHasher,
    lines: u64,
    last: VecDeque<String>,
    /// How often things of a kind happened: what was never tried is not proved.
    tally: BTreeMap<String, u64>,
    /// `SIM_TRACE=1`: every line is printed.
    prints: bool,
}

impl Default for Trace {
    fn default() -> Self {
        let prints = std::env::var_os("SIM_TRACE").is_some();
        Trace {
            hasher: DefaultHasher::new(),
            lines: 0,
            last: VecDeque::new(),
            tally: BTreeMap::new(),
            prints,
        }
    }
}

impl Trace {
    pub(super) fn add(&mut self, now: u64, node: usize, text: Arguments<'_>) {
        let line = format!("{now:>6} n{node} {text}");
        line.hash(&mut self.hasher);
        self.lines += 1;
        if self.prints {
            eprintln!("{line}");
        }
        self.last.push_back(line);
        if self.last.len() > KEPT {
            self.last.pop_front();
        }
    }

    pub(crate) fn count(&mut self, what: &str, times: u64) {
        *self.tally.entry(what.to_owned()).or_default() += times;
    }

    pub(crate) fn tally(&self) -> &BTreeMap<String, u64> {
        &self.tally
    }

    /// The same for two runs only if the same happened.
    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    pub(crate) fn last(&self) -> String {
        self.last.iter().map(|line| format!("{line}\n")).collect()
    }
}
