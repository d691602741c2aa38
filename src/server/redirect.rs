//! What a follower does with calls that it does not answer itself, where it is told not to send them on.

use super::connection::Connection;
use crate::{
    command::{Resolved, Run},
    commands::cluster::slot_of,
    config::{EdgeWrites, OnFollower},
    resp::ErrorReply,
    session::Consistency,
};

impl Connection {
    /// The error that sends a client elsewhere, if this node is a follower that answers so; also that of CLUSTER without a
    /// cluster.
    pub(super) fn elsewhere(&self, resolved: Resolved, argv: &[&[u8]]) -> Option<ErrorReply> {
        let node = &self.local.node;
        let is_cluster = resolved.parent.is_some_and(|parent| parent.name == "CLUSTER");
        if is_cluster && !node.config.settings().cluster_enabled {
            return Some(ErrorReply::err("This instance has cluster support disabled"));
        }
        if let Some(edge) = node.config.settings().edge.as_ref() {
            let refuses = edge.writes == EdgeWrites::Reject && resolved.command.is_write();
            return refuses.then(ErrorReply::read_only);
        }
        if !node.log.follows() {
            return None;
        }
        let settings = node.config.settings();
        let can_go = self.session.can_be_redirected || settings.cluster_enabled;
        let (writes, reads) = match resolved.command.run {
            Run::Write(_) => (true, false),
            Run::Read(_) => (false, true),
            Run::Local(_) | Run::Admin(_) | Run::Container => (false, false),
        };
        // READONLY (and CLIENT CONSISTENCY) says that this node will do for reads.
        let reads_elsewhere = reads && can_go && self.session.consistency == Consistency::Linearizable;
        let mode = match settings.on_follower {
            OnFollower::Forward if self.session.can_be_redirected => OnFollower::Redirect,
            mode => mode,
        };
        match mode {
            OnFollower::Forward => None,
            OnFollower::Readonly => writes.then(ErrorReply::read_only),
            OnFollower::Redirect if !writes && !reads_elsewhere => None,
            OnFollower::Redirect if !can_go => Some(ErrorReply::read_only()),
            OnFollower::Redirect => {
                let (host, port) = node.log.leader_clients();
                if port == 0 {
                    return Some(ErrorReply::new(
                        "CLUSTERDOWN",
                        "no node leads at the moment; nothing was changed, try again",
                    ));
                }
                if !settings.cluster_enabled {
                    return Some(ErrorReply::new("REDIRECT", format!("{host}:{port}")));
                }
                // A command without keys is for any node; that it writes makes it the leader's.
                let first = usize::try_from(resolved.command.keys.first).ok().filter(|first| *first > 0);
                let key = first.and_then(|first| argv.get(first));
                match key {
                    Some(key) => Some(ErrorReply::new("MOVED", format!("{} {host}:{port}", slot_of(key)))),
                    None => writes.then(ErrorReply::read_only),
                }
            }
        }
    }
}
