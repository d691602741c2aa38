//! Announces new leaders to subscribers of `+switch-master`.

use crate::{
    session::{PubSub, Publication},
    state::{NodeEndpoint, PortKind, ReplicationState},
};
use std::{sync::Arc, time::Duration};

/// Interval at which clients are told of a new leader.
const SWITCH_INTERVAL: Duration = Duration::from_millis(50);

/// Tells clients of this node that listen for it, as Redis's Sentinel does, that another node leads.
pub async fn tell_switches(state: Arc<ReplicationState>, pubsub: Arc<PubSub>, own_id: u64, name: String) {
    let mut known: Option<NodeEndpoint> = None;
    loop {
        tokio::time::sleep(SWITCH_INTERVAL).await;
        let Some(leader) =
            state.endpoints(own_id, PortKind::Plain).into_iter().find(|endpoint| endpoint.leads)
        else {
            continue;
        };
        if let Some(before) = known.as_ref().filter(|before| before.node_id != leader.node_id) {
            let text = format!("{name} {} {} {} {}", before.host, before.port, leader.host, leader.port);
            let channel = bytes::Bytes::from_static(b"+switch-master");
            pubsub.publish(&Publication { channel, payload: text.into(), is_sharded: false, at: None });
        }
        known = Some(leader);
    }
}
