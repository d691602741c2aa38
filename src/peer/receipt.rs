//! Bounds the bytes of incoming calls in memory. A member of the core is trusted with the data; an edge may send a core
//! node a few large calls at a time, however many streams it opens, and all edges together a few more.
//!
//! Edges send small calls on a multiplexed stream, whose frames have their own limit (`EDGE_FRAME_BYTES_MAX`). A separate
//! call may carry a value of the largest size.

use super::{
    authorization::is_edge_kind,
    message::{FIRST_EDGE_KIND, FIRST_MEMBER_KIND, MESSAGE_BYTES_MAX},
    server::Caller,
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls whose bodies one edge may be sending.
const EDGE_CALLS_MAX: usize = 2;
/// And all edges together.
const EDGES_CALLS_MAX: usize = 4;
/// A frame of an edge's stream.
const EDGE_FRAME_BYTES_MAX: usize = 1 << 20;
/// Largest call of a node that may belong to no cluster, and largest request of a feed.
pub(super) const SMALL_BYTES_MAX: usize = 64 << 10;
/// Longest wait of a call for its turn.
const TURN_MAX: Duration = Duration::from_secs(10);

/// Admits calls within the bounds.
#[derive(Debug)]
pub(super) struct Receipts {
    all: Arc<Semaphore>,
    by_name: Mutex<BTreeMap<String, Weak<Semaphore>>>,
}

/// The turn of one call, held until its body is here.
#[derive(Debug)]
pub(super) struct Receipt {
    _of_edge: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
    /// Keeps the edge's own in the list.
    _edge: Arc<Semaphore>,
}

impl Default for Receipts {
    fn default() -> Self {
        Receipts { all: Arc::new(Semaphore::new(EDGES_CALLS_MAX)), by_name: Mutex::default() }
    }
}

impl Receipts {
    /// Waits until a call of this caller may send its body; `Ok(None)`: it need not wait. An error: it waited too long.
    pub(super) async fn turn_of(&self, caller: &Caller) -> Result<Option<Receipt>, &'static str> {
        if !is_edge_kind(caller.kind) {
            return Ok(None);
        }
        let edge = self.edge(&caller.name);
        let turn = async {
            // The edge's own turn first: while it waits for itself, a slow edge takes no turn of others.
            let of_edge = Arc::clone(&edge).acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Receipt { _of_edge: of_edge, _of_all: of_all, _edge: edge })
        };
        match tokio::time::timeout(TURN_MAX, turn).await {
            Ok(Some(receipt)) => Ok(Some(receipt)),
            Ok(None) | Err(_) => Err("too many calls with large bodies are in flight; try again"),
        }
    }

    fn edge(&self, name: &str) -> Arc<Semaphore> {
        let mut by_name = self.by_name.lock();
        if let Some(known) = by_name.get(name).and_then(Weak::upgrade) {
            return known;
        }
        by_name.retain(|_, edge| edge.strong_count() > 0);
        let edge = Arc::new(Semaphore::new(EDGE_CALLS_MAX));
        by_name.insert(name.to_owned(), Arc::downgrade(&edge));
        edge
    }
}

/// Most bytes that one message of this caller may have.
pub(super) fn bytes_max(caller: &Caller, is_multiplexed: bool) -> usize {
    match caller.kind {
        ..FIRST_EDGE_KIND => SMALL_BYTES_MAX,
        FIRST_EDGE_KIND..FIRST_MEMBER_KIND if is_multiplexed => EDGE_FRAME_BYTES_MAX,
        _ => MESSAGE_BYTES_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str, kind: u32) -> Caller {
        Caller { id: 1, name: name.into(), kind }
    }

    #[tokio::test(start_paused = true)]
    async fn edges_send_few_large_bodies_at_a_time_and_members_as_many_as_they_like() {
        let receipts = Receipts::default();
        let receipts = &receipts;
        let turn = |name| async move { receipts.turn_of(&caller(name, FIRST_EDGE_KIND)).await };
        let first = [turn("edge-fra").await, turn("edge-fra").await];
        assert!(first.iter().all(|receipt| matches!(receipt, Ok(Some(_)))));
        assert!(turn("edge-fra").await.is_err(), "a third one of the same edge");
        let second = [turn("edge-ams.0").await, turn("edge-ams.1").await];
        assert!(second.iter().all(|receipt| matches!(receipt, Ok(Some(_)))), "other edges");
        assert!(turn("edge-lon").await.is_err(), "all edges have as many as they may");
        for _ in 0..100 {
            let member = receipts.turn_of(&caller("core-1", FIRST_MEMBER_KIND)).await;
            assert!(matches!(member, Ok(None)), "a member");
        }
        drop(first);
        assert!(turn("edge-fra").await.is_ok() && turn("edge-lon").await.is_ok());
        drop(second);
        turn("edge-new").await.unwrap();
        assert!(receipts.by_name.lock().len() <= 2, "only those that send are remembered");
    }

    #[test]
    fn a_message_has_the_limit_of_its_kind() {
        assert_eq!(bytes_max(&caller("core-1", 1), false), SMALL_BYTES_MAX);
        assert_eq!(bytes_max(&caller("core-1", FIRST_MEMBER_KIND), true), MESSAGE_BYTES_MAX);
        assert_eq!(bytes_max(&caller("edge-fra", FIRST_EDGE_KIND), true), EDGE_FRAME_BYTES_MAX);
        assert_eq!(bytes_max(&caller("edge-fra", FIRST_EDGE_KIND), false), MESSAGE_BYTES_MAX);
        assert_eq!(
            bytes_max(&caller("edge-fra.0", FIRST_MEMBER_KIND), true),
            MESSAGE_BYTES_MAX,
            "of one site"
        );
    }
}
