//! One client for each other node, shared by all of a group that call it; one connection, shared by all groups.

use super::{FIRST_GROUP, LocalIdentity, PeerClient, client::Connection};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// By address and node id; 0 = any node at the address.
type ByNode<T> = Mutex<BTreeMap<(String, u64), Arc<T>>>;

/// The connections of this node to others.
pub struct Connections {
    identity: Arc<LocalIdentity>,
    open: ByNode<Connection>,
}

impl Connections {
    pub fn new(identity: Arc<LocalIdentity>) -> Arc<Self> {
        Arc::new(Connections { identity, open: Mutex::default() })
    }

    fn to(&self, address: &str, node_id: u64) -> Arc<Connection> {
        let mut open = self.open.lock();
        let make = || Arc::new(Connection::new(address, node_id, Arc::clone(&self.identity)));
        Arc::clone(open.entry((address.to_owned(), node_id)).or_insert_with(make))
    }
}

/// The calls to all peers.
pub struct Peers {
    group: u64,
    connections: Arc<Connections>,
    clients: ByNode<PeerClient>,
}

impl Peers {
    /// Of the only group, over connections of their own.
    pub fn new(identity: Arc<LocalIdentity>) -> Self {
        Peers::of_group(FIRST_GROUP, Connections::new(identity))
    }

    pub fn of_group(group: u64, connections: Arc<Connections>) -> Self {
        Peers { group, connections, clients: Mutex::default() }
    }

    /// This node, as it shows itself to the others.
    pub fn identity(&self) -> &LocalIdentity {
        &self.connections.identity
    }

    /// The client of a node; `node_id` 0 = any node at the address.
    pub fn client(&self, address: &str, node_id: u64) -> Arc<PeerClient> {
        let mut clients = self.clients.lock();
        let make = || Arc::new(PeerClient::of_group(self.group, self.connections.to(address, node_id)));
        Arc::clone(clients.entry((address.to_owned(), node_id)).or_insert_with(make))
    }
}
