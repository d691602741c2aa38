//! The keys and channels that a call names, and how it accesses each. One answer from the row for every user: COMMAND
//! GETKEYS, redirection and slots, WATCH, blocking calls, permissions.

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
        self.keys_in(argv).collect()
    }

    /// As `keys_of`, one after the other.
    pub fn keys_in(&self, argv: &[&[u8]]) -> impl Iterator<Item = Named> {
        let accesses = self.accesses();
        let variable = self.variable_access.map(|access_of| access_of(argv));
        let positions = match self.keys_at {
            None => in_range(self.keys, argv),
            Some(keys_at) => {
                let at = keys_at(argv);
                Positions { destination: None, first: at.start, step: 1, count: at.len() }
            }
        };
        let in_range = positions.enumerate().map(move |(number, at)| {
            let access = accesses.get(number).or(accesses.last()).copied().unwrap_or(Access::Look);
            Named { at, access: variable.unwrap_or(access) }
        });
        let behind_words = self
            .key_words
            .iter()
            .filter_map(move |word| Some(Named { at: word.position(argv)?, access: word.access }));
        in_range.chain(behind_words)
    }

    /// The names of the keys of a call.
    pub fn key_names<'w>(&self, argv: &'w [&'w [u8]]) -> impl Iterator<Item = &'w [u8]> {
        let keys = self.keys_in(argv).filter(|named| named.access.is_of_key());
        keys.filter_map(|named| argv.get(named.at).copied())
    }

    /// The keys that a call reads, if its command only reads: those that a client may cache.
    pub fn keys_read<'w>(&self, argv: &'w [&'w [u8]]) -> impl Iterator<Item = &'w [u8]> {
        let reads = matches!(self.run, Run::Read(_));
        self.key_names(argv).filter(move |_| reads)
    }

    /// The channels and channel patterns of a call.
    pub fn channels_of(&self, argv: &[&[u8]]) -> Vec<Named> {
        self.channels_in(argv).collect()
    }

    /// As `channels_of`, one after the other.
    pub fn channels_in(&self, argv: &[&[u8]]) -> impl Iterator<Item = Named> {
        let shards = self.keys_in(argv).filter(|named| !named.access.is_of_key());
        let (range, access) = self.channels;
        shards.chain(in_range(range, argv).map(move |at| Named { at, access }))
    }
}

/// Positions of keys: a destination, and some at equal distances.
#[derive(Debug, Clone, Copy, Default)]
struct Positions {
    destination: Option<usize>,
    first: usize,
    step: usize,
    count: usize,
}

impl Iterator for Positions {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if let Some(destination) = self.destination.take() {
            return Some(destination);
        }
        self.count = self.count.checked_sub(1)?;
        let at = self.first;
        self.first = at.saturating_add(self.step);
        Some(at)
    }
}

fn in_range(keys: KeyRange, argv: &[&[u8]]) -> Positions {
    if let Ok(from @ 1..) = usize::try_from(keys.streams_from) {
        return behind_streams(argv, from);
    }
    let step = usize::try_from(keys.step).unwrap_or(1).max(1);
    if let Some(at) = keys.count_at {
        let count = argv.get(at).and_then(|word| parse_i64(word)).unwrap_or(0);
        let count = usize::try_from(count).unwrap_or(0);
        let first = at.saturating_add(1);
        // A wrong number says nothing about the words behind it.
        if count == 0 || count > argv.len().saturating_sub(first).div_ceil(step) {
            return Positions::default();
        }
        return Positions { destination: keys.destination(), first, step, count };
    }
    if keys.first <= 0 || keys.step <= 0 {
        return Positions::default();
    }
    let len = i64::try_from(argv.len()).unwrap_or(i64::MAX);
    let last = if keys.last < 0 {
        len.saturating_add(i64::from(keys.last))
    } else {
        i64::from(keys.last).min(len.saturating_sub(1))
    };
    let first = usize::try_from(keys.first).unwrap_or(usize::MAX);
    let count = match usize::try_from(last).ok().and_then(|last| last.checked_sub(first)) {
        Some(beyond) => (beyond / step).saturating_add(1),
        None => 0,
    };
    Positions { destination: None, first, step, count }
}

/// The keys of XREAD and XREADGROUP: the first half of the words behind STREAMS.
fn behind_streams(argv: &[&[u8]], from: usize) -> Positions {
    let options = streams_word(argv).filter(|at| *at >= from);
    let Some(at) = options.or_else(|| first_streams(argv, from)) else { return Positions::default() };
    let first = at.saturating_add(1);
    Positions { destination: None, first, step: 1, count: argv.len().saturating_sub(first) / 2 }
}

/// Options of XREAD and XREADGROUP with a number.
const NUMBERS: [&str; 5] = ["BLOCK", "COUNT", "CLAIM", "MAXCOUNT", "MAXSIZE"];

/// The position of the word STREAMS, if only options and their arguments come before it.
fn streams_word(argv: &[&[u8]]) -> Option<usize> {
    let mut at = 1_usize;
    loop {
        let word = argv.get(at)?;
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        let is_number = || argv.get(at.saturating_add(1)).is_some_and(|word| parse_i64(word).is_some());
        let arguments = match () {
            () if NUMBERS.iter().any(|option| is(option)) && is_number() => 1,
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
