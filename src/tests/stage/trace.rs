//! What happened, line by line: a hash of all of it, and the last lines for people.

use std::{
    collections::VecDeque,
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
    /// `SIM_TRACE=1`: every line is printed.
    prints: bool,
}

impl Default for Trace {
    fn default() -> Self {
        let prints = std::env::var_os("SIM_TRACE").is_some();
        Trace { hasher: DefaultHasher::new(), lines: 0, last: VecDeque::new(), prints }
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
