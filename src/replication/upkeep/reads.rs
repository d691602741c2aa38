//! Tells the leader which keys are read elsewhere, while it evicts what is used least (`maxmemory` with an LRU or LFU policy).
//!
//! ```text
//! edge, not leading its site ─▶ leader of the site ─ with its reports ─▶ core node ─▶ leader of the core
//! ```
//! Once a second, a bounded number of names (`store/read_samples.rs`). A node of the core knows by its own parameters whether the leader wants to
//! know; an edge is told in the answer to what it sends. A message that is lost is not sent again: keys in use are read again.

use crate::{
    config::{DataLimit, EvictionOrder},
    peer::Peers,
    replication::{
        wal::blocking,
        wire::{self, Reads, ReadsAnswer},
    },
    state::ReplicationState,
    store::{READ_SAMPLES_MAX, ReadSampling, Store},
};
use bytes::Bytes;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

const INTERVAL: Duration = Duration::from_secs(1);
/// Intervals between two questions of an edge whether the core wants to know.
const ASK_EVERY: u32 = 5;

/// The task.
pub struct ReadTeller {
    pub store: Arc<Store>,
    pub state: Arc<ReplicationState>,
    pub peers: Arc<Peers>,
}

impl ReadTeller {
    /// Runs until aborted.
    pub async fn run(self) {
        for round in 0_u32.. {
            tokio::time::sleep(INTERVAL).await;
            let (is_edge, leads) = (self.state.edge.is_edge(), self.state.is_leader());
            if !is_edge {
                self.store.sample_reads(wanted(&self.state.memory.limit()).filter(|_| !leads));
            }
            let is_asked = self.store.read_sampling().is_some() || is_edge && round.is_multiple_of(ASK_EVERY);
            if is_asked && !leads && self.state.is_one_of_many.load(Ordering::Relaxed) {
                self.tell(is_edge).await;
            }
        }
    }

    async fn tell(&self, is_edge: bool) {
        let Some((id, address)) = self.state.leader() else { return };
        let keys = self.store.take_read_samples();
        if keys.is_empty() && !is_edge {
            return;
        }
        let client = self.peers.client(&address, id);
        let answer = client.call(wire::kind::READS, wire::write(&Reads { keys }), INTERVAL).await;
        if is_edge {
            follow_answer(&self.store, answer.unwrap_or_default());
        }
    }
}

/// What a leader with this limit wants to know.
fn wanted(limit: &DataLimit) -> Option<ReadSampling> {
    match limit.eviction.filter(|_| limit.bytes > 0)?.order {
        EvictionOrder::LeastRecentlyUsed => Some(ReadSampling::Last),
        EvictionOrder::LeastFrequentlyUsed => Some(ReadSampling::Number),
        EvictionOrder::Random | EvictionOrder::SoonestToExpire => None,
    }
}

/// On an edge: what the core wants to know. Builds of before answer nothing.
pub fn follow_answer(store: &Store, answer: Bytes) {
    let wanted = wire::read::<ReadsAnswer>(answer).map_or(0, |answer| answer.wanted);
    store.sample_reads(match wanted {
        1 => Some(ReadSampling::Last),
        2 => Some(ReadSampling::Number),
        _ => None,
    });
}

/// Another node has told of reads: remembers them here, and answers what is wanted.
pub async fn hear_reads(store: &Arc<Store>, state: &ReplicationState, mut keys: Vec<Bytes>) -> ReadsAnswer {
    let wanted = match state.edge.is_edge() {
        true => store.read_sampling(),
        false => wanted(&state.memory.limit()),
    };
    keys.truncate(READ_SAMPLES_MAX);
    if wanted.is_some() && !keys.is_empty() {
        let store = Arc::clone(store);
        let _ = blocking(move || store.note_reads(&keys)).await;
    }
    ReadsAnswer { wanted: wanted.map_or(0, |wanted| wanted as u32) }
}
