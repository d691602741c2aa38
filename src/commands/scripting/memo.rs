//! What this node has seen of scripts: whether they wrote, and how long they ran. It decides which way a call goes, never what
//! comes of it, so it is neither replicated nor kept.

use super::sha1::Sha1;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::LazyLock};

/// Scripts that are remembered; all are forgotten when there are more.
const REMEMBERED_MAX: usize = 4096;
/// A script that ran no longer than this is logged without a trial: about two milliseconds.
const SHORT_INSTRUCTIONS: u64 = 200_000;

/// One script's runs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// It was about to write when it ran last.
    pub(super) writes: bool,
    /// Of the longest run that was logged or tried; `None`: there was none.
    longest: Option<u64>,
}

impl Seen {
    /// Whether it has run to its end, and never for long.
    pub(super) fn is_short(self) -> bool {
        self.longest.is_some_and(|longest| longest <= SHORT_INSTRUCTIONS)
    }
}

static SEEN: LazyLock<Mutex<HashMap<Sha1, Seen>>> = LazyLock::new(Mutex::default);

pub(super) fn of(sha1: &Sha1) -> Seen {
    SEEN.lock().get(sha1).copied().unwrap_or_default()
}

fn change(sha1: &Sha1, change: impl FnOnce(&mut Seen)) {
    let mut seen = SEEN.lock();
    if seen.len() >= REMEMBERED_MAX && !seen.contains_key(sha1) {
        seen.clear();
    }
    change(seen.entry(*sha1).or_default());
}

/// It was about to write, or ended without.
pub(super) fn wrote(sha1: &Sha1, writes: bool) {
    change(sha1, |seen| seen.writes = writes);
}

/// It ran to its end, where it may write. One that did not is never short: `u64::MAX`.
pub(super) fn ran(sha1: &Sha1, instructions: u64) {
    change(sha1, |seen| seen.longest = Some(seen.longest.unwrap_or(0).max(instructions)));
}
