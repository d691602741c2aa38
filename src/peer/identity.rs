//! This node's identity towards other nodes.

use super::{network::Network, tls::Tls};
use parking_lot::RwLock;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// The identity. The cluster is unknown until the node is a member of one.
pub struct LocalIdentity {
    pub node_id: u64,
    pub node_name: String,
    /// The peer address of this node.
    pub address: String,
    cluster_id: RwLock<Option<String>>,
    /// `None`: nodes talk in plain text.
    pub tls: Option<Arc<Tls>>,
    /// What carries its calls; `None`: gRPC over TCP, as everywhere but in a simulation.
    pub network: Option<&'static dyn Network>,
    /// Names of the members, as far as known: a caller with a member's id must have its name.
    names: RwLock<BTreeMap<u64, String>>,
}

impl LocalIdentity {
    pub fn new(node_id: u64, node_name: String, address: String, cluster_id: Option<String>) -> Self {
        let (cluster_id, names) = (RwLock::new(cluster_id), RwLock::default());
        LocalIdentity { node_id, node_name, address, cluster_id, tls: None, network: None, names }
    }

    /// As this, with TLS.
    pub fn with_tls(self, tls: Option<Arc<Tls>>) -> Self {
        LocalIdentity { tls, ..self }
    }

    /// As this, on another network.
    pub fn on_network(self, network: &'static dyn Network) -> Self {
        LocalIdentity { network: Some(network), ..self }
    }

    /// Sets the members' names.
    pub fn set_names(&self, names: BTreeMap<u64, String>) {
        *self.names.write() = names;
    }

    /// Whether a node of this id may have this name.
    pub(super) fn knows_as(&self, node_id: u64, name: &str) -> bool {
        self.names.read().get(&node_id).is_none_or(|known| known.is_empty() || known == name)
    }

    pub fn cluster_id(&self) -> Option<String> {
        self.cluster_id.read().clone()
    }

    /// The node has become one of this cluster.
    pub fn join(&self, cluster_id: &str) {
        *self.cluster_id.write() = Some(cluster_id.to_owned());
    }
}

impl fmt::Debug for LocalIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} ({}) at {}", self.node_id, self.node_name, self.address)
    }
}
