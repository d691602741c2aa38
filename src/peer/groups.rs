//! The groups of this node, and the handler of each group's calls.
//!
//! A connection between two nodes is shared by all groups that both have, and so is the port that a node listens on. Every
//! frame names the group it is for; one of a group that is not here is refused, and nothing was done.

use super::server::Handler;
use parking_lot::RwLock;
use std::{collections::BTreeMap, sync::Arc};

/// The group of a node that has only one. A frame that names no group is for this one: nodes before there were several sent
/// such.
pub const FIRST_GROUP: u64 = 0;

/// The table of groups.
#[derive(Default)]
pub struct Groups(RwLock<BTreeMap<u64, Arc<dyn Handler>>>);

impl Groups {
    /// A node of one group.
    pub fn one(handler: Arc<dyn Handler>) -> Arc<Self> {
        let groups = Groups::default();
        groups.add(FIRST_GROUP, handler);
        Arc::new(groups)
    }

    /// Calls of this group are answered from here on.
    pub fn add(&self, group: u64, handler: Arc<dyn Handler>) {
        self.0.write().insert(group, handler);
    }

    /// Calls of this group are refused from here on.
    pub fn remove(&self, group: u64) {
        self.0.write().remove(&group);
    }

    pub(crate) fn get(&self, group: u64) -> Option<Arc<dyn Handler>> {
        self.0.read().get(&group).cloned()
    }
}
