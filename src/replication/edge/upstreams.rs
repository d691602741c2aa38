//! The core nodes that an edge knows, in order of preference: calls go to one that answers. Configured nodes come before
//! discovered ones (`core_nodes.rs`).

use crate::peer::{CallError, Lane, PeerClient, Peers};
use bytes::Bytes;
use parking_lot::RwLock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// Larger calls must not keep small ones waiting.
const LINE_BYTES: usize = 64 << 10;

/// The core nodes that this edge can follow.
pub struct Upstreams {
    peers: Arc<Peers>,
    configured: usize,
    addresses: RwLock<Vec<String>>,
    /// The node that answered last.
    current: AtomicUsize,
}

impl Upstreams {
    pub fn new(peers: Arc<Peers>, addresses: Vec<String>) -> Self {
        let (configured, addresses) = (addresses.len(), RwLock::new(addresses));
        Upstreams { peers, configured, addresses, current: AtomicUsize::new(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.addresses.read().len()
    }

    /// The number of configured upstreams; only those are preferred.
    pub(super) fn configured(&self) -> usize {
        self.configured
    }

    /// The core has these nodes.
    pub(super) fn learn(&self, nodes: &[String]) {
        let mut addresses = self.addresses.write();
        addresses.truncate(self.configured);
        for node in nodes {
            if !addresses.contains(node) {
                addresses.push(node.clone());
            }
        }
    }

    /// Number `index` in the order of preference, and its address.
    pub(super) fn client(&self, index: usize) -> Option<Arc<PeerClient>> {
        self.addresses.read().get(index).map(|address| self.peers.client(address, 0))
    }

    /// This one answers: calls go there first.
    pub(super) fn prefer(&self, index: usize) {
        self.current.store(index, Ordering::Relaxed);
    }

    /// Calls one node after the other until one has taken the call or the time is up. The error decides whether to ask
    /// another: a call that may have been executed is not repeated.
    pub(super) async fn call(
        &self,
        kind: u32,
        body: &Bytes,
        answer_max: Duration,
        deadline: Instant,
    ) -> Result<Bytes, CallError> {
        loop {
            let first = self.current.load(Ordering::Relaxed);
            let mut last = CallError::Unreachable("this edge knows no node of the core".into());
            for turn in 0..self.len() {
                let index = (first + turn) % self.len().max(1);
                let Some(client) = self.client(index) else { continue };
                let sent = match body.len() > LINE_BYTES {
                    true => client.call(kind, body.clone(), answer_max).await,
                    false => client.send(Lane::Quick, kind, body.clone(), answer_max).await,
                };
                match sent {
                    Ok(answer) => {
                        self.prefer(index);
                        return Ok(answer);
                    }
                    Err(error @ CallError::Broken(_)) => return Err(error),
                    Err(error) => last = error,
                }
            }
            if Instant::now() >= deadline {
                return Err(last);
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
}
