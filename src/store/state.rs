//! The state record: the store's log position and counts. Written in the same batch as the data.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | version (1 to 4) |
//! | 4 | feature level; absent in version 1, which is of level 3 |
//! | 1 | 1 if an entry has been applied, else 0 and the next field is zero |
//! | 8 + 8 | term and index of the last applied entry |
//! | 8 | time of the last applied entry, ms |
//! | 4 | next namespace to hand out |
//! | 16 × (4 + 8 + 8) | per logical database: namespace, keys, keys with an expiry |
//! | 16 × 8 | per logical database: sum of rows; absent in version 1, as is what follows |
//! | 2 | a bit for each database whose sum of rows is of all its rows |
//! | 8 | sum of changes |
//! | 4 + 8 + 8 | the system's database: namespace, keys, sum of rows; absent before version 3 |
//! | 17 × 8 | per logical database, and the system's: bytes of its rows; absent before version 4, as is what follows |
//! | 4 | a bit for each of these databases all of whose rows are counted |
//!
//! Version 3 is of levels from 5 on, version 4 of levels from 7 on. The system's database holds what is no client's key: scripts and functions. It has no
//! number that SELECT takes; FLUSHALL leaves it alone, and DBSIZE does not count it. Everything else (sums, checksum,
//! snapshots, compaction) treats it as one more database.
//!
//! A state of level 3 is written as version 1, byte for byte as builds before level 4 write it: while a core is upgraded
//! their checksums are equal, and until its level is raised they can open what this program wrote.

use super::Namespace;
use crate::error::StoreError;
use crate::feature_level;
use crate::limits::{DATABASES, SYSTEM_DATABASE};
use xxhash_rust::xxh3::xxh3_64;

/// A bit for each database.
const _: () = assert!(DATABASES <= u16::BITS);
const _: () = assert!(DATABASES < u32::BITS);

/// Without a feature level.
const VERSION_OLDEST: u8 = 1;
/// Without the system's database.
const VERSION_OF_SUMS: u8 = 2;
/// Without the bytes of rows.
const VERSION_OF_SYSTEM: u8 = 3;
const VERSION: u8 = 4;

/// One logical database: which namespace holds its rows, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Database {
    pub namespace: Namespace,
    /// Stored keys, including expired ones that no sweep has deleted yet.
    pub keys: u64,
    /// Stored keys with an expiry.
    pub expires: u64,
    /// See `sums.rs`; 0 below the level that keeps it.
    pub row_sum: u64,
    /// Whether that is the sum of all rows. If not, it is that of the changes since the level was raised: there were rows.
    pub is_summed: bool,
    /// What its counted rows take, keys and values, see `sizes.rs`; 0 below the level that counts them.
    pub bytes: u64,
    /// Whether these are all of its rows. If not, rows of before that level are still to be counted.
    pub is_counted: bool,
}

impl Database {
    fn empty(namespace: Namespace) -> Self {
        let (keys, expires, row_sum, bytes) = (0, 0, 0, 0);
        Database { namespace, keys, expires, row_sum, is_summed: false, bytes, is_counted: false }
    }
}

/// A term and index of the Raft log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LogId {
    pub term: u64,
    pub index: u64,
}

/// See the table above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRecord {
    /// `None` before the first entry.
    pub applied: Option<LogId>,
    pub last_at: u64,
    /// What the entries that follow may mean, see the module of that name.
    pub feature_level: u32,
    pub next_namespace: Namespace,
    /// See `sums.rs`; 0 below the level that keeps it.
    pub change_sum: u64,
    databases: [Database; DATABASES as usize],
    /// Namespace 0 = there is none yet.
    system: Database,
}

impl Default for StateRecord {
    fn default() -> Self {
        let mut namespace = 0;
        let databases = std::array::from_fn(|_| {
            namespace += 1;
            Database::empty(namespace)
        });
        StateRecord {
            applied: None,
            last_at: 0,
            feature_level: feature_level::INITIAL,
            next_namespace: DATABASES + 1,
            change_sum: 0,
            databases,
            system: Database { is_summed: true, ..Database::empty(0) },
        }
    }
}

impl StateRecord {
    /// The logical database `db`, or the system's; callers have checked the number, an unknown one is database 0.
    pub fn database(&self, db: u32) -> &Database {
        let [first, ..] = &self.databases;
        match db {
            SYSTEM_DATABASE => &self.system,
            db => self.databases.get(db as usize).unwrap_or(first),
        }
    }

    /// As `database`, to change it.
    pub fn database_mut(&mut self, db: u32) -> &mut Database {
        if db == SYSTEM_DATABASE {
            return &mut self.system;
        }
        let index = if db < DATABASES { db as usize } else { 0 };
        // The array is never empty and `index` is below its length.
        #[expect(clippy::indexing_slicing, reason = "index < DATABASES was just established")]
        &mut self.databases[index]
    }

    /// The logical databases in order.
    pub fn databases(&self) -> &[Database] {
        &self.databases
    }

    /// The logical databases, and the system's if there is one; an entry's place is its number.
    pub fn all_databases(&self) -> impl Iterator<Item = &Database> {
        self.databases.iter().chain(Some(&self.system).filter(|system| system.namespace != 0))
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: u32, b: u32) {
        if a < DATABASES && b < DATABASES {
            self.databases.swap(a as usize, b as usize);
        }
    }

    /// Whether apply keeps sums.
    pub fn keeps_sums(&self) -> bool {
        self.feature_level >= feature_level::SUMS
    }

    /// Whether apply counts the bytes of rows.
    pub fn counts_bytes(&self) -> bool {
        self.feature_level >= feature_level::SIZES
    }

    /// Whether all rows are counted.
    pub fn is_counted(&self) -> bool {
        self.all_databases().all(|database| database.is_counted)
    }

    /// What the keys and values of clients take at rest, as far as rows are counted.
    pub fn bytes(&self) -> u64 {
        self.databases.iter().fold(0, |sum, database| sum.saturating_add(database.bytes))
    }

    /// All rows are counted from now on.
    pub fn set_counted(&mut self) {
        self.databases
            .iter_mut()
            .chain(Some(&mut self.system))
            .for_each(|database| database.is_counted = true);
    }

    /// From here on entries may mean what this level adds. Never lowers it. Databases with rows get no sum of all of them:
    /// that would take reading them all, while the log waits. Nor are their rows counted yet.
    pub fn raise(&mut self, level: u32) {
        let (kept_sums, counted_bytes) = (self.keeps_sums(), self.counts_bytes());
        self.feature_level = self.feature_level.max(level);
        if self.counts_bytes() && !counted_bytes {
            let all = self.databases.iter_mut().chain(Some(&mut self.system));
            all.for_each(|database| database.is_counted = database.keys == 0);
        }
        if self.keeps_sums() && !kept_sums {
            self.databases.iter_mut().for_each(|database| database.is_summed = database.keys == 0);
        }
        if self.feature_level >= feature_level::SCRIPTS && self.system.namespace == 0 {
            self.system.namespace = self.next_namespace;
            self.next_namespace = self.next_namespace.saturating_add(1);
        }
    }

    /// Of all of the record: two replicas that have applied the same entry compare this.
    pub fn sum(&self) -> u64 {
        xxh3_64(&self.encode())
    }

    /// The database of a namespace, if it still exists.
    pub fn database_of(&self, namespace: Namespace) -> Option<u32> {
        self.all_databases().position(|d| d.namespace == namespace).and_then(|i| u32::try_from(i).ok())
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + 4 + 8 * 3 + 4 + 10 + self.databases.len() * 28);
        let version = self.version();
        out.push(version);
        if version != VERSION_OLDEST {
            out.extend_from_slice(&self.feature_level.to_be_bytes());
        }
        out.push(u8::from(self.applied.is_some()));
        let applied = self.applied.unwrap_or_default();
        for number in [applied.term, applied.index, self.last_at] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.next_namespace.to_be_bytes());
        for database in &self.databases {
            out.extend_from_slice(&database.namespace.to_be_bytes());
            out.extend_from_slice(&database.keys.to_be_bytes());
            out.extend_from_slice(&database.expires.to_be_bytes());
        }
        if version != VERSION_OLDEST {
            self.encode_sums(&mut out);
        }
        if version >= VERSION_OF_SYSTEM {
            out.extend_from_slice(&self.system.namespace.to_be_bytes());
            out.extend_from_slice(&self.system.keys.to_be_bytes());
            out.extend_from_slice(&self.system.row_sum.to_be_bytes());
        }
        if version == VERSION {
            let all = || self.databases.iter().chain(Some(&self.system));
            all().for_each(|database| out.extend_from_slice(&database.bytes.to_be_bytes()));
            let counted = all().rev().fold(0_u32, |bits, one| bits << 1 | u32::from(one.is_counted));
            out.extend_from_slice(&counted.to_be_bytes());
        }
        out
    }

    /// As builds of its level write it.
    fn version(&self) -> u8 {
        match self.feature_level {
            feature_level::INITIAL => VERSION_OLDEST,
            level if level < feature_level::SCRIPTS => VERSION_OF_SUMS,
            level if level < feature_level::SIZES => VERSION_OF_SYSTEM,
            _ => VERSION,
        }
    }

    fn decode_bytes(&mut self, bytes: &mut &[u8]) -> Option<()> {
        for database in self.databases.iter_mut().chain(Some(&mut self.system)) {
            database.bytes = u64::from_be_bytes(take(bytes)?);
        }
        let mut counted = u32::from_be_bytes(take(bytes)?);
        for database in self.databases.iter_mut().chain(Some(&mut self.system)) {
            database.is_counted = counted & 1 == 1;
            counted >>= 1;
        }
        Some(())
    }

    fn decode_system(&mut self, bytes: &mut &[u8]) -> Option<()> {
        self.system.namespace = u32::from_be_bytes(take(bytes)?);
        self.system.keys = u64::from_be_bytes(take(bytes)?);
        self.system.row_sum = u64::from_be_bytes(take(bytes)?);
        Some(())
    }

    fn encode_sums(&self, out: &mut Vec<u8>) {
        let mut summed = 0_u16;
        for database in self.databases.iter().rev() {
            summed = summed << 1 | u16::from(database.is_summed);
        }
        for database in &self.databases {
            out.extend_from_slice(&database.row_sum.to_be_bytes());
        }
        out.extend_from_slice(&summed.to_be_bytes());
        out.extend_from_slice(&self.change_sum.to_be_bytes());
    }

    fn decode_sums(&mut self, bytes: &mut &[u8]) -> Option<()> {
        for database in &mut self.databases {
            database.row_sum = u64::from_be_bytes(take(bytes)?);
        }
        let mut summed = u16::from_be_bytes(take(bytes)?);
        for database in &mut self.databases {
            database.is_summed = summed & 1 == 1;
            summed >>= 1;
        }
        self.change_sum = u64::from_be_bytes(take(bytes)?);
        Some(())
    }

    /// Reads what `encode` wrote. One of a level or version that this program does not understand is
    /// `StoreError::NotUnderstood`.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |detail: &str| StoreError::corrupt("state record", detail);
        let [version] = take::<1>(&mut bytes).ok_or_else(|| corrupt("empty"))?;
        let short = || corrupt("too short");
        let mut state = StateRecord::default();
        match version {
            VERSION_OLDEST => {}
            VERSION_OF_SUMS | VERSION_OF_SYSTEM | VERSION => {
                state.feature_level = u32::from_be_bytes(take(&mut bytes).ok_or_else(short)?);
            }
            _ => return Err(not_understood(version)),
        }
        if state.feature_level > feature_level::NEWEST {
            return Err(StoreError::of_level("the store", state.feature_level));
        }
        let [present] = take::<1>(&mut bytes).ok_or_else(short)?;
        let term = u64::from_be_bytes(take(&mut bytes).ok_or_else(short)?);
        let index = u64::from_be_bytes(take(&mut bytes).ok_or_else(short)?);
        state.applied = (present == 1).then_some(LogId { term, index });
        state.last_at = u64::from_be_bytes(take(&mut bytes).ok_or_else(short)?);
        state.next_namespace = u32::from_be_bytes(take(&mut bytes).ok_or_else(short)?);
        for database in &mut state.databases {
            database.namespace = u32::from_be_bytes(take(&mut bytes).ok_or_else(short)?);
            database.keys = u64::from_be_bytes(take(&mut bytes).ok_or_else(short)?);
            database.expires = u64::from_be_bytes(take(&mut bytes).ok_or_else(short)?);
        }
        if version != VERSION_OLDEST {
            state.decode_sums(&mut bytes).ok_or_else(short)?;
        }
        if version >= VERSION_OF_SYSTEM {
            state.decode_system(&mut bytes).ok_or_else(short)?;
        }
        if version == VERSION {
            state.decode_bytes(&mut bytes).ok_or_else(short)?;
        }
        if bytes.is_empty() { Ok(state) } else { Err(corrupt("trailing bytes")) }
    }
}

fn not_understood(version: u8) -> StoreError {
    StoreError::NotUnderstood(format!(
        "the store's state record has version {version}, {}: nothing was changed; start a later build",
        feature_level::understood()
    ))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests;
