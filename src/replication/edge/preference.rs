//! Returns an edge to a preferred core node once that is healthy again.

use super::upstreams::Upstreams;
use crate::replication::wire::edge_kind;
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// How long to follow another node before probing the preferred ones.
pub(super) const RETURN_AFTER_MIN: Duration = Duration::from_secs(5);
/// The same after a preferred node answered but could not be followed.
pub(super) const RETURN_AFTER_MAX: Duration = Duration::from_secs(300);
/// A node is healthy if it answers this many times in a row.
const ANSWERS: u32 = 3;
const ASK_INTERVAL: Duration = Duration::from_millis(500);
const ASK_MAX: Duration = Duration::from_secs(1);

/// Waits until a node that is preferred to number `index` is healthy and in contact with its leader.
pub(super) async fn better(upstreams: Arc<Upstreams>, index: usize, after: Duration) -> usize {
    if index == 0 {
        std::future::pending::<()>().await;
    }
    loop {
        tokio::time::sleep(after).await;
        for candidate in 0..index.min(upstreams.configured()) {
            if is_well(&upstreams, candidate).await {
                return candidate;
            }
        }
    }
}

async fn is_well(upstreams: &Upstreams, index: usize) -> bool {
    let Some(client) = upstreams.client(index) else { return false };
    for turn in 0..ANSWERS {
        if turn > 0 {
            tokio::time::sleep(ASK_INTERVAL).await;
        }
        if client.call(edge_kind::READ_INDEX, Bytes::new(), ASK_MAX).await.is_err() {
            return false;
        }
    }
    true
}
