//! How far the expiry index has no row of a database that is in use: rows of flushed ones stay there until compaction drops
//! them, and there may be millions. Whoever looks for what is due begins behind them.
//!
//! It is this node's own knowledge and decides how fast a sweep is, never what it deletes.
//!
//! **Invariant.** No published row before the mark belongs to a database that is in use. A flushed database never comes back, so
//! only a row that is written before the mark, or other data, can take the mark back. What was written during a scan
//! is remembered, since the scan may not have seen it.

use super::{
    Store,
    engine::{Family, Tier},
    keys::{self, StorageKey, behind},
};
use crate::error::StoreError;
use parking_lot::Mutex;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PassedExpiries(Mutex<Mark>);

#[derive(Debug, Default)]
struct Mark {
    at: StorageKey,
    /// The first row that was written since the scan began that goes on; `None`: no row.
    written: Option<StorageKey>,
}

impl PassedExpiries {
    /// Where what may be due begins.
    pub(super) fn mark(&self) -> StorageKey {
        self.0.lock().at.clone()
    }

    /// A batch was published whose first row of the index is this one.
    pub(super) fn wrote(&self, first: &StorageKey) {
        let mut mark = self.0.lock();
        if *first < mark.at {
            mark.at = first.clone();
        }
        if mark.written.as_ref().is_none_or(|written| first < written) {
            mark.written = Some(first.clone());
        }
    }

    /// All data were replaced.
    pub(super) fn forget(&self) {
        self.wrote(&StorageKey::new());
    }

    /// A scan begins. The state that it reads must be published already, or later.
    fn begin(&self) -> StorageKey {
        let mut mark = self.0.lock();
        mark.written = None;
        mark.at.clone()
    }

    /// It has met no row of a database in use before this one.
    fn end(&self, at: StorageKey) {
        let mut mark = self.0.lock();
        let at = mark.written.take().map_or(at.clone(), |written| at.min(written));
        if at > mark.at {
            mark.at = at;
        }
    }
}

/// The outcome of `Store::next_due`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextDue {
    /// Some key or field of a database in use expires then, ms since the epoch, and none earlier.
    At(u64),
    /// Not found yet: the next call goes on behind the rows of flushed databases that this one stepped over.
    StepsUsedUp,
    /// Nothing expires.
    Nothing,
}

impl Store {
    /// Looks for what expires next, and steps over rows of flushed databases, so many at the most. May wait for the disk. One
    /// thread at a time.
    pub fn next_due(&self, steps_max: usize) -> Result<NextDue, StoreError> {
        let mut at = self.passed_expiries.begin();
        let published = self.published();
        let mut iterator = published.engine().iterator(Family::Expiry, Tier::Disk.options())?;
        iterator.seek(&at);
        let mut steps = 0_usize;
        let found = loop {
            let Some(index_key) = iterator.key() else { break NextDue::Nothing };
            let (expires_at, namespace, _) = keys::parse_expiry(index_key)?;
            if published.state.database_of(namespace).is_some() {
                break NextDue::At(expires_at);
            }
            if steps >= steps_max {
                break NextDue::StepsUsedUp;
            }
            at = behind(index_key);
            steps = steps.saturating_add(1);
            iterator.next();
        };
        iterator.status().map_err(super::engine::engine_error)?;
        self.passed_expiries.end(at);
        Ok(found)
    }
}
