//! The keys and channels that a call names, and how it accesses each. One answer from the row for every user: COMMAND
//! GETKEYS, redirection and slots, WATCH, blocking calls.

use super::{Access, Command, KeyRange, Run, parse_i64};

/// A key or channel of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Index in argv.
    pub at: usize,
    pub access: Access,
}

impl Command {
    /// Whether calls have keys. Shard channels are in the position of keys and have slots, but are not keys.
    pub fn has_keys(&self) -> bool {
        let keys = self.keys;
        (keys.first > 0 || keys.streams_from > 0 || keys.count_at.is_some())
            && self.accesses().iter().all(|access| access.is_of_key())
    }

    /// How calls access their keys: the first, the second …, and all that follow. Never empty, except for commands without
    /// keys.
    pub(super) fn accesses(&self) -> &'static [Access] {
        match self.run {
            _ if !self.access.is_empty() => self.access,
            Run::Read(_) => &[Access::Read],
            Run::Write(_) | Run::Script(_) => &[Access::ReadUpdate],
            Run::Local(_) | Run::Async(_) | Run::Container => &[],
        }
    }

    /// The keys of a call, those behind keywords last; also shard channels, which are in the position of keys.
    pub fn keys_of(&self, argv: &[&[u8]]) -> Vec<Named> {
        let accesses = self.accesses();
        let mut named: Vec<Named> = in_range(self.keys, argv)
            .into_iter()
            .enumerate()
            .map(|(number, at)| {
                let access = accesses.get(number).or(accesses.last()).copied().unwrap_or(Access::Look);
                Named { at, access: self.variable_access.map_or(access, |access_of| access_of(argv)) }
            })
            .collect();
        let behind_words = self
            .key_words
            .iter()
            .filter_map(|word| Some(Named { at: word.position(argv)?, access: word.access }));
        named.extend(behind_words);
        named
    }

    /// The channels and channel patterns of a call.
    pub fn channels_of(&self, argv: &[&[u8]]) -> Vec<Named> {
        let shards = self.keys_of(argv).into_iter().filter(|named| !named.access.is_of_key());
        let (range, access) = self.channels;
        shards.chain(in_range(range, argv).into_iter().map(|at| Named { at, access })).collect()
    }
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
        // A wrong number says nothing about the words behind it.
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

/// The keys of XREAD and XREADGROUP: the first half of the words behind STREAMS.
fn behind_streams(argv: &[&[u8]], from: usize) -> Vec<usize> {
    let options = streams_word(argv).filter(|at| *at >= from);
    let Some(at) = options.or_else(|| first_streams(argv, from)) else { return Vec::new() };
    let first = at.saturating_add(1);
    (first..first.saturating_add(argv.len().saturating_sub(first) / 2)).collect()
}

/// The position of the word STREAMS, if only options and their arguments come before it.
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

/// The position that COMMAND INFO's key specification gives: the first STREAMS from a word on. Redis uses it if the options
/// are wrong.
fn first_streams(argv: &[&[u8]], from: usize) -> Option<usize> {
    let mut words = argv.iter().enumerate().skip(from);
    words.find(|(_, word)| word.eq_ignore_ascii_case(b"STREAMS")).map(|(at, _)| at)
}
