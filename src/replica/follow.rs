//! On an edge: entries of the site's log, each of which carries entries of the core.
//!
//! The core's entries are applied as the core applies them: at the core's positions, with its times and seeds, so the data
//! become the core's, byte for byte. Where the site's log stands is noted beside them.
//!
//! **Invariants.** An entry of the core is applied once and in its place: one that is there already is passed over, one
//! that does not follow is refused with all behind it, and so is one of another history. What is refused changes nothing
//! but the place in the site's log. All of this is a function of (state, entry), so the nodes of a site agree on it.

use super::{
    apply::{Replica, begin_entry, malformed},
    site::{BootstrapSnapshot, SiteEntry},
};
use crate::{
    error::StoreError,
    resp::{ErrorReply, Reply},
    store::{LogId, SiteRecord, Txn},
};
use std::path::Path;

impl Replica {
    /// As this, for the log of an edge site.
    pub fn of_edge(mut self) -> Self {
        self.is_edge = true;
        self
    }

    /// Whether the log is that of an edge site.
    pub fn is_edge(&self) -> bool {
        self.is_edge
    }

    /// Applies an entry with entries of the core. The reply is the core's index that the data stand at, or why they do not
    /// stand further.
    pub(super) fn follow(
        &self,
        txn: &mut Txn<'_>,
        at: LogId,
        payload: &[u8],
    ) -> Result<Vec<Vec<Reply>>, StoreError> {
        enter_site(txn, at)?;
        let SiteEntry::Entries { history, mut records } = SiteEntry::decode(payload).map_err(malformed)?
        else {
            return Err(StoreError::corrupt("log entry", "a seed is not applied in a batch"));
        };
        if txn.state().applied.is_none() && txn.history().is_empty() {
            txn.adopt_history(history);
        }
        if history != txn.history() {
            return Ok(refused(format!("entries of history {history}, the data are of {}", txn.history())));
        }
        while let Some(record) = records.next_record().map_err(malformed)? {
            let LogId { term, index } = record.position;
            let applied = txn.state().applied;
            let next = applied.map_or(0, |applied| applied.index.saturating_add(1));
            if applied.is_some_and(|applied| applied.index == index && applied.term != term) {
                return Ok(refused(format!(
                    "entry {index} is of term {term}, that of the data here is another one"
                )));
            }
            if index < next {
                continue;
            }
            if index > next || applied.is_some_and(|applied| term < applied.term) {
                return Ok(refused(format!("entry {index} of term {term} does not follow: {next} is next")));
            }
            match record.batch {
                None => begin_entry(txn, record.position, 0, 0)?,
                Some(batch) => drop(self.batch(txn, record.position, batch)?),
            }
        }
        let index = txn.state().applied.map_or(0, |applied| applied.index);
        Ok(vec![vec![Reply::count(index)]])
    }

    /// Whether a seed does not take the data back; if it does it is passed over.
    pub fn wants(&self, snapshot: &BootstrapSnapshot) -> bool {
        let published = self.store().published();
        let history = published.site().map_or("", |site| &site.history);
        history != snapshot.history
            || published.state().applied.is_none_or(|applied| snapshot.is_forward_of(applied))
    }

    /// Whether what was said of the data here says nothing of those of a bootstrap snapshot: they are of another history, or of none that
    /// the core has committed; no data are of none.
    pub fn is_of_other_history(&self, snapshot: &BootstrapSnapshot) -> bool {
        let published = self.store().published();
        let history = published.site().map_or("", |site| &site.history);
        !history.is_empty()
            && (history != snapshot.history
                || published.state().applied.is_some_and(|applied| applied.index > snapshot.position.index))
    }

    /// Replaces the data by those of a bootstrap snapshot, whose files are in `directory`.
    pub fn install_bootstrap(
        &self,
        at: LogId,
        snapshot: &BootstrapSnapshot,
        directory: &Path,
    ) -> Result<(), StoreError> {
        self.store().seed(directory, &SiteRecord { applied: at, history: snapshot.history.clone() })?;
        let stands = self.store().published().state().applied;
        if stands != Some(snapshot.position) {
            let detail = format!("the files stand at {stands:?}, not at {:?}", snapshot.position);
            return Err(StoreError::corrupt("seed", detail));
        }
        Ok(())
    }
}

/// Takes the place in the site's log up to `at`. Refuses an entry that was applied.
pub(super) fn enter_site(txn: &mut Txn<'_>, at: LogId) -> Result<(), StoreError> {
    if txn.site_applied().is_some_and(|applied| at.index <= applied.index) {
        return Err(StoreError::corrupt("apply", format!("entry {} of the site has been applied", at.index)));
    }
    txn.enter_site(at);
    Ok(())
}

fn refused(why: String) -> Vec<Vec<Reply>> {
    vec![vec![Reply::Error(ErrorReply::err(why))]]
}
