//! `flotilla admin compare`: whether two servers have the same keys, types, values and expiries, as any client sees them.
//!
//! Values are read by the commands of their type, a page at a time. What differs is looked at again after a while, since both
//! may be written to meanwhile: only what still differs then counts.
//!
//! The node's keys come first, and with their values: it lists them in their order on disk, where neighbours are read together. Of the
//! source's keys, only those that were not among them are looked at.

mod small;
#[cfg(test)]
mod tests;
mod values;

use super::{client::Client, link::Link};
use crate::{
    ops::{ProgressBar, keys_bar},
    resp::Answer,
};
use foldhash::{HashSet, quality::RandomState};
use std::{collections::BTreeMap, fmt, hash::BuildHasher, thread, time::Duration};

/// Keys looked at together.
const KEYS: usize = 500;
/// Before a difference is looked at again, and how often.
const RECHECK_INTERVAL: Duration = Duration::from_millis(500);
const RECHECKS: usize = 4;
/// Keys whose hashes are kept, at some 20 bytes; of more, each is asked for.
const SEEN_MAX: usize = if cfg!(test) { 100 } else { 32 << 20 };
/// Differences that are looked at again; more are counted as they are.
const OPEN_MAX: usize = 100_000;

/// One side.
pub trait Side {
    /// Sends commands and reads their replies.
    fn ask(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Answer>, String>;
}

impl Side for Client {
    fn ask(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Answer>, String> {
        for argv in commands {
            self.send(&argv.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        }
        commands.iter().map(|_| self.receive()).collect()
    }
}

impl Side for Link {
    fn ask(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Answer>, String> {
        self.ask_all(commands)
    }
}

/// What to compare, and how.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// So many keys at random; 0 = all.
    pub sample: usize,
    /// Differences that are shown.
    pub shown: usize,
    /// Expiries may differ by so much, ms.
    pub tolerance_ms: u64,
}

/// The result.
#[derive(Debug, Default)]
pub struct Compared {
    pub keys: u64,
    pub differences: u64,
    /// The first of them.
    pub shown: Vec<String>,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        let more = self.differences.saturating_sub(self.shown.len() as u64);
        if more > 0 {
            writeln!(f, "and {more} more")?;
        }
        match self.differences {
            0 => write!(f, "equal: {} keys", self.keys),
            count => write!(f, "{count} of {} keys differ", self.keys),
        }
    }
}

/// A key of a database.
type Key = (u32, Vec<u8>);

/// Compares the node's data with the source's.
pub fn compare(source: &mut dyn Side, node: &mut dyn Side, options: &Options) -> Result<Compared, String> {
    let mut comparing = Comparing {
        source,
        node,
        options,
        compared: Compared::default(),
        open: Vec::new(),
        hasher: RandomState::default(),
        seen: HashSet::default(),
    };
    let (there, here) = (databases(comparing.source)?, databases(comparing.node)?);
    let total = here.values().copied().fold(0, u64::saturating_add);
    let bar = keys_bar(if options.sample == 0 { total } else { options.sample as u64 });
    match options.sample {
        0 => {
            for db in here.keys() {
                comparing.all(*db, Of::Node, &bar)?;
            }
            // What is only there.
            for db in there.keys() {
                comparing.all(*db, Of::Source, &bar)?;
            }
        }
        sample => comparing.some(&there, sample, &bar)?,
    }
    comparing.look_again()?;
    bar.finish_and_clear();
    Ok(comparing.compared)
}

/// Whose keys are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Source,
    Node,
}

struct Comparing<'a> {
    source: &'a mut dyn Side,
    node: &'a mut dyn Side,
    options: &'a Options,
    compared: Compared,
    /// What differed when it was looked at.
    open: Vec<(Key, String)>,
    /// A key is taken for another by one chance in 2^64 for each that is kept.
    hasher: RandomState,
    /// Hashes of the keys that were looked at.
    seen: HashSet<u64>,
}

impl Comparing<'_> {
    fn select(&mut self, db: u32) -> Result<(), String> {
        let select = [words(&[b"SELECT", db.to_string().as_bytes()])];
        for side in [&mut *self.source, &mut *self.node] {
            if let Some(Answer::Error(why)) = side.ask(&select)?.first() {
                return Err(format!("database {db}: {why}"));
            }
        }
        Ok(())
    }

    fn all(&mut self, db: u32, of: Of, bar: &ProgressBar) -> Result<(), String> {
        self.select(db)?;
        let mut cursor = b"0".to_vec();
        loop {
            let scan = [words(&[b"SCAN", &cursor, b"COUNT", KEYS.to_string().as_bytes()])];
            let side = if of == Of::Source { &mut *self.source } else { &mut *self.node };
            let (next, found) = scanned(side.ask(&scan)?.pop())?;
            for keys in found.chunks(KEYS) {
                let keys = self.unseen(db, of, keys)?;
                self.keys(db, &keys)?;
            }
            if of == Of::Node {
                bar.set_position(self.compared.keys);
            }
            cursor = next;
            if cursor == b"0" {
                return Ok(());
            }
        }
    }

    fn some(
        &mut self,
        databases: &BTreeMap<u32, u64>,
        sample: usize,
        bar: &ProgressBar,
    ) -> Result<(), String> {
        let total = databases.values().copied().fold(0, u64::saturating_add).max(1);
        for (db, keys) in databases {
            self.select(*db)?;
            let share = (sample as u64).saturating_mul(*keys).div_ceil(total);
            let mut left = usize::try_from(share).unwrap_or(usize::MAX);
            while left > 0 {
                let count = left.min(KEYS);
                left = left.saturating_sub(count);
                let random: Vec<_> = (0..count).map(|_| words(&[b"RANDOMKEY"])).collect();
                let mut found = HashSet::default();
                // Half of them of each side: what is missing on either is found.
                for (number, side) in [&mut *self.source, &mut *self.node].into_iter().enumerate() {
                    let random = random.iter().skip(number).step_by(2).cloned().collect::<Vec<_>>();
                    found.extend(side.ask(&random)?.iter().filter_map(Answer::text).map(<[u8]>::to_vec));
                }
                let mut found: Vec<Vec<u8>> = found.into_iter().collect();
                found.sort();
                self.keys(*db, &found)?;
                bar.set_position(self.compared.keys);
            }
        }
        Ok(())
    }

    /// Compares keys of the selected database.
    fn keys(&mut self, db: u32, keys: &[Vec<u8>]) -> Result<(), String> {
        self.compared.keys = self.compared.keys.saturating_add(keys.len() as u64);
        let found = values::differences(self.source, self.node, keys, self.options.tolerance_ms)?;
        self.note(db, found);
        Ok(())
    }

    /// Those of the keys that one side lists that are still to be looked at.
    fn unseen(&mut self, db: u32, of: Of, keys: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
        if self.seen.len() <= SEEN_MAX {
            let (seen, hasher) = (&mut self.seen, &self.hasher);
            return Ok(keys.iter().filter(|key| seen.insert(hasher.hash_one((db, *key)))).cloned().collect());
        }
        if of == Of::Node {
            return Ok(keys.to_vec());
        }
        let exists: Vec<_> = keys.iter().map(|key| words(&[b"EXISTS", key])).collect();
        let answers = self.node.ask(&exists)?;
        let missing = keys.iter().zip(answers).filter(|(_, answer)| *answer == Answer::Integer(0));
        Ok(missing.map(|(key, _)| key.clone()).collect())
    }

    fn note(&mut self, db: u32, found: Vec<(Vec<u8>, String)>) {
        for (key, why) in found {
            if self.open.len() < OPEN_MAX {
                self.open.push(((db, key), why));
            } else {
                self.differs(&(db, key), &why);
            }
        }
    }

    fn differs(&mut self, key: &Key, why: &str) {
        self.compared.differences = self.compared.differences.saturating_add(1);
        if self.compared.shown.len() < self.options.shown {
            let name: String = key.1.escape_ascii().to_string().chars().take(200).collect();
            self.compared.shown.push(format!("db {} {name}: {why}", key.0));
        }
    }

    /// Looks again at what differed.
    fn look_again(&mut self) -> Result<(), String> {
        for _ in 0..RECHECKS {
            if self.open.is_empty() {
                return Ok(());
            }
            thread::sleep(RECHECK_INTERVAL);
            let mut by_db: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
            for ((db, key), _) in std::mem::take(&mut self.open) {
                by_db.entry(db).or_default().push(key);
            }
            for (db, keys) in by_db {
                self.select(db)?;
                for keys in keys.chunks(KEYS) {
                    let found = values::differences(self.source, self.node, keys, self.options.tolerance_ms)?;
                    self.note(db, found);
                }
            }
        }
        for (key, why) in std::mem::take(&mut self.open) {
            self.differs(&key, &why);
        }
        Ok(())
    }
}

fn words(argv: &[&[u8]]) -> Vec<Vec<u8>> {
    argv.iter().map(|word| word.to_vec()).collect()
}

/// The cursor and the elements that a scan answers.
fn scanned(answer: Option<Answer>) -> Result<(Vec<u8>, Vec<Vec<u8>>), String> {
    match answer {
        Some(Answer::List(parts)) => match (parts.first(), parts.get(1)) {
            (Some(Answer::Text(next)), Some(Answer::List(found))) => {
                Ok((next.clone(), found.iter().filter_map(Answer::text).map(<[u8]>::to_vec).collect()))
            }
            _ => Err("a scan with an unexpected reply".to_owned()),
        },
        other => Err(format!("a scan with an unexpected reply: {other:?}")),
    }
}

/// Databases with keys, and how many.
fn databases(side: &mut dyn Side) -> Result<BTreeMap<u32, u64>, String> {
    let info = match side.ask(&[words(&[b"INFO", b"keyspace"])])?.pop() {
        Some(Answer::Text(text)) => String::from_utf8_lossy(&text).into_owned(),
        other => return Err(format!("INFO: {other:?}")),
    };
    let line = |line: &str| {
        let (db, fields) = line.trim().strip_prefix("db")?.split_once(':')?;
        let keys = fields.split(',').find_map(|field| field.strip_prefix("keys="))?;
        Some((db.parse().ok()?, keys.parse().ok()?))
    };
    Ok(info.lines().filter_map(line).collect())
}
