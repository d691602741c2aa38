//! The changes of the running command, so that they can be undone as a whole or to a savepoint. Every change of the batch's
//! overlays passes through here.
//!
//! **Cost.** A savepoint costs its place in a list. What is kept grows with the rows that are touched since each open
//! savepoint, not with the writes to them: of a row that is written again and again only what it was at the savepoint
//! counts. Nothing is kept of the rows of a collection that is younger than the newest savepoint: it goes as a whole. The rest
//! is dropped (`compact`) when it amounts to `REPEATED_BYTES_MAX` and to half of all that is kept. The same
//! holds for the counts of databases.

use super::Txn;
use crate::{
    limits::DATABASES,
    store::{
        engine::Family,
        keys::{ALL as ALL_SUBKEYS, CollectionId, StorageKey},
        log_position::LogPosition,
        scan::Overlay,
        state::{Database, StateRecord},
    },
};
use bytes::Bytes;
use std::{collections::HashSet, ops::Bound};

/// Bytes of repeated writes that may be kept before they are dropped. Few commands ever come to that, and those get a pass
/// over what is kept for every half of it that they add.
const REPEATED_BYTES_MAX: usize = 16 << 20;
/// Room for changes that is kept from command to command.
const KEPT_CAPACITY_MAX: usize = 1 << 14;
/// What a kept row costs beside the value it had.
const UNDO_BYTES: usize = size_of::<Undo>();
const STATE_BYTES: usize = UNDO_BYTES + size_of::<StateRecord>();

/// What a row of an overlay costs beside its own bytes.
const ROW_BYTES: usize = 24;

fn cost(key: &[u8], value: Option<&Bytes>) -> usize {
    key.len().saturating_add(value.map_or(0, Bytes::len)).saturating_add(ROW_BYTES)
}

/// The value that one change replaced.
pub(super) enum Undo {
    /// A row of an overlay; outer `None`: the overlay had none.
    Row(Family, StorageKey, Option<Option<Bytes>>),
    /// The counts of a logical database.
    Counts(u32, Database),
    /// All of the state record.
    State(Box<StateRecord>),
}

/// A point of the running command to which it can be taken back, until it is released. Savepoints nest: to release one or to
/// roll back to it ends those that came later.
#[derive(Debug, Clone, Copy)]
pub struct Savepoint(usize);

/// Where an open savepoint stands; the first one is the beginning of the command.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Level {
    undo: usize,
    made: usize,
    dropped: usize,
    changes: usize,
    /// What had been created so far, see `Txn::new_generation`.
    has_created: bool,
    further_created: u32,
    change_sum: u64,
    /// One bit for each database whose counts are kept since then; `ALL`: the state record is.
    counted: u32,
}

const ALL: u32 = u32::MAX;
const _: () = assert!(DATABASES < u32::BITS);

/// What can be taken back of the running command.
#[derive(Default)]
pub(super) struct UndoLog {
    /// Newest last.
    changes: Vec<Undo>,
    /// Collections that have rows of which nothing is kept; neighbours differ.
    made: Vec<CollectionId>,
    /// The savepoint at which the running command began.
    began: Level,
    /// Savepoints since then that are open, newest last.
    open: Vec<Level>,
    /// Bytes kept since the last `compact` that may be of repeated writes.
    repeated_bytes: usize,
}

impl UndoLog {
    fn row(&mut self, family: Family, key: StorageKey, before: Option<Option<Bytes>>) {
        // A row that the batch did not have is no repetition.
        let repeated = before
            .as_ref()
            .map_or(0, |before| UNDO_BYTES.saturating_add(before.as_ref().map_or(0, Bytes::len)));
        self.push(Undo::Row(family, key, before), repeated);
    }

    fn push(&mut self, change: Undo, repeated_bytes: usize) {
        self.changes.push(change);
        self.repeated_bytes = self.repeated_bytes.saturating_add(repeated_bytes);
        let half = self.changes.len().saturating_mul(UNDO_BYTES / 2);
        if self.repeated_bytes >= REPEATED_BYTES_MAX.max(half) {
            self.compact();
        }
    }

    /// Whether what `bits` stand for is still to be kept for the newest savepoint; from now on it is.
    fn keep(&mut self, bits: u32) -> bool {
        add_bits(&mut self.open.last_mut().unwrap_or(&mut self.began).counted, bits)
    }

    /// Forgets of each row, and of the counts of each database, all but what it was at each open savepoint.
    fn compact(&mut self) {
        let (mut keep, mut seen, mut counted) = (Vec::with_capacity(self.changes.len()), HashSet::new(), 0);
        let mut open = self.open.iter_mut().peekable();
        let mut kept = 0_usize;
        for (at, change) in self.changes.iter().enumerate() {
            while let Some(level) = open.next_if(|level| level.undo <= at) {
                level.undo = kept;
                counted = 0;
                seen.clear();
            }
            let is_kept = match change {
                Undo::Row(family, key, _) => seen.insert((*family, &key[..])),
                Undo::Counts(db, _) => add_bits(&mut counted, bit(*db)),
                Undo::State(_) => add_bits(&mut counted, ALL),
            };
            kept = kept.saturating_add(usize::from(is_kept));
            keep.push(is_kept);
        }
        open.for_each(|level| level.undo = kept);
        let mut keep = keep.into_iter();
        self.changes.retain(|_| keep.next().unwrap_or(true));
        self.repeated_bytes = 0;
    }
}

/// The bit of a database; 0 = one that does not exist, of which everything is kept.
fn bit(db: u32) -> u32 {
    1_u32.checked_shl(db).unwrap_or(0)
}

/// Adds bits; false if all were there.
fn add_bits(to: &mut u32, bits: u32) -> bool {
    let is_new = bits == 0 || *to & bits != bits;
    *to |= bits;
    is_new
}

impl Txn<'_> {
    fn level(&self) -> Level {
        Level {
            undo: self.undo.changes.len(),
            made: self.undo.made.len(),
            dropped: self.dropped.len(),
            changes: self.changes.len(),
            has_created: self.has_created,
            further_created: self.further_created,
            change_sum: self.state.change_sum,
            counted: 0,
        }
    }

    /// Whether the running command made this collection since its newest savepoint.
    pub(super) fn is_since_savepoint(&self, collection: &CollectionId) -> bool {
        let LogPosition { index, ordinal } = collection.generation();
        if index != self.position.index {
            return false;
        }
        let level = self.undo.open.last().unwrap_or(&self.undo.began);
        match ordinal.checked_sub(LogPosition::FIRST_FURTHER) {
            Some(further) => further >= level.further_created,
            None => ordinal == self.position.ordinal && !level.has_created,
        }
    }

    /// A savepoint at the present point of the running command.
    pub fn savepoint(&mut self) -> Savepoint {
        self.undo.open.push(self.level());
        Savepoint(self.undo.open.len().saturating_sub(1))
    }

    /// What was written since this savepoint stands, as far as earlier ones are concerned.
    pub fn release(&mut self, savepoint: Savepoint) {
        let counted = self.undo.open.drain(savepoint.0.min(self.undo.open.len())..);
        let counted = counted.fold(0, |bits, level| bits | level.counted);
        self.undo.open.last_mut().unwrap_or(&mut self.undo.began).counted |= counted;
    }

    /// Takes back whatever the command has written since this savepoint, which is released. Numbers drawn and collection ids
    /// handed out since then stay used.
    pub fn roll_back(&mut self, to: Savepoint) {
        if let Some(level) = self.undo.open.get(to.0).copied() {
            self.undo.open.truncate(to.0);
            self.take_back(level);
        }
    }

    fn take_back(&mut self, to: Level) {
        while self.undo.changes.len() > to.undo {
            match self.undo.changes.pop() {
                Some(Undo::Row(family, key, before)) => {
                    self.cache.forget_at(family, &key);
                    match before {
                        Some(value) => drop(self.lay(family, key, value)),
                        None => drop(self.lift(family, &key)),
                    }
                }
                Some(Undo::Counts(db, before)) => *self.state.database_mut(db) = before,
                Some(Undo::State(before)) => self.state = *before,
                None => break,
            }
        }
        let made = self.undo.made.split_off(to.made.min(self.undo.made.len()));
        made.iter().for_each(|collection| self.unmake(collection));
        self.state.change_sum = to.change_sum;
        self.resized.clear();
        self.dropped.truncate(to.dropped);
        self.changes.truncate(to.changes);
    }

    /// Removes all rows of a collection that is younger than what is stored.
    fn unmake(&mut self, collection: &CollectionId) {
        self.cache.forget_collection(collection);
        let span = collection.span(ALL_SUBKEYS);
        let to = span.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        for family in [Family::Data, Family::Score] {
            let range = (Bound::Included(&span.from[..]), to);
            while let Some(key) =
                self.overlay(family).range::<[u8], _>(range).next().map(|(key, _)| key.clone())
            {
                drop(self.lift(family, &key));
            }
        }
    }

    /// The command begins here, and what was before it stands.
    pub(super) fn begin_undo(&mut self) {
        if self.undo.changes.capacity() > KEPT_CAPACITY_MAX {
            self.undo.changes = Vec::new();
        }
        self.undo.changes.clear();
        self.undo.made.clear();
        self.undo.open.clear();
        self.undo.repeated_bytes = 0;
        self.resized.clear();
        self.undo.began = self.level();
    }

    /// The command succeeded.
    pub fn accept(&mut self) {
        self.begin_undo();
    }

    /// The command failed: undoes all its writes.
    pub fn reject(&mut self) {
        self.take_back(self.undo.began);
        self.begin_undo();
    }

    /// How many changes are kept to be taken back, and their bytes beside the keys' own.
    #[cfg(test)]
    pub(crate) fn undo_size(&self) -> (usize, usize) {
        let bytes = |change: &Undo| match change {
            Undo::Row(_, _, Some(Some(before))) => UNDO_BYTES + before.len(),
            Undo::Row(..) | Undo::Counts(..) => UNDO_BYTES,
            Undo::State(_) => STATE_BYTES,
        };
        let changes = &self.undo.changes;
        (changes.len(), changes.iter().map(bytes).sum())
    }

    pub(super) fn overlay(&self, family: Family) -> &Overlay {
        match family {
            // `default` has no rows of commands.
            Family::Meta | Family::Default => &self.meta,
            Family::Expiry => &self.expiry,
            Family::Data => &self.data,
            Family::Score => &self.score,
        }
    }

    fn overlay_mut(&mut self, family: Family) -> &mut Overlay {
        match family {
            Family::Meta | Family::Default => &mut self.meta,
            Family::Expiry => &mut self.expiry,
            Family::Data => &mut self.data,
            Family::Score => &mut self.score,
        }
    }

    /// Writes a row to the overlay; `None` deletes.
    pub(super) fn write(&mut self, family: Family, key: StorageKey, value: Option<Bytes>) {
        self.cache.written(family, &key, value.as_ref());
        let before = self.lay(family, key.clone(), value);
        self.undo.row(family, key, before);
    }

    /// As `write`, for a row of a collection that `is_since_savepoint`.
    pub(super) fn write_new(
        &mut self,
        family: Family,
        collection: &CollectionId,
        key: StorageKey,
        value: Bytes,
    ) {
        if self.undo.made.last() != Some(collection) {
            self.undo.made.push(*collection);
        }
        self.cache.written(family, &key, Some(&value));
        drop(self.lay(family, key, Some(value)));
    }

    /// Removes a row from the overlay; it is not stored, or the stored row is deleted, too. `is_new`: of a collection that
    /// `is_since_savepoint`.
    pub(super) fn uncover(&mut self, family: Family, key: StorageKey, is_new: bool) {
        self.cache.written(family, &key, None);
        let before = self.lift(family, &key);
        if let Some(before) = before.filter(|_| !is_new) {
            self.undo.row(family, key, Some(before));
        }
    }

    fn lay(&mut self, family: Family, key: StorageKey, value: Option<Bytes>) -> Option<Option<Bytes>> {
        self.bytes = self.bytes.saturating_add(cost(&key, value.as_ref()));
        let len = key.len();
        let before = self.overlay_mut(family).insert(key, value);
        if let Some(before) = &before {
            let value = before.as_ref().map_or(0, Bytes::len);
            self.bytes = self.bytes.saturating_sub(len.saturating_add(value).saturating_add(ROW_BYTES));
        }
        before
    }

    fn lift(&mut self, family: Family, key: &StorageKey) -> Option<Option<Bytes>> {
        let before = self.overlay_mut(family).remove(key)?;
        self.bytes = self.bytes.saturating_sub(cost(key, before.as_ref()));
        Some(before)
    }

    /// A logical database, to change its counts.
    pub(super) fn counts_mut(&mut self, db: u32) -> &mut Database {
        if self.undo.keep(bit(db)) {
            self.undo.push(Undo::Counts(db, *self.state.database(db)), UNDO_BYTES);
        }
        self.state.database_mut(db)
    }

    /// Before databases are emptied or exchanged.
    pub(super) fn save_state(&mut self) {
        if self.undo.keep(ALL) {
            self.undo.push(Undo::State(Box::new(self.state.clone())), STATE_BYTES);
        }
    }
}
