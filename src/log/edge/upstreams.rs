//! The core nodes that an edge knows, the preferred one first: calls go to one that answers.

use crate::{
    log::raft::Peers,
    peer::{CallError, Lane, PeerClient},
};
use bytes::Bytes;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

const AGAIN: Duration = Duration::from_millis(50);
/// Larger calls must not keep small ones waiting.
const LINE_BYTES: usize = 64 << 10;

/// See the module.
pub(in crate::log) struct Upstreams {
    peers: Arc<Peers>,
    addresses: Vec<String>,
    /// The one that answered last.
    current: AtomicUsize,
}

impl Upstreams {
    pub(in crate::log) fn new(peers: Arc<Peers>, addresses: Vec<String>) -> Self {
        Upstreams { peers, addresses, current: AtomicUsize::new(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Number `index` in the order of preference, and its address.
    pub(super) fn client(&self, index: usize) -> Option<Arc<PeerClient>> {
        self.addresses.get(index).map(|address| self.peers.client(address, 0))
    }

    /// This one answers: calls go there first.
    pub(super) fn prefer(&self, index: usize) {
        self.current.store(index, Ordering::Relaxed);
    }

    /// Calls one after the other until one has taken the call or the time is up. Whether it is safe to ask a second one is
    /// told by the error of the first: a call that may have been done is not made again.
    pub(super) async fn call(
        &self,
        kind: u32,
        body: &Bytes,
        answer_max: Duration,
        deadline: Instant,
    ) -> Result<Bytes, CallError> {
        loop {
            let first = self.current.load(Ordering::Relaxed);
            let mut last = CallError::Unreachable("no node of the core is known".into());
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
            tokio::time::sleep(AGAIN).await;
        }
    }
}
