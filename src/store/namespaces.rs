//! Which namespaces are in use: by the databases of the present state, and by those of every earlier one that somebody still
//! reads. Compaction filters take no notice of RocksDB's snapshots, so nothing else keeps the rows of a flushed database for a
//! read that began before the flush.
//!
//! All points in time between two changes of the databases share one set; a set lasts as long as the last of them is held.

use super::{Namespace, Store, engine::Family, keys, state::StateRecord};
use crate::error::StoreError;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// The namespaces of all databases of a state, sorted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamespaceSet(Vec<Namespace>);

impl NamespaceSet {
    fn of(state: &StateRecord) -> Self {
        let mut namespaces: Vec<Namespace> = state.all_databases().map(|db| db.namespace).collect();
        namespaces.sort_unstable();
        NamespaceSet(namespaces)
    }

    fn contains(&self, namespace: Namespace) -> bool {
        self.0.binary_search(&namespace).is_ok()
    }
}

/// All sets that are held. One more for each FLUSHDB during a long read.
#[derive(Debug, Default)]
pub(super) struct NamespacesInUse(Mutex<Vec<Weak<NamespaceSet>>>);

impl NamespacesInUse {
    /// The set of a state that is about to be published; `before`: that of the last one.
    pub(super) fn of(&self, state: &StateRecord, before: Option<&Arc<NamespaceSet>>) -> Arc<NamespaceSet> {
        let set = NamespaceSet::of(state);
        if let Some(same) = before.filter(|before| ***before == set) {
            return Arc::clone(same);
        }
        let set = Arc::new(set);
        let mut sets = self.0.lock();
        sets.retain(|set| set.strong_count() > 0);
        sets.push(Arc::downgrade(&set));
        set
    }

    fn held(&self) -> Vec<Arc<NamespaceSet>> {
        self.0.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

impl Store {
    /// Lets compaction drop the rows of namespaces that neither the *flushed* state uses nor any state that is read. Called
    /// periodically, off the hot path. A crash could bring back what is not flushed.
    pub fn collect_dead_namespaces(&self) -> Result<usize, StoreError> {
        let published = self.published();
        let engine = published.engine();
        let Some(record) = engine.get_flushed(keys::STATE)? else {
            return Ok(0);
        };
        let flushed = StateRecord::decode(&record)?;
        // Nobody can begin to read a state that is no longer published, so this list only shrinks, but for new namespaces.
        let held = self.namespaces.held();
        let live = |namespace: Namespace| {
            flushed.database_of(namespace).is_some() || held.iter().any(|set| set.contains(namespace))
        };
        let fresh: Vec<Namespace> = (1..flushed.next_namespace)
            .filter(|namespace| !live(*namespace) && !engine.dead.0.read().contains(namespace))
            .collect();
        engine.dead.0.write().extend(&fresh);
        // After a restart all of them are fresh, and a compaction is not free however little it finds: neighbours share
        // one.
        for neighbours in fresh.chunk_by(|one, next| one.saturating_add(1) == *next) {
            let (Some(first), Some(last)) = (neighbours.first(), neighbours.last()) else { continue };
            let (start, end) = (first.to_be_bytes(), last.saturating_add(1).to_be_bytes());
            for family in [Family::Meta, Family::Data, Family::Score] {
                engine.db.compact_range_cf(engine.family(family)?, Some(start), Some(end));
            }
        }
        if !fresh.is_empty() {
            engine.db.compact_range_cf(engine.family(Family::Expiry)?, None::<&[u8]>, None::<&[u8]>);
        }
        Ok(fresh.len())
    }
}
