//! Who this node is to other nodes.

use parking_lot::RwLock;

/// See the module. The cluster is not known before the node is one of it.
#[derive(Debug)]
pub struct LocalIdentity {
    pub node_id: u64,
    pub node_name: String,
    /// Where other nodes reach this one.
    pub address: String,
    cluster_id: RwLock<Option<String>>,
}

impl LocalIdentity {
    pub fn new(node_id: u64, node_name: String, address: String, cluster_id: Option<String>) -> Self {
        LocalIdentity { node_id, node_name, address, cluster_id: RwLock::new(cluster_id) }
    }

    pub fn cluster_id(&self) -> Option<String> {
        self.cluster_id.read().clone()
    }

    /// The node has become one of this cluster.
    pub fn join(&self, cluster_id: &str) {
        *self.cluster_id.write() = Some(cluster_id.to_owned());
    }
}
