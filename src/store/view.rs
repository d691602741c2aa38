//! Reads at one point in time.
//!
//! A view shows the state after a whole number of batches (or, inside `Txn`, the batch's own writes as well), as of a
//! time that decides which keys have expired. Handlers get a view and can do nothing but read.

use super::{
    CollectionHead, FieldExpiries, Namespace, Published, Row, Store, Txn,
    engine::{EngineIterator, Family, Tier, read_error},
    hot::Lookedup,
    keys::{self, Span},
    row::Header,
    scan::{self, Direction, Overlay},
    state::StateRecord,
};
use crate::{
    error::{Error, Result},
    value::Value,
};
use std::ops::ControlFlow;

/// Rows that a scan may visit on a thread that serves connections.
pub(super) const SCAN_INLINE_ROWS_MAX: usize = 1000;

/// As of when a read decides what has expired. Never before the last entry applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadTime {
    /// This time.
    At(u64),
    /// This time, but only if the log bears it out: a key that expired since the last entry is `Error::NotLogged`. Else
    /// another node, whose clock is behind, could show again what this read did not.
    Logged(u64),
    /// The time of the last entry applied.
    LastEntry,
    /// The time of the last entry applied, but `View::now` is this one: what time left is counted from.
    Copy(u64),
}

/// See the module.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(super) source: Source<'a>,
    db: u32,
    /// What time left is counted from.
    now: u64,
    /// Keys that expire up to here have expired.
    pub(super) decided: u64,
    /// Keys that expire after this, and not after `decided`, cannot be decided on.
    logged: u64,
    /// Nobody is told of keys that are not there.
    is_quiet: bool,
    /// A key that is looked at is no less idle than before.
    leaves_untouched: bool,
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
        }
    }

    pub(super) fn txn(txn: &'a Txn<'a>) -> Self {
        View {
            source: Source::Txn(txn),
            db: txn.db(),
            now: txn.now(),
            decided: txn.now(),
            logged: u64::MAX,
            is_quiet: true,
            leaves_untouched: true,
        }
    }

    /// As this, but no keyspace event tells of keys that are not there: it looks for itself, not for a client's read.
    pub fn quiet(self) -> Self {
        View { is_quiet: true, leaves_untouched: true, ..self }
    }

    /// As this, but looking at a key does not count as an access to it.
    pub fn untouched(self) -> Self {
        View { leaves_untouched: true, ..self }
    }

    /// For how many seconds nobody has read or written a key on this node, at least. A batch, which is to be the same on all
    /// nodes, knows nothing of that: 0.
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
        let row = match record.map(Row::decode).transpose()? {
            Some(row) if self.has_expired(namespace, &row)? => None,
            row => row,
        };
        if let Source::Published { store, .. } = self.source {
            store.count_lookup(row.is_some());
            if row.is_none()
                && !self.is_quiet
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
        match FieldExpiries::of_body(row.kind, &row.body)? {
            Some(fields) => self.has_lost_all_fields(namespace, &CollectionHead::decode(&row.body)?, &fields),
            None => Ok(false),
        }
    }

    /// Whether what expires at this time (ms; 0 = never) has expired. If only the log could say, `Error::NotLogged`.
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

    /// Says that the handler is about to compute for long. On a thread that serves connections this sends the call to
    /// the blocking pool (`Error::WouldBlock`).
    pub fn may_take_long(&self) -> Result<()> {
        match self.source {
            Source::Published { tier: Tier::Memory, .. } => Err(Error::WouldBlock),
            Source::Published { tier: Tier::Disk, .. } | Source::Txn(_) => Ok(()),
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

    /// Visits live keys of the current database that begin with `prefix` and are ≥ `start`, in byte order, until the
    /// visitor breaks. The cost follows the keys visited, not the key space.
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
            if visited == SCAN_INLINE_ROWS_MAX {
                self.may_take_long()?;
            }
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

/// A record as of `published`: from the hot cache if what it holds is not newer, else from the snapshot.
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
        // The guard is older than this check: a batch that begins later will find and void it.
        if !is_large(record) && store.is_current(published) {
            fill.install(record);
        }
    }
    Ok(record)
}
