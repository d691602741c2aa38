//! Reads at one point in time.
//!
//! A view shows the state after a whole number of batches (or, inside `Txn`, the batch's own writes as well), as of a time
//! that decides which keys have expired. Handlers can only read through a view.

use super::{
    CollectionHead, ElementExpiries, Namespace, Published, ReadWatch, Replies, Row, Store, Txn,
    engine::{EngineIterator, Family, Tier, read_error},
    hot::Lookedup,
    keys::{self, Span},
    row::Header,
    scan::{self, Direction, Overlay},
    state::StateRecord,
    txn::Reads,
};
use crate::{
    error::{Error, Result},
    value::Value,
};
use std::{cell::Cell, ops::ControlFlow};

/// Rows that a scan may visit on a thread that serves connections, and from one look to the next at whether it shall go on.
pub(super) const SCAN_INLINE_ROWS_MAX: usize = 1000;

/// The time that decides for a read what has expired. Never before the last entry applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadTime {
    /// This time.
    At(u64),
    /// This time, but only if the log confirms it: a key that expired since the last entry is `Error::NotLogged`. Otherwise
    /// another node, whose clock is behind, could still show a key that this read did not.
    Logged(u64),
    /// The time of the last entry applied.
    LastEntry,
    /// The time of the last entry applied, but `View::now` is this one: what time left is counted from.
    Copy(u64),
}

/// A consistent view of the store.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(super) source: Source<'a>,
    db: u32,
    /// The time from which TTLs are counted.
    now: u64,
    /// Keys that expire up to here have expired.
    pub(super) decided: u64,
    /// Keys that expire after this, and not after `decided`, cannot be decided on.
    logged: u64,
    /// Do not report misses.
    is_quiet: bool,
    /// A key that is looked at is no less idle than before.
    leaves_untouched: bool,
    /// In a batch: what becomes of what is read, for the call's budget.
    reads: Reads,
    /// Told of what is read.
    pub(super) watch: Option<&'a ReadWatch>,
    /// What is read is kept for a reply, which this bounds.
    pub(super) replies: Option<&'a Replies>,
    /// For a script: where its random numbers come from, see `View::for_script`.
    pub(super) script_dice: Option<&'a Cell<u64>>,
    /// For a script: see `View::in_one_slot`.
    pub(super) is_in_one_slot: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Published { store: &'a Store, published: &'a Published, tier: Tier },
    Txn(&'a Txn<'a>),
}

impl<'a> View<'a> {
    pub(super) fn published(
        store: &'a Store,
        published: &'a Published,
        db: u32,
        time: ReadTime,
        tier: Tier,
    ) -> Self {
        let last = published.state.last_at;
        let (decided, logged) = match time {
            ReadTime::At(now) => (now.max(last), u64::MAX),
            ReadTime::Logged(now) => (now.max(last), last),
            ReadTime::LastEntry | ReadTime::Copy(_) => (last, u64::MAX),
        };
        let now = if let ReadTime::Copy(time) = time { time.max(last) } else { decided };
        View {
            source: Source::Published { store, published, tier },
            db,
            now,
            decided,
            logged,
            is_quiet: false,
            leaves_untouched: false,
            reads: Reads::Uncounted,
            watch: None,
            replies: None,
            script_dice: None,
            is_in_one_slot: false,
        }
    }

    pub(super) fn txn(txn: &'a Txn<'a>) -> Self {
        View {
            source: Source::Txn(txn),
            db: txn.db(),
            now: txn.now(),
            decided: txn.expiry_clock(),
            logged: u64::MAX,
            is_quiet: true,
            leaves_untouched: true,
            reads: Reads::Kept,
            watch: None,
            replies: None,
            script_dice: txn.script_dice(),
            is_in_one_slot: false,
        }
    }

    /// The same, but such a read is neither counted nor an event of a missing key: for internal reads.
    pub fn quiet(self) -> Self {
        View { is_quiet: true, leaves_untouched: true, ..self }
    }

    /// As this, but looking at a key does not count as an access to it.
    pub fn untouched(self) -> Self {
        View { leaves_untouched: true, ..self }
    }

    /// As this, watched.
    pub fn watched(self, watch: &'a ReadWatch) -> Self {
        View { watch: Some(watch), ..self }
    }

    /// As this, for a handler that does not keep what it reads: it takes no memory.
    pub fn in_passing(self) -> Self {
        let reads = if self.reads == Reads::Uncounted { Reads::Uncounted } else { Reads::InPassing };
        View { reads, replies: None, ..self }
    }

    /// As this, for a reply that takes what is read out of `replies`.
    pub fn replying(self, replies: &'a Replies) -> Self {
        View { replies: Some(replies), ..self }
    }

    /// As this, for reads that are no part of what the batch does: the call's budget does not count them.
    pub fn uncounted(self) -> Self {
        View { reads: Reads::Uncounted, replies: None, ..self }
    }

    /// As this, of another database.
    pub fn of_db(self, db: u32) -> Self {
        View { db, ..self }
    }

    /// A handler keeps so many elements, of so many bytes in all, beside what it reads: an error if that is over the budget of
    /// its call.
    pub fn keep(&self, elements: usize, bytes: usize) -> Result<()> {
        if let Some(watch) = self.watch {
            watch.count(bytes)?;
        }
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        match (self.replies, self.source) {
            (Some(replies), _) => Ok(replies.take(number(elements), number(bytes))?),
            (None, Source::Txn(txn)) if self.reads != Reads::Uncounted => {
                Ok(txn.budget.keep(number(elements), number(bytes))?)
            }
            (None, Source::Txn(_) | Source::Published { .. }) => Ok(()),
        }
    }

    /// Counts a row that was read, by its bytes.
    #[inline]
    pub(super) fn count_read(&self, key: usize, value: usize) -> Result<()> {
        if let Some(watch) = self.watch {
            watch.count(key.saturating_add(value))?;
        }
        match (self.replies, self.source) {
            (Some(replies), _) => Ok(replies.take(1, key.saturating_add(value) as u64)?),
            (None, Source::Txn(txn)) => Ok(txn.budget.read(self.reads, key, value)?),
            (None, Source::Published { .. }) => Ok(()),
        }
    }

    /// Seconds since a key was last read or written on this node, at least. A batch must be the same on all nodes, so it
    /// answers 0.
    pub fn idle_seconds(&self, key: &[u8]) -> u32 {
        match self.source {
            Source::Published { store, .. } => {
                store.hot.idle_seconds(&keys::meta(self.namespace(self.db), key))
            }
            Source::Txn(_) => 0,
        }
    }

    /// The logical database that unqualified keys mean.
    pub fn db(&self) -> u32 {
        self.db
    }

    /// The time of this view, ms since the epoch.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The state record: databases and their counts, applied position.
    pub fn state(&self) -> &'a StateRecord {
        match self.source {
            Source::Published { published, .. } => &published.state,
            Source::Txn(txn) => txn.state(),
        }
    }

    /// The feature level of the state that this view sees.
    pub fn feature_level(&self) -> u32 {
        self.state().feature_level
    }

    /// The live row of a key in the current database.
    pub fn get(&self, key: &[u8]) -> Result<Option<Row>> {
        self.get_in(self.db, key)
    }

    /// The live row of a key in another database.
    pub fn get_in(&self, db: u32, key: &[u8]) -> Result<Option<Row>> {
        let namespace = self.namespace(db);
        let record = match self.source {
            Source::Published { store, published, tier } => {
                read_published(store, published, (tier, !self.leaves_untouched), namespace, key)?
            }
            Source::Txn(txn) => txn.record(namespace, key)?,
        };
        self.count_read(key.len(), record.as_ref().map_or(0, |record| record.len()))?;
        let row = match record.map(Row::decode).transpose()? {
            Some(row) if self.has_expired(namespace, &row)? => None,
            row => row,
        };
        if let Source::Published { store, .. } = self.source
            && !self.is_quiet
        {
            store.count_lookup(row.is_some());
            if row.is_none()
                && let Some(observer) = store.observer()
            {
                observer.missed(db, key);
            }
        }
        Ok(row)
    }

    fn has_expired(&self, namespace: Namespace, row: &Row) -> Result<bool> {
        if self.has_passed(row.expires_at)? {
            return Ok(true);
        }
        match ElementExpiries::of_body(row.kind, &row.body)? {
            Some(known) => self.has_lost_all_elements(namespace, &CollectionHead::decode(&row.body)?, &known),
            None => Ok(false),
        }
    }

    /// Whether this time (ms; 0 = never) has passed. If only the log can tell, `Error::NotLogged`.
    pub fn has_passed(&self, expires_at: u64) -> Result<bool> {
        let passed = expires_at != 0 && expires_at <= self.decided;
        if passed && expires_at > self.logged {
            return Err(Error::NotLogged);
        }
        Ok(passed)
    }

    /// Whether a live key exists.
    pub fn exists(&self, key: &[u8]) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    /// Says that the handler is about to compute for long, or has done so for a while. On a thread that serves connections
    /// this sends the call to the blocking pool (`Error::WouldBlock`); there it ends the call once it was cancelled.
    pub fn may_take_long(&self) -> Result<()> {
        match (self.source, self.watch) {
            (Source::Txn(_), _) | (Source::Published { tier: Tier::Disk, .. }, None) => Ok(()),
            (Source::Published { .. }, Some(watch)) => watch.goes_on(),
            (Source::Published { tier: Tier::Memory, .. }, None) => Err(Error::WouldBlock),
        }
    }

    /// Whether somebody waits for the reply.
    pub fn is_reply_wanted(&self) -> bool {
        match self.source {
            Source::Published { .. } => true,
            Source::Txn(txn) => txn.is_reply_wanted,
        }
    }

    /// Two keys between which, them included, all keys of the current database lie: its first and last as stored, expired
    /// or not, or as the batch has made them. `None` = there is no key.
    pub fn span(&self) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let prefix = keys::meta(self.namespace(self.db), b"");
        let span = Span::of_prefix(&prefix, &prefix);
        let (mut iterator, overlay) = self.iterator(Family::Meta, &span, Direction::Forward)?;
        let mut ends = scan::ends(overlay, &span);
        iterator.seek(&prefix);
        scan::widen(&mut ends, iterator.key(), &span);
        iterator.status().map_err(read_error)?;
        iterator.seek_to_last();
        scan::widen(&mut ends, iterator.key(), &span);
        iterator.status().map_err(read_error)?;
        let Some((first, last)) = ends else {
            return Ok(None);
        };
        Ok(Some((keys::meta_user_key(&first)?.1.to_vec(), keys::meta_user_key(&last)?.1.to_vec())))
    }

    /// Visits live keys of the current database that have this prefix and are ≥ `start`, in byte order, until the visitor
    /// breaks. The cost follows the keys visited, not the key space.
    pub fn scan(
        &self,
        prefix: &[u8],
        start: &[u8],
        mut visit: impl FnMut(&[u8], &Row) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let namespace = self.namespace(self.db);
        let span = Span::of_prefix(&keys::meta(namespace, prefix), &keys::meta(namespace, start));
        let (mut iterator, overlay) = self.iterator(Family::Meta, &span, Direction::Forward)?;
        let mut visited = 0_usize;
        scan::merged(&mut iterator, overlay, &span, Direction::Forward, |key, record| {
            visited = visited.saturating_add(1);
            if visited.is_multiple_of(SCAN_INLINE_ROWS_MAX) {
                self.may_take_long()?;
            }
            self.count_read(key.len(), record.len())?;
            let (_, key) = keys::meta_user_key(key)?;
            let row = Row::decode(record.to_vec().into())?;
            if self.has_expired(namespace, &row)? { Ok(ControlFlow::Continue(())) } else { visit(key, &row) }
        })
    }

    /// Stored keys of a database, expired ones included until a sweep deletes them.
    pub fn key_count(&self, db: u32) -> u64 {
        self.state().database(db).keys
    }

    pub(super) fn namespace(&self, db: u32) -> Namespace {
        self.state().database(db).namespace
    }

    pub(super) fn iterator(
        &self,
        family: Family,
        span: &Span,
        direction: Direction,
    ) -> Result<(EngineIterator<'a>, Option<&'a Overlay>)> {
        match self.source {
            Source::Published { published, tier, .. } => {
                let mut options = tier.options();
                scan::bound(&mut options, span, direction);
                let family = published.engine().family(family)?;
                Ok((published.snapshot().raw_iterator_cf_opt(family, options), None))
            }
            Source::Txn(txn) => txn.iterator(family, span, direction),
        }
    }
}

/// A record as of `published`: from the hot cache if the cached one is not newer, else from the snapshot.
fn read_published(
    store: &Store,
    published: &Published,
    (tier, touches): (Tier, bool),
    namespace: Namespace,
    key: &[u8],
) -> Result<Option<Value>> {
    let storage_key = keys::meta(namespace, key);
    let fill = match store.hot.get_or_fill(&storage_key, touches) {
        Lookedup::Hit(_, record) => {
            let applied = published.state.applied.map_or(0, |position| position.index);
            if Header::decode(&record)?.revision.index <= applied {
                return Ok(Some(record));
            }
            None
        }
        Lookedup::Miss(fill) => fill,
    };
    let family = published.engine().family(Family::Meta)?;
    let record = published
        .snapshot()
        .get_cf_opt(family, &storage_key, tier.options())
        .map_err(read_error)?
        .map(Value::from);
    let is_large = |record: &Value| record.len() > crate::limits::HOT_RECORD_BYTES_MAX;
    if touches && (fill.is_none() || record.as_ref().is_some_and(is_large)) {
        store.hot.passed_by(&storage_key);
    }
    if let (Some(fill), Some(record)) = (fill, &record) {
        // The guard is older than this check: a later batch will find and void it.
        if !is_large(record) && store.is_current(published) {
            fill.install(record);
        }
    }
    Ok(record)
}
