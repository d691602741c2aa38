//! The users of a core that has none: those of the `aclfile` of the first of its nodes that asks for them. Until then no node with
//! such a file serves anybody, so that nobody is served without the rules.

use super::NodeError;
use crate::{
    commands::acl::first_users,
    feature_level,
    replica::ProposalBuilder,
    replication::{GroupHandle, Outcome},
    resp::Reply,
    session::{Consistency, Node},
};
use std::time::Duration;

const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Waits until this node can serve and there are users, if it has a file of them. An error says why there never will be.
pub(super) async fn wait_ready(node: &Node, log: &GroupHandle) -> Result<(), NodeError> {
    log.wait_ready().await;
    let path = node.config.settings().acl_file.clone();
    if path.is_empty() || log.state().edge.is_edge() || node.users.has_any() {
        return Ok(());
    }
    // This node may not have them yet.
    until_current(log).await;
    if node.users.has_any() {
        return Ok(());
    }
    let waiting_for = &log.state().waiting_for;
    *waiting_for.write() = format!("this core has no users yet, and is to have those of {path}");
    let done = import(node, log, &path).await;
    waiting_for.write().clear();
    done
}

async fn import(node: &Node, log: &GroupHandle, path: &str) -> Result<(), NodeError> {
    let state = log.state();
    while state.feature_level() < feature_level::USERS_AT_ONCE {
        if log.store().latest().state().last_at > 0 {
            tracing::warn!(
                path,
                "the aclfile was not read: until all nodes and edges are upgraded, users are made by ACL SETUSER"
            );
            return Ok(());
        }
        // A new core is about to be at its newest level.
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
    let words = first_users(path).map_err(|why| refused(path, why))?;
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    // Another node may be first.
    while !node.users.has_any() {
        let mut proposal = ProposalBuilder::commands();
        proposal.push(0, &words);
        match log.propose(proposal.finish()).await {
            Outcome::Applied(replies) => match replies.into_iter().next() {
                Some(Reply::Error(error)) => return Err(refused(path, error.to_string())),
                _ => {
                    tracing::info!(path, "a core without users: they are those of this file now");
                    break;
                }
            },
            // To do it twice changes nothing.
            Outcome::NotDone(_) | Outcome::Unknown(_) => tokio::time::sleep(RETRY_INTERVAL).await,
        }
    }
    // Applied at the leader, and here in a moment.
    until_current(log).await;
    Ok(())
}

async fn until_current(log: &GroupHandle) {
    while log.barrier(Consistency::Linearizable).await.is_err() {
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

fn refused(path: &str, why: String) -> NodeError {
    super::io(format!("users of {path}"))(std::io::Error::new(std::io::ErrorKind::InvalidData, why))
}
