//! How far a site that never had all data must come before it answers reads.
//!
//! Before such a site lost its disk, its clients may have read anything that a core node had applied. So it must come as far
//! as a linearizable read on the core would have to, even if the core node that it follows is behind.

use crate::{
    peer::PeerClient,
    replication::wire::{ReadIndex, edge_kind, read},
};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

const ASK_MAX: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// If reachable core nodes know no leader for this long, the data of the followed node count as all data.
pub(super) const ASK_FOR: Duration = Duration::from_secs(20);

/// Asks the core for its read index through this node, at least once and until `within` has passed. `None`: no leader.
pub(super) async fn goal(client: &PeerClient, within: Duration) -> Option<u64> {
    let ask = || async {
        let answer = client.call(edge_kind::READ_INDEX, Bytes::new(), ASK_MAX).await.ok()?;
        read::<ReadIndex>(answer).ok().map(|answer| answer.index)
    };
    first_answer(ask, within).await
}

async fn first_answer<F: Future<Output = Option<u64>>>(ask: impl Fn() -> F, within: Duration) -> Option<u64> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(index) = ask().await {
            return Some(index);
        }
        if Instant::now() >= deadline {
            tracing::warn!("the core has no leader; treating the followed node's data as complete");
            return None;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn the_cores_own_answer_counts_even_if_it_is_late() {
        let asked = AtomicU32::new(0);
        let ask = || async { (asked.fetch_add(1, Ordering::Relaxed) >= 20).then_some(100) };
        assert_eq!(first_answer(ask, ASK_FOR).await, Some(100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_core_without_a_leader_is_asked_for_a_bounded_time() {
        let began = Instant::now();
        assert_eq!(first_answer(|| std::future::ready(None), ASK_FOR).await, None);
        assert!(began.elapsed() >= ASK_FOR && began.elapsed() < ASK_FOR + ASK_MAX);
    }
}
