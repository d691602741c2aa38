//! What carries calls instead of sockets and gRPC, if anything does: a simulated network (`LocalIdentity::network`).

use super::{client::Lane, groups::Groups, identity::LocalIdentity, server::Answer};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::{sync::Arc, time::Duration};

/// Carries calls from node to node.
pub trait Network: Send + Sync {
    /// Sends a call; the future is that of its answer.
    fn call(&self, from: &LocalIdentity, call: Outgoing<'_>) -> BoxFuture<'static, Answer>;

    /// The node answers calls from here on.
    fn listen(&self, identity: &Arc<LocalIdentity>, groups: &Arc<Groups>);
}

/// A call on its way, and whom it is for.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    pub address: &'a str,
    /// 0 = whoever is there.
    pub node_id: u64,
    pub group: u64,
    /// `None`: it is a call by itself, whose order with others does not matter.
    pub lane: Option<Lane>,
    pub kind: u32,
    pub body: &'a Bytes,
    pub within: Duration,
}
