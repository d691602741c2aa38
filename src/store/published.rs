//! A point in time that readers may use: a RocksDB snapshot and the state record that belongs to it.

use super::engine::{Db, Engine, EngineSnapshot};
use super::{
    namespaces::NamespaceSet,
    site::SiteRecord,
    source::SourceRecord,
    state::{LogId, StateRecord},
};
use self_cell::self_cell;
use std::sync::Arc;

self_cell!(
    /// A snapshot that keeps its database alive.
    struct OwnedSnapshot {
        owner: Arc<Engine>,
        #[covariant]
        dependent: EngineSnapshot,
    }
);

/// The state after some whole batch.
pub struct Published {
    snapshot: OwnedSnapshot,
    pub(super) state: StateRecord,
    /// Of an edge.
    pub(super) site: Option<SiteRecord>,
    pub(super) source: Option<Arc<SourceRecord>>,
    /// Keeps their rows.
    pub(super) namespaces: Arc<NamespaceSet>,
    /// Counts publications; even while no batch is being written.
    pub(super) epoch: u64,
}

impl Published {
    pub(super) fn new(
        engine: Arc<Engine>,
        state: StateRecord,
        site: Option<SiteRecord>,
        source: Option<Arc<SourceRecord>>,
        namespaces: Arc<NamespaceSet>,
        epoch: u64,
    ) -> Self {
        let snapshot = OwnedSnapshot::new(engine, |engine| EngineSnapshot::new(&engine.db as &Db));
        Published { snapshot, state, site, source, namespaces, epoch }
    }

    /// Its number among the publications of this store since the start.
    pub fn number(&self) -> u64 {
        self.epoch
    }

    pub(super) fn snapshot(&self) -> &EngineSnapshot<'_> {
        self.snapshot.borrow_dependent()
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        self.snapshot.borrow_owner()
    }

    /// The state record at this point.
    pub fn state(&self) -> &StateRecord {
        &self.state
    }

    /// The site record at this point; `None`: the store is not an edge's, or is empty.
    pub fn site(&self) -> Option<&SiteRecord> {
        self.site.as_ref()
    }

    /// What the data follow, or have followed.
    pub fn source(&self) -> Option<&Arc<SourceRecord>> {
        self.source.as_ref()
    }

    /// The applied position of this node's own log: on an edge that of its site, else that of the core, as the data.
    pub(super) fn log_position(&self) -> Option<LogId> {
        self.site.as_ref().map(|site| site.applied).or(self.state.applied)
    }
}
