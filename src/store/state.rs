//! The state record: where in the log this store stands, and what it counts. Written in the same batch as the data.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | version (1) |
//! | 1 | 1 if an entry has been applied, else 0 and the next field is zero |
//! | 8 + 8 | term and index of the last applied entry |
//! | 8 | time of the last applied entry, ms |
//! | 4 | next namespace to hand out |
//! | 16 × (4 + 8 + 8) | per logical database: namespace, keys, keys with an expiry |

use super::Namespace;
use crate::error::StoreError;
use crate::limits::DATABASES;

const STATE_VERSION: u8 = 1;

/// One logical database: which namespace holds its rows, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Database {
    pub namespace: Namespace,
    /// Stored keys, including expired ones that no sweep has deleted yet.
    pub keys: u64,
    /// Stored keys with an expiry.
    pub expires: u64,
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
    pub next_namespace: Namespace,
    databases: [Database; DATABASES as usize],
}

impl Default for StateRecord {
    fn default() -> Self {
        let mut namespace = 0;
        let databases = std::array::from_fn(|_| {
            namespace += 1;
            Database { namespace, keys: 0, expires: 0 }
        });
        StateRecord { applied: None, last_at: 0, next_namespace: DATABASES + 1, databases }
    }
}

impl StateRecord {
    /// The logical database `db`; callers have checked the number, an unknown one is database 0.
    pub fn database(&self, db: u32) -> &Database {
        let [first, ..] = &self.databases;
        self.databases.get(db as usize).unwrap_or(first)
    }

    /// As `database`, to change it.
    pub fn database_mut(&mut self, db: u32) -> &mut Database {
        let index = if db < DATABASES { db as usize } else { 0 };
        // The array is never empty and `index` is below its length.
        #[expect(clippy::indexing_slicing, reason = "index < DATABASES was just established")]
        &mut self.databases[index]
    }

    /// All databases in order.
    pub fn databases(&self) -> &[Database] {
        &self.databases
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: u32, b: u32) {
        if a < DATABASES && b < DATABASES {
            self.databases.swap(a as usize, b as usize);
        }
    }

    /// Which database a namespace serves, if any still does.
    pub fn database_of(&self, namespace: Namespace) -> Option<u32> {
        self.databases.iter().position(|d| d.namespace == namespace).and_then(|i| u32::try_from(i).ok())
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + 8 * 3 + 4 + self.databases.len() * 20);
        out.push(STATE_VERSION);
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
        out
    }

    /// Reads what `encode` wrote.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |detail: &str| StoreError::corrupt("state record", detail);
        let [version] = take::<1>(&mut bytes).ok_or_else(|| corrupt("empty"))?;
        if version != STATE_VERSION {
            return Err(corrupt(&format!("version {version} is not known to this program")));
        }
        let short = || corrupt("too short");
        let mut state = StateRecord::default();
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
        if bytes.is_empty() { Ok(state) } else { Err(corrupt("trailing bytes")) }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_other_versions() {
        let mut state =
            StateRecord { applied: Some(LogId { term: 2, index: 9 }), last_at: 7, ..Default::default() };
        state.database_mut(3).keys = 5;
        state.swap(3, 4);
        let bytes = state.encode();
        assert_eq!(StateRecord::decode(&bytes).expect("decodes"), state);
        let mut newer = bytes.clone();
        newer[0] = 2;
        assert!(StateRecord::decode(&newer).is_err());
        for cut in 0..bytes.len() {
            assert!(StateRecord::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn version_1_golden_prefix() {
        let bytes = StateRecord::default().encode();
        assert_eq!(bytes.len(), 2 + 24 + 4 + 16 * 20);
        assert_eq!(
            &bytes[..34],
            b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x11\0\0\0\x01"
        );
    }
}
