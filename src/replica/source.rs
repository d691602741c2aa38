//! What the data take from a Redis or Valkey that they follow, as proposals: a change of the record of it, or a step, which is
//! commands of the source with the part of its stream that they cover.
//!
//! ```text
//! change := 0 ‖ version u64 ‖ flags u8 ‖ record bytes ‖ settings bytes, if the flags say so
//! step   := 1 ‖ version u64 ‖ from u64 ‖ keys u64 ‖ bytes u64 ‖ units u32 ‖ units × unit
//! unit   := span u64 ‖ database afterwards u32 ‖ calls u32 ‖ calls × call (as of `entry.rs`)
//! ```
//! Numbers are little-endian. Flags: 1 = the record's position and counts count too, otherwise those of the data stay;
//! 2 = only if there are no keys; 4 = settings follow.
//!
//! **Exactly once.** A step is applied only if its version is that of the record and it begins at the record's position, and
//! moves that position in the same batch. So a step that is proposed twice, by a leader that is none any more, or after a gap
//! changes nothing. Whoever takes over makes a new version first, which ends all steps of before.
//!
//! **All or nothing.** A unit is one command, or a transaction of the source. If a call of it fails here, which no call does that
//! succeeded on the same data there, the unit is undone, the position stays before it, and the record says `Failed`: to go
//! on would be to part from the source in silence. What failed is told by the reply; the record has only what the entry has,
//! since the words of errors may differ between builds.

use super::{
    Replica,
    apply::{fatal, malformed},
    entry::{Calls, EntryError, ProposalBuilder, ProposalKind},
    reader::{Reader, put_bytes, put_count},
};
use crate::{
    command::{Table, invoke},
    error::StoreError,
    resp::{ErrorReply, Reply},
    store::{SourcePhase, SourceRecord, Txn},
};
use bytes::Bytes;

/// The code of the error of a change or a step that does not follow what is there.
pub const STALE: &str = "STALE";
const TAKES_POSITION: u8 = 1;
const ONLY_IF_EMPTY: u8 = 2;
const HAS_SETTINGS: u8 = 4;
/// Of a command's name in the record.
const NAME_BYTES_MAX: usize = 64;

/// A decoded proposal.
#[derive(Debug, Clone)]
pub enum FromSource<'a> {
    Change(SourceChange<'a>),
    Step(SourceStep<'a>),
}

/// Stores another record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceChange<'a> {
    /// That of the record that it takes the place of; 0 = there is none.
    pub version: u64,
    pub takes_position: bool,
    pub only_if_empty: bool,
    /// As `SourceRecord::to_json` makes it.
    pub record: &'a [u8],
    pub settings: Option<&'a [u8]>,
}

/// Runs commands of the source.
#[derive(Debug, Clone)]
pub struct SourceStep<'a> {
    pub version: u64,
    pub from: u64,
    /// Keys and bytes of the RDB, for progress.
    pub keys: u64,
    pub bytes: u64,
    left: u32,
    rest: Reader<'a>,
}

/// A command, or a transaction.
#[derive(Debug, Clone)]
pub struct SourceUnit<'a> {
    pub span: u64,
    pub db: u32,
    pub calls: Calls<'a>,
}

impl SourceChange<'_> {
    /// The proposal. Its reply: the new version, or `STALE`.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![ProposalKind::Source as u8, 0];
        out.extend_from_slice(&self.version.to_le_bytes());
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        out.push(
            flag(self.takes_position, TAKES_POSITION)
                | flag(self.only_if_empty, ONLY_IF_EMPTY)
                | flag(self.settings.is_some(), HAS_SETTINGS),
        );
        put_bytes(&mut out, self.record);
        if let Some(settings) = self.settings {
            put_bytes(&mut out, settings);
        }
        Bytes::from(out)
    }

    fn apply(self, txn: &mut Txn<'_>) -> crate::error::Result<Reply> {
        let before = txn.source().cloned();
        if before.as_ref().map_or(0, |before| before.version) != self.version {
            return Ok(stale(before.as_ref()));
        }
        if self.only_if_empty && txn.state().databases().iter().any(|database| database.keys > 0) {
            return Ok(Reply::Error(ErrorReply::new("NOTEMPTY", "there are keys, which it would replace")));
        }
        let mut record = SourceRecord::from_json(self.record)?;
        record.version = self.version.saturating_add(1);
        if let Some(before) = before.filter(|_| !self.takes_position) {
            (record.position, record.db) = (before.position, before.db);
            (record.keys, record.bytes, record.commands) = (before.keys, before.bytes, before.commands);
        }
        let version = record.version;
        if let Some(settings) = self.settings {
            txn.put_source_settings(settings)?;
        }
        txn.put_source(record)?;
        Ok(Reply::count(version))
    }
}

/// Builds a step.
#[derive(Debug)]
pub struct StepBuilder {
    bytes: Vec<u8>,
    units: u32,
    span: u64,
    /// Keys of the RDB in it.
    pub keys: u64,
}

const STEP_VERSION_AT: usize = 2;
const STEP_HEAD_BYTES: usize = STEP_VERSION_AT + 4 * 8 + 4;

impl Default for StepBuilder {
    fn default() -> Self {
        let mut bytes = vec![ProposalKind::Source as u8, 1];
        bytes.resize(STEP_HEAD_BYTES, 0);
        StepBuilder { bytes, units: 0, span: 0, keys: 0 }
    }
}

impl StepBuilder {
    /// Adds a unit that covers so much of the stream; `calls`: database and words of each. After it the stream has `db` selected.
    pub fn push<W: AsRef<[u8]>>(&mut self, span: u64, db: u32, calls: &[(u32, Vec<W>)]) {
        self.bytes.extend_from_slice(&span.to_le_bytes());
        self.bytes.extend_from_slice(&db.to_le_bytes());
        put_count(&mut self.bytes, calls.len());
        for (db, argv) in calls {
            ProposalBuilder::put_call(&mut self.bytes, *db, argv.iter().map(AsRef::as_ref));
        }
        self.units = self.units.saturating_add(1);
        self.span = self.span.saturating_add(span);
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.units == 0
    }

    /// How much of the stream it covers.
    pub fn span(&self) -> u64 {
        self.span
    }

    /// The proposal; `bytes`: of the RDB. Its reply: the new position, `STALE`, or why a command failed.
    pub fn finish(mut self, version: u64, from: u64, bytes: u64) -> Bytes {
        let head = [version, from, self.keys, bytes].map(u64::to_le_bytes).concat();
        let head = [&head[..], &self.units.to_le_bytes()].concat();
        if let Some(slot) = self.bytes.get_mut(STEP_VERSION_AT..STEP_HEAD_BYTES) {
            slot.copy_from_slice(&head);
        }
        Bytes::from(self.bytes)
    }

    /// The same step for another version of the record.
    pub fn again(proposal: &[u8], version: u64) -> Bytes {
        let mut bytes = proposal.to_vec();
        if let Some(slot) = bytes.get_mut(STEP_VERSION_AT..STEP_VERSION_AT.saturating_add(8)) {
            slot.copy_from_slice(&version.to_le_bytes());
        }
        Bytes::from(bytes)
    }
}

impl<'a> SourceStep<'a> {
    /// The next unit.
    pub fn next_unit(&mut self) -> Result<Option<SourceUnit<'a>>, EntryError> {
        if self.left == 0 {
            return if self.rest.0.is_empty() { Ok(None) } else { Err(EntryError("trailing bytes")) };
        }
        self.left -= 1;
        let (span, db) = (self.rest.u64()?, self.rest.u32()?);
        // The calls are read to find their end; each is checked again when it runs.
        let mut calls = Calls::read(&mut self.rest)?;
        let unit = calls.clone();
        while calls.next_call()?.is_some() {}
        self.rest = calls.rest();
        Ok(Some(SourceUnit { span, db, calls: unit }))
    }

    fn apply(mut self, table: &'static Table, txn: &mut Txn<'_>) -> Result<Reply, StoreError> {
        let Some(mut record) = txn.source().cloned() else { return Ok(stale(None)) };
        if record.version != self.version || record.position != self.from || !record.is_active() {
            return Ok(stale(Some(&record)));
        }
        let mut failure = None;
        txn.keep_expired(true);
        while let Some(unit) = self.next_unit().map_err(malformed)? {
            if let Some((name, error)) = run_unit(table, txn, &unit)? {
                record.phase = SourcePhase::Failed;
                record.error =
                    format!("{name} at offset {} of the source's stream failed here", record.position);
                failure = Some(Reply::Error(error));
                break;
            }
            record.position = record.position.saturating_add(unit.span);
            record.db = unit.db;
            if !record.is_loading() {
                record.commands = record.commands.saturating_add(unit.calls.len() as u64);
            }
        }
        txn.keep_expired(false);
        record.keys = record.keys.saturating_add(self.keys);
        record.bytes = record.bytes.max(self.bytes);
        let position = record.position;
        own(txn, |txn| txn.put_source(record).map_err(fatal))?;
        Ok(failure.unwrap_or(Reply::count(position)))
    }
}

/// Runs a unit; if a call fails, undoes all of it, and returns which one and why.
fn run_unit(
    table: &'static Table,
    txn: &mut Txn<'_>,
    unit: &SourceUnit<'_>,
) -> Result<Option<(String, ErrorReply)>, StoreError> {
    txn.begin_command(unit.db);
    let mut calls = unit.calls.clone();
    while let Some(call) = calls.next_call().map_err(malformed)? {
        txn.select_for_source(call.db);
        if let Reply::Error(error) = invoke(table, txn, &call.argv, false)? {
            txn.reject();
            let name = call.argv.first().copied().unwrap_or_default();
            let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
            return Ok(Some((String::from_utf8_lossy(name).into_owned(), error)));
        }
    }
    txn.accept();
    Ok(None)
}

/// Runs what is the node's own, as a command.
fn own<T>(
    txn: &mut Txn<'_>,
    run: impl FnOnce(&mut Txn<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    txn.begin_command(0);
    txn.without_budget();
    let done = run(txn)?;
    txn.accept();
    Ok(done)
}

fn stale(there: Option<&SourceRecord>) -> Reply {
    let text = there.map_or_else(
        || "nothing is followed".to_owned(),
        |there| format!("version {} is at position {}", there.version, there.position),
    );
    Reply::Error(ErrorReply::new(STALE, text))
}

impl<'a> FromSource<'a> {
    pub(super) fn read(rest: &mut Reader<'a>) -> Result<Self, EntryError> {
        match rest.u8()? {
            0 => {
                let (version, flags, record) = (rest.u64()?, rest.u8()?, rest.bytes()?);
                if flags & !(TAKES_POSITION | ONLY_IF_EMPTY | HAS_SETTINGS) != 0 {
                    return Err(EntryError("unknown flags of a change"));
                }
                let settings = if flags & HAS_SETTINGS == 0 { None } else { Some(rest.bytes()?) };
                let (takes_position, only_if_empty) =
                    (flags & TAKES_POSITION != 0, flags & ONLY_IF_EMPTY != 0);
                Ok(FromSource::Change(SourceChange {
                    version,
                    takes_position,
                    only_if_empty,
                    record,
                    settings,
                }))
            }
            1 => {
                let (version, from, keys, bytes) = (rest.u64()?, rest.u64()?, rest.u64()?, rest.u64()?);
                let left = rest.u32()?;
                Ok(FromSource::Step(SourceStep { version, from, keys, bytes, left, rest: rest.clone() }))
            }
            _ => Err(EntryError("unknown kind of what comes from a source")),
        }
    }
}

impl Replica {
    pub(super) fn of_source(
        &self,
        txn: &mut Txn<'_>,
        proposal: FromSource<'_>,
    ) -> Result<Vec<Reply>, StoreError> {
        let reply = match proposal {
            FromSource::Change(change) => own(txn, |txn| change.apply(txn).map_err(fatal))?,
            FromSource::Step(step) => step.apply(self.table(), txn)?,
        };
        Ok(vec![reply])
    }
}
