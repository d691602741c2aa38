//! The format of a log entry: a batch of proposals, each with the words of its commands.
//!
//! ```text
//! batch     := version u8 (1) ‖ at u64 ‖ seed u64 ‖ count u32 ‖ count × (length u32 ‖ proposal)
//! proposal  := kind u8 (0 commands, 1 transaction, 2 sweep, 3 mark, 4 mark of sums, 5 count, 6 evict) ‖ …
//!   commands, transaction: watched u32 ‖ watched × condition ‖ calls u32 ‖ calls × call
//!   sweep: keys_max u32                       (delete keys that have expired at `at`)
//!   mark: nothing                             (replicas note the checksum of their state after this entry)
//!   mark of sums: nothing                     (replicas note the sum of their state so far; from feature level 4 on)
//!   count, evict: see `evict.rs`              (from feature level 7 on)
//! condition := db u32 ‖ key bytes ‖ present u8 ‖ log position (12 bytes, if present)
//! call      := db u32 ‖ argc u32 ‖ argc × bytes
//! call      := db u32 with flags ‖ user bytes (flag 31) ‖ origin (flag 30, `origin.rs`) ‖ argc u32 ‖ argc × bytes
//!              flag 31: what it calls is asked for as this user's; from feature level 6 on
//!              flag 30: the client that called tracks keys; from feature level 7 on
//! bytes     := length u32 ‖ …
//! ```
//! Numbers are little-endian. `at` is the leader's time in ms, `seed` its random number: apply has no other clock and no
//! other randomness. Invariant: a length is used only after it was checked against the bytes that are there.

use super::{
    evict::{CountRows, Evict},
    origin,
    reader::{Reader, put_bytes, put_count},
    source::FromSource,
};
use crate::{
    command::Argv,
    store::{Condition, LogPosition, Origin},
};
use bytes::Bytes;

const BATCH_VERSION: u8 = 1;
/// In a call's database: its user follows; its origin does.
const HAS_USER: u32 = 1 << 31;
const HAS_ORIGIN: u32 = 1 << 30;

/// The kind of a proposal; the numbers are persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ProposalKind {
    /// Independent commands of one connection, in order.
    Commands = 0,
    /// Atomic: MULTI/EXEC with its conditions.
    Transaction = 1,
    /// Deletes keys that have expired.
    Sweep = 2,
    /// Makes replicas record the checksum of their state.
    Mark = 3,
    /// Makes replicas record the sum of their state, which apply keeps.
    MarkSums = 4,
    /// Counts the bytes of rows of before the level that counts them.
    Count = 5,
    /// Deletes keys because the data take too much.
    Evict = 6,
    /// Of a Redis that the data follow.
    Source = 7,
}

/// A malformed entry: written by a newer program or damaged in a way that checksums did not catch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed log entry: {0}")]
pub struct EntryError(pub &'static str);

/// Builds one proposal's bytes.
#[derive(Debug, Clone)]
pub struct ProposalBuilder {
    bytes: Vec<u8>,
    calls_at: usize,
    calls: u32,
}

impl ProposalBuilder {
    /// Independent commands.
    pub fn commands() -> Self {
        Self::new(ProposalKind::Commands, &[])
    }

    /// A transaction that runs only if every condition holds.
    pub fn transaction(conditions: &[Condition]) -> Self {
        Self::new(ProposalKind::Transaction, conditions)
    }

    /// Deletes up to `keys_max` expired keys.
    pub fn sweep(keys_max: u32) -> Bytes {
        let mut bytes = vec![ProposalKind::Sweep as u8];
        bytes.extend_from_slice(&keys_max.to_le_bytes());
        Bytes::from(bytes)
    }

    /// A log position at which replicas compare their states; its reply is the entry's index.
    pub fn mark() -> Bytes {
        Bytes::from_static(&[ProposalKind::Mark as u8])
    }

    /// As `mark`, but they compare what apply has counted and read nothing.
    pub fn mark_sums() -> Bytes {
        Bytes::from_static(&[ProposalKind::MarkSums as u8])
    }

    fn new(kind: ProposalKind, conditions: &[Condition]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(kind as u8);
        put_count(&mut bytes, conditions.len());
        for condition in conditions {
            bytes.extend_from_slice(&condition.db.to_le_bytes());
            put_bytes(&mut bytes, &condition.key);
            bytes.push(u8::from(condition.revision.is_some()));
            if let Some(position) = condition.revision {
                bytes.extend_from_slice(&position.to_bytes());
            }
        }
        let calls_at = bytes.len();
        put_count(&mut bytes, 0);
        ProposalBuilder { bytes, calls_at, calls: 0 }
    }

    /// As `push`, in the name of a user who may not do everything, for a client that tracks keys.
    pub fn push_as(&mut self, db: u32, user: Option<&[u8]>, origin: Option<Origin>, argv: &[&[u8]]) {
        let flags = if user.is_some() { HAS_USER } else { 0 } | if origin.is_some() { HAS_ORIGIN } else { 0 };
        self.bytes.extend_from_slice(&(db | flags).to_le_bytes());
        if let Some(user) = user {
            put_bytes(&mut self.bytes, user);
        }
        if let Some(origin) = origin {
            origin::put(&mut self.bytes, origin);
        }
        self.push_words(argv);
    }

    /// Adds a call; its words must together be shorter than 4 GiB (`limits.rs` ensures it).
    pub fn push(&mut self, db: u32, argv: &[&[u8]]) {
        self.bytes.extend_from_slice(&db.to_le_bytes());
        self.push_words(argv);
    }

    fn push_words(&mut self, argv: &[&[u8]]) {
        put_words(&mut self.bytes, argv.iter().copied());
        self.calls = self.calls.saturating_add(1);
    }

    /// Appends a call, as one of a proposal.
    pub(super) fn put_call<'w>(out: &mut Vec<u8>, db: u32, argv: impl ExactSizeIterator<Item = &'w [u8]>) {
        out.extend_from_slice(&db.to_le_bytes());
        put_words(out, argv);
    }

    /// Calls so far.
    pub fn calls(&self) -> usize {
        self.calls as usize
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no call was added.
    pub fn is_empty(&self) -> bool {
        self.calls == 0
    }

    /// The finished proposal.
    pub fn finish(mut self) -> Bytes {
        if let Some(slot) = self.bytes.get_mut(self.calls_at..self.calls_at.saturating_add(4)) {
            slot.copy_from_slice(&self.calls.to_le_bytes());
        }
        Bytes::from(self.bytes)
    }
}

/// Builds an entry's payload out of proposals.
#[derive(Debug)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    count: u32,
}

const COUNT_AT: usize = 1 + 8 + 8;

impl BatchBuilder {
    /// An empty batch; time and seed are set when it is proposed.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes.saturating_add(64));
        out.push(BATCH_VERSION);
        out.resize(COUNT_AT.saturating_add(4), 0);
        BatchBuilder { bytes: out, count: 0 }
    }

    /// Adds a proposal.
    pub fn push(&mut self, proposal: &[u8]) {
        put_bytes(&mut self.bytes, proposal);
        self.count = self.count.saturating_add(1);
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no proposal was added.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The payload, stamped with the leader's time and random seed.
    pub fn finish(mut self, at: u64, seed: u64) -> Bytes {
        let head = [&at.to_le_bytes()[..], &seed.to_le_bytes()[..], &self.count.to_le_bytes()[..]].concat();
        if let Some(slot) = self.bytes.get_mut(1..COUNT_AT.saturating_add(4)) {
            slot.copy_from_slice(&head);
        }
        Bytes::from(self.bytes)
    }
}

/// A decoded batch; iterate over its proposals.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    pub at: u64,
    pub seed: u64,
    count: u32,
    rest: Reader<'a>,
}

/// A decoded proposal.
#[derive(Debug, Clone)]
pub enum Proposal<'a> {
    Commands(Calls<'a>),
    Transaction { conditions: Vec<Condition>, calls: Calls<'a> },
    Sweep { keys_max: u32 },
    Mark,
    MarkSums,
    Count(CountRows<'a>),
    Evict(Evict<'a>),
    Source(FromSource<'a>),
}

/// One call: database and words.
#[derive(Debug, Clone)]
pub struct CallRef<'a> {
    pub db: u32,
    /// For whom the calls of its script are asked for; `None`: for nobody.
    pub user: Option<&'a [u8]>,
    /// Of a client that tracks keys.
    pub origin: Option<Origin>,
    pub argv: Argv<'a>,
}

/// The calls of a proposal, decoded one at a time.
#[derive(Debug, Clone)]
pub struct Calls<'a> {
    left: u32,
    rest: Reader<'a>,
}

impl<'a> Batch<'a> {
    /// Reads a payload's head.
    pub fn decode(payload: &'a [u8]) -> Result<Self, EntryError> {
        let mut rest = Reader(payload);
        if rest.u8()? != BATCH_VERSION {
            return Err(EntryError("unknown version"));
        }
        let (at, seed, count) = (rest.u64()?, rest.u64()?, rest.u32()?);
        Ok(Batch { at, seed, count, rest })
    }

    /// The number of proposals in the batch.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The next proposal.
    pub fn next_proposal(&mut self) -> Result<Option<Proposal<'a>>, EntryError> {
        if self.count == 0 {
            return if self.rest.0.is_empty() { Ok(None) } else { Err(EntryError("trailing bytes")) };
        }
        self.count -= 1;
        Proposal::decode(self.rest.bytes()?).map(Some)
    }
}

impl<'a> Proposal<'a> {
    /// Reads one proposal.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, EntryError> {
        let mut rest = Reader(bytes);
        match rest.u8()? {
            0 => match conditions(&mut rest)?.is_empty() {
                true => Ok(Proposal::Commands(Calls { left: rest.u32()?, rest })),
                false => Err(EntryError("conditions outside a transaction")),
            },
            1 => {
                let conditions = conditions(&mut rest)?;
                Ok(Proposal::Transaction { conditions, calls: Calls { left: rest.u32()?, rest } })
            }
            2 => Ok(Proposal::Sweep { keys_max: rest.u32()? }),
            3 => Ok(Proposal::Mark),
            4 => Ok(Proposal::MarkSums),
            5 => Ok(Proposal::Count(CountRows::read(&mut rest)?)),
            6 => Ok(Proposal::Evict(Evict::read(&mut rest)?)),
            7 => Ok(Proposal::Source(FromSource::read(&mut rest)?)),
            _ => Err(EntryError("unknown proposal kind")),
        }
    }
}

impl<'a> Calls<'a> {
    /// Reads their number; what is behind them is read with them, see `rest`.
    pub(super) fn read(rest: &mut Reader<'a>) -> Result<Self, EntryError> {
        Ok(Calls { left: rest.u32()?, rest: rest.clone() })
    }

    /// What is behind those that were read.
    pub(super) fn rest(self) -> Reader<'a> {
        self.rest
    }

    /// Calls not yet read.
    pub fn len(&self) -> usize {
        self.left as usize
    }

    /// Whether all calls were read.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The next call.
    pub fn next_call(&mut self) -> Result<Option<CallRef<'a>>, EntryError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let db = self.rest.u32()?;
        let user = if db & HAS_USER == 0 { None } else { Some(self.rest.bytes()?) };
        let origin = if db & HAS_ORIGIN == 0 { None } else { Some(origin::read(&mut self.rest)?) };
        let argc = self.rest.u32()?;
        // Each word takes at least its length field.
        if argc as usize > self.rest.0.len() / 4 {
            return Err(EntryError("more words than bytes"));
        }
        let mut argv = Argv::with_capacity(argc as usize);
        for _ in 0..argc {
            argv.push(self.rest.bytes()?);
        }
        Ok(Some(CallRef { db: db & !(HAS_USER | HAS_ORIGIN), user, origin, argv }))
    }
}

fn put_words<'w>(out: &mut Vec<u8>, argv: impl ExactSizeIterator<Item = &'w [u8]>) {
    put_count(out, argv.len());
    argv.for_each(|word| put_bytes(out, word));
}

fn conditions(rest: &mut Reader<'_>) -> Result<Vec<Condition>, EntryError> {
    let count = rest.u32()?;
    if count as usize > rest.0.len() / 9 {
        return Err(EntryError("more conditions than bytes"));
    }
    let position = |bytes| LogPosition::from_bytes(bytes).map_err(|_| EntryError("short position"));
    let mut out = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (db, key) = (rest.u32()?, rest.bytes()?.to_vec());
        let revision = match rest.u8()? {
            0 => None,
            _ => Some(position(rest.take(LogPosition::LEN)?)?),
        };
        out.push(Condition { db, key, revision });
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
