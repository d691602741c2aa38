//! Where a call's keys are. One answer for whoever asks: COMMAND GETKEYS, redirection and slots, calls that wait.

use super::{Command, KeyRange, parse_i64};

impl Command {
    /// Whether calls have keys. Channels of shards stand where keys do and have slots, but are none.
    pub fn has_keys(&self) -> bool {
        let keys = self.keys;
        (keys.first > 0 || keys.streams_from > 0 || keys.count_at.is_some())
            && !self.key_flags.contains(&"not_key")
    }
}

/// Indexes in `argv` of a call's keys, those behind keywords last; also of a shard's channels.
pub fn key_positions(command: &Command, argv: &[&[u8]]) -> Vec<usize> {
    let mut positions = in_range(command.keys, argv);
    positions.extend(command.key_words.iter().filter_map(|word| word.position(argv)));
    positions
}

fn in_range(keys: KeyRange, argv: &[&[u8]]) -> Vec<usize> {
    if let Ok(from @ 1..) = usize::try_from(keys.streams_from) {
        return behind_streams(argv, from);
    }
    let len = i64::try_from(argv.len()).unwrap_or(i64::MAX);
    if let Some(at) = keys.count_at {
        let count = argv.get(at).and_then(|word| parse_i64(word)).unwrap_or(0);
        let count = usize::try_from(count).unwrap_or(0);
        let first = at.saturating_add(1);
        let step = usize::try_from(keys.step).unwrap_or(1).max(1);
        // A number that is wrong says nothing about what follows.
        if count == 0 || count > argv.len().saturating_sub(first).div_ceil(step) {
            return Vec::new();
        }
        let counted = (0..count).map(|i| first.saturating_add(i.saturating_mul(step)));
        return keys.destination().into_iter().chain(counted).collect();
    }
    if keys.first <= 0 || keys.step <= 0 {
        return Vec::new();
    }
    let last = if keys.last < 0 {
        len.saturating_add(i64::from(keys.last))
    } else {
        i64::from(keys.last).min(len - 1)
    };
    let step = usize::try_from(keys.step).unwrap_or(1);
    (i64::from(keys.first)..=last).step_by(step).filter_map(|i| usize::try_from(i).ok()).collect()
}

/// The keys of XREAD and XREADGROUP: the first half of what follows STREAMS.
fn behind_streams(argv: &[&[u8]], from: usize) -> Vec<usize> {
    let options = streams_word(argv).filter(|at| *at >= from);
    let Some(at) = options.or_else(|| first_streams(argv, from)) else { return Vec::new() };
    let first = at.saturating_add(1);
    (first..first.saturating_add(argv.len().saturating_sub(first) / 2)).collect()
}

/// The word STREAMS, if all before it are options and their arguments.
fn streams_word(argv: &[&[u8]]) -> Option<usize> {
    let mut at = 1_usize;
    loop {
        let word = argv.get(at)?;
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        let is_number = || argv.get(at.saturating_add(1)).is_some_and(|word| parse_i64(word).is_some());
        let arguments = match () {
            () if (is("BLOCK") || is("COUNT")) && is_number() => 1,
            () if is("GROUP") => 2,
            () if is("NOACK") => 0,
            () if is("STREAMS") => return Some(at),
            () => return None,
        };
        at = at.saturating_add(1).saturating_add(arguments);
    }
}

/// As COMMAND INFO's key specification finds it: the first one from a word on. Where options are wrong, Redis goes by that.
fn first_streams(argv: &[&[u8]], from: usize) -> Option<usize> {
    let mut words = argv.iter().enumerate().skip(from);
    words.find(|(_, word)| word.eq_ignore_ascii_case(b"STREAMS")).map(|(at, _)| at)
}
