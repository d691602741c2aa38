//! One client for each other node, shared by all that call it.

use super::{LocalIdentity, PeerClient};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// See the module.
pub struct Peers {
    identity: Arc<LocalIdentity>,
    clients: Mutex<BTreeMap<(String, u64), Arc<PeerClient>>>,
}

impl Peers {
    pub fn new(identity: Arc<LocalIdentity>) -> Self {
        Peers { identity, clients: Mutex::default() }
    }

    /// This node, as it shows itself to the others.
    pub fn identity(&self) -> &LocalIdentity {
        &self.identity
    }

    /// The client of a node; `node_id` 0 = whoever answers there.
    pub fn client(&self, address: &str, node_id: u64) -> Arc<PeerClient> {
        let mut clients = self.clients.lock();
        let make = || Arc::new(PeerClient::new(address, node_id, Arc::clone(&self.identity)));
        Arc::clone(clients.entry((address.to_owned(), node_id)).or_insert_with(make))
    }
}
