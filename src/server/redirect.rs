//! Replies instead of an answer: the address of another node or, in cluster mode, an error for a call that a cluster does
//! not allow.
//!
//! Uses the keys of `Command::keys_of`, so any command with keys is redirected by them. EXEC is checked with all its queued
//! calls.

use super::{connection::Connection, gates::Refusal, read::borrowed};
use crate::{
    command::{Command, Flags, Resolved, Run},
    commands::cluster::slot_of,
    config::{EdgeWrites, OnFollower, Settings},
    resp::ErrorReply,
    session::{Consistency, QueuedCall},
};

/// The accesses of a call, or of all calls of a transaction.
#[derive(Debug, Default)]
struct Asked {
    writes: bool,
    /// A single call that may read only: it is refused when it turns out to write (`scripts.rs`).
    may_only_read: bool,
    reads: bool,
    /// The slot of its keys, in cluster mode.
    slot: Option<u16>,
    crosses_slots: bool,
}

impl Asked {
    fn surely_writes(&self) -> bool {
        self.writes && !self.may_only_read
    }

    fn add(&mut self, command: &Command, argv: &[&[u8]], in_cluster: bool) {
        self.writes |= command.is_write();
        self.reads |= matches!(command.run, Run::Read(_)) || (in_cluster && command.has_keys());
        if !in_cluster {
            return;
        }
        for key in command.keys_of(argv).into_iter().filter_map(|named| argv.get(named.at)) {
            let slot = slot_of(key);
            self.crosses_slots |= *self.slot.get_or_insert(slot) != slot;
        }
    }
}

impl Connection {
    fn asked(&self, call: Resolved, argv: &[&[u8]], in_cluster: bool) -> Asked {
        let mut asked = Asked::default();
        match &self.session.transaction {
            Some(transaction) if call.command.flags.has(Flags::RUNS_QUEUE) && !transaction.aborted => {
                for QueuedCall { row, argv } in &transaction.calls {
                    if let Some(queued) = self.thread.table.at(*row) {
                        asked.add(queued.command, &borrowed(argv), in_cluster);
                    }
                }
            }
            _ => {
                asked.add(call.command, argv, in_cluster);
                asked.may_only_read = matches!(call.command.run, Run::Script(_));
            }
        }
        asked
    }

    /// The gate that sends a client elsewhere, if this node is a follower that answers so; also from CLUSTER without a
    /// cluster, and from keys that a cluster would have on several nodes.
    pub(super) fn redirected(&self, call: Resolved, argv: &[&[u8]]) -> Result<(), Refusal> {
        let node = &self.thread.node;
        let settings = node.config.settings();
        if call.command.flags.has(Flags::CLUSTER_ONLY) && !settings.cluster_enabled {
            return Err(Refusal::Error(ErrorReply::err("This instance has cluster support disabled")));
        }
        let (is_edge, follows) = (settings.edge.is_some(), node.group.state.follows());
        if !settings.cluster_enabled && !is_edge && !follows {
            return Ok(());
        }
        let asked = self.asked(call, argv, settings.cluster_enabled);
        if asked.crosses_slots && !settings.cluster_allow_cross_slot {
            let text = "Keys in request don't hash to the same slot";
            return Err(Refusal::Elsewhere(ErrorReply::new("CROSSSLOT", text)));
        }
        let refused = match settings.edge.as_ref() {
            Some(edge) if edge.writes == EdgeWrites::Reject && asked.surely_writes() => Some(read_only()),
            Some(_) => None,
            None if follows => self.at_leader(&asked, &settings),
            None => None,
        };
        refused.map_or(Ok(()), Err)
    }

    /// On a follower.
    fn at_leader(&self, asked: &Asked, settings: &Settings) -> Option<Refusal> {
        let can_go = self.session.client.can_be_redirected() || settings.cluster_enabled;
        // READONLY (and CLIENT CONSISTENCY) allows reads from this node.
        let reads_elsewhere = asked.reads && can_go && self.session.consistency == Consistency::Linearizable;
        let mode = match settings.on_follower {
            OnFollower::Forward if self.session.client.can_be_redirected() => OnFollower::Redirect,
            mode => mode,
        };
        match mode {
            OnFollower::Forward => None,
            OnFollower::Readonly => asked.surely_writes().then(read_only),
            OnFollower::Redirect if !asked.writes && !reads_elsewhere => None,
            OnFollower::Redirect if !can_go => Some(read_only()),
            OnFollower::Redirect => {
                let kind = self.session.client.port_kind();
                let (host, port) = self.thread.node.group.state.leader_clients(kind);
                if port == 0 {
                    let text = "there is no leader at the moment; nothing was changed, try again";
                    return Some(Refusal::Elsewhere(ErrorReply::new("CLUSTERDOWN", text)));
                }
                if !settings.cluster_enabled {
                    return Some(Refusal::Elsewhere(ErrorReply::new("REDIRECT", format!("{host}:{port}"))));
                }
                // A command without keys is for any node; that it writes makes it the leader's.
                match asked.slot {
                    Some(slot) => {
                        Some(Refusal::Elsewhere(ErrorReply::new("MOVED", format!("{slot} {host}:{port}"))))
                    }
                    None => asked.writes.then(read_only),
                }
            }
        }
    }
}

fn read_only() -> Refusal {
    Refusal::Error(ErrorReply::read_only())
}
