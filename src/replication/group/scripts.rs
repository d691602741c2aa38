//! SCRIPT KILL and FUNCTION KILL: which node a script runs on is nothing that its clients know, so all nodes that share the log
//! are asked, side by side, each for `ASK_MAX` at most. One that does not answer counts as one where nothing runs.

use super::{handle::GroupHandle, thread::Request};
use crate::{
    commands::scripting::{Killed, kill_here},
    peer::{Answer, CallError, Peers},
    replication::{consensus::RaftNode, wire},
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Longest time for another node to answer: it only sets marks.
const ASK_MAX: Duration = Duration::from_millis(1000);

impl GroupHandle {
    /// Ends scripts, or functions, that run outside the log on the nodes that share it: of the core, or of the edge site.
    pub async fn kill_scripts(&self, of_functions: bool) -> Killed {
        let here = kill_here(of_functions);
        let (answer, elsewhere) = oneshot::channel();
        if self.requests.send(Request::KillScripts { of_functions, answer }).await.is_err() {
            return here;
        }
        here.and(elsewhere.await.unwrap_or_default())
    }
}

/// Asks all other members.
pub(super) async fn kill_elsewhere(
    raft: RaftNode,
    peers: Arc<Peers>,
    own_id: u64,
    of_functions: bool,
) -> Killed {
    let body = wire::write(&wire::KillScripts { of_functions });
    let members = raft.members();
    let others = members.list.iter().filter(|member| member.id != own_id);
    let asked = others.map(|member| {
        let (client, body) = (peers.client(&member.peer.address, member.id), body.clone());
        async move { client.call(wire::kind::KILL_SCRIPTS, body, ASK_MAX).await }
    });
    let answers = futures::future::join_all(asked).await.into_iter().flatten();
    answers.fold(Killed::default(), |sum, answer| sum.and(read(answer)))
}

fn read(answer: Bytes) -> Killed {
    let wire::KillScriptsAnswer { killed, in_log, of_other_kind } = wire::read(answer).unwrap_or_default();
    Killed { killed, in_log, of_other_kind }
}

/// The side of the node that is asked.
pub(super) fn answer(body: Bytes) -> Answer {
    let asked: wire::KillScripts = wire::read(body).map_err(|error| CallError::Refused(error.to_string()))?;
    let Killed { killed, in_log, of_other_kind } = kill_here(asked.of_functions);
    Ok(wire::write(&wire::KillScriptsAnswer { killed, in_log, of_other_kind }))
}
