//! On an edge: entries of the site's log, each of which carries entries of the core.
//!
//! The edge applies the core's entries as the core does: at the core's positions, with its times and random seeds. So its data
//! become the core's, byte for byte. The position in the site's own log is stored beside them.
//!
//! **Invariants.** Each entry of the core is applied once and in order. An entry that was applied before is skipped; an entry
//! that leaves a gap or is of another history is refused, with all behind it. A refusal only advances the position in the
//! site's log. All of this is a function of (state, entry), so the nodes of a site agree on it.

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
    /// The same replica, for the log of an edge site.
    pub fn of_edge(mut self) -> Self {
        self.is_edge = true;
        self
    }

    /// Whether it applies the log of an edge site.
    pub fn is_edge(&self) -> bool {
        self.is_edge
    }

    /// Applies an entry that carries entries of the core. The reply is the last core index applied, or the reason why the
    /// entries were refused.
    pub(super) fn follow(
        &self,
        txn: &mut Txn<'_>,
        at: LogId,
        payload: &[u8],
    ) -> Result<Vec<Vec<Reply>>, StoreError> {
        enter_site(txn, at)?;
        let SiteEntry::Entries { history, mut records } = SiteEntry::decode(payload).map_err(malformed)?
        else {
            return Err(StoreError::corrupt(
                "log entry",
                "a bootstrap snapshot cannot be applied in a batch",
            ));
        };
        if txn.state().applied.is_none() && txn.history().is_empty() {
            txn.adopt_history(history);
        }
        if history != txn.history() {
            return Ok(refused(format!(
                "the entries are of history {history}, the data here of {}",
                txn.history()
            )));
        }
        while let Some(record) = records.next_record().map_err(malformed)? {
            let LogId { term, index } = record.position;
            let applied = txn.state().applied;
            let next = applied.map_or(0, |applied| applied.index.saturating_add(1));
            if applied.is_some_and(|applied| applied.index == index && applied.term != term) {
                return Ok(refused(format!(
                    "entry {index} is of term {term}; the entry applied here has another term"
                )));
            }
            if index < next {
                continue;
            }
            if index > next || applied.is_some_and(|applied| term < applied.term) {
                return Ok(refused(format!(
                    "entry {index} of term {term} is out of order; entry {next} is next"
                )));
            }
            // Whoever forwarded a command got its reply from the core.
            txn.want_replies(false);
            match record.batch {
                None => begin_entry(txn, record.position, 0, 0)?,
                Some(batch) => drop(self.batch(txn, record.position, batch, false)?),
            }
        }
        let index = txn.state().applied.map_or(0, |applied| applied.index);
        Ok(vec![vec![Reply::count(index)]])
    }

    /// Whether to install this snapshot: not if it would take the data back to an earlier position.
    pub fn wants(&self, snapshot: &BootstrapSnapshot) -> bool {
        let published = self.store().published();
        let history = published.site().map_or("", |site| &site.history);
        history != snapshot.history
            || published.state().applied.is_none_or(|applied| snapshot.is_forward_of(applied))
    }

    /// Whether earlier heartbeats say nothing about the data of this snapshot: the data here are of another history, or the
    /// core never committed their end. An empty store has no history.
    pub fn is_of_other_history(&self, snapshot: &BootstrapSnapshot) -> bool {
        let published = self.store().published();
        let history = published.site().map_or("", |site| &site.history);
        !history.is_empty()
            && (history != snapshot.history
                || published.state().applied.is_some_and(|applied| applied.index > snapshot.position.index))
    }

    /// Replaces the data by a bootstrap snapshot, whose files are in `directory`.
    pub fn install_bootstrap(
        &self,
        at: LogId,
        snapshot: &BootstrapSnapshot,
        directory: &Path,
    ) -> Result<(), StoreError> {
        self.store()
            .install_bootstrap(directory, &SiteRecord { applied: at, history: snapshot.history.clone() })?;
        let stands = self.store().published().state().applied;
        if stands != Some(snapshot.position) {
            let detail = format!("its files are at log id {stands:?}, expected {:?}", snapshot.position);
            return Err(StoreError::corrupt("bootstrap snapshot", detail));
        }
        Ok(())
    }
}

/// Advances the position in the site's log to `at`. Refuses an entry that was applied before.
pub(super) fn enter_site(txn: &mut Txn<'_>, at: LogId) -> Result<(), StoreError> {
    if txn.site_applied().is_some_and(|applied| at.index <= applied.index) {
        return Err(StoreError::corrupt(
            "apply",
            format!("entry {} of the site's log was applied before", at.index),
        ));
    }
    txn.enter_site(at);
    Ok(())
}

fn refused(why: String) -> Vec<Vec<Reply>> {
    vec![vec![Reply::Error(ErrorReply::err(why))]]
}
