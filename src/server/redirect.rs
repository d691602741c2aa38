//! What a client hears instead of an answer: where else to go, or, in cluster mode, that its call is none for a cluster.
//!
//! Keys are where `key_positions` finds them, so whatever has keys is redirected by them. EXEC is asked about with all that is
//! queued.

use super::connection::Connection;
use crate::{
    command::{Command, Resolved, Run, key_positions, parse_i64},
    commands::cluster::slot_of,
    config::{EdgeWrites, OnFollower, Settings},
    limits,
    resp::ErrorReply,
    session::Consistency,
};

/// What a call, or all calls of a transaction, would do.
#[derive(Debug, Default)]
struct Asked {
    writes: bool,
    reads: bool,
    /// The slot of its keys, in cluster mode.
    slot: Option<u16>,
    crosses_slots: bool,
}

impl Asked {
    fn add(&mut self, command: &Command, argv: &[&[u8]], in_cluster: bool) {
        self.writes |= command.is_write();
        self.reads |= matches!(command.run, Run::Read(_)) || (in_cluster && command.has_keys());
        if !in_cluster {
            return;
        }
        for key in key_positions(command, argv).into_iter().filter_map(|at| argv.get(at)) {
            let slot = slot_of(key);
            self.crosses_slots |= *self.slot.get_or_insert(slot) != slot;
        }
    }
}

impl Connection {
    fn asked(&self, resolved: Resolved, argv: &[&[u8]], in_cluster: bool) -> Asked {
        let mut asked = Asked::default();
        match &self.session.transaction {
            Some(transaction) if resolved.command.name == "EXEC" && !transaction.aborted => {
                for call in &transaction.calls {
                    let words: Vec<&[u8]> = call.iter().map(Vec::as_slice).collect();
                    if let Ok(queued) = self.local.table.resolve(&words) {
                        asked.add(queued.command, &words, in_cluster);
                    }
                }
            }
            _ => asked.add(resolved.command, argv, in_cluster),
        }
        asked
    }

    /// The error that sends a client elsewhere, if this node is a follower that answers so; also that of CLUSTER without a
    /// cluster, and of keys that a cluster would have on several nodes.
    pub(super) fn elsewhere(&self, resolved: Resolved, argv: &[&[u8]]) -> Option<ErrorReply> {
        let node = &self.local.node;
        let settings = node.config.settings();
        let is_cluster = resolved.parent.is_some_and(|parent| parent.name == "CLUSTER");
        if is_cluster && !settings.cluster_enabled {
            return Some(ErrorReply::err("This instance has cluster support disabled"));
        }
        let (is_edge, follows) = (settings.edge.is_some(), node.log.follows());
        if !settings.cluster_enabled && !is_edge && !follows {
            return None;
        }
        let asked = self.asked(resolved, argv, settings.cluster_enabled);
        if asked.crosses_slots && !settings.cluster_allow_cross_slot {
            let text = "Keys in request don't hash to the same slot";
            return Some(ErrorReply::new("CROSSSLOT", text));
        }
        if let Some(edge) = settings.edge.as_ref() {
            let refuses = edge.writes == EdgeWrites::Reject && asked.writes;
            return refuses.then(ErrorReply::read_only);
        }
        match follows {
            true => self.at_leader(&asked, &settings),
            false => None,
        }
    }

    /// On a follower.
    fn at_leader(&self, asked: &Asked, settings: &Settings) -> Option<ErrorReply> {
        let can_go = self.session.can_be_redirected || settings.cluster_enabled;
        // READONLY (and CLIENT CONSISTENCY) says that this node will do for reads.
        let reads_elsewhere = asked.reads && can_go && self.session.consistency == Consistency::Linearizable;
        let mode = match settings.on_follower {
            OnFollower::Forward if self.session.can_be_redirected => OnFollower::Redirect,
            mode => mode,
        };
        match mode {
            OnFollower::Forward => None,
            OnFollower::Readonly => asked.writes.then(ErrorReply::read_only),
            OnFollower::Redirect if !asked.writes && !reads_elsewhere => None,
            OnFollower::Redirect if !can_go => Some(ErrorReply::read_only()),
            OnFollower::Redirect => {
                let (host, port) = self.local.node.log.leader_clients();
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
                match asked.slot {
                    Some(slot) => Some(ErrorReply::new("MOVED", format!("{slot} {host}:{port}"))),
                    None => asked.writes.then(ErrorReply::read_only),
                }
            }
        }
    }

    /// A cluster has one database. Said where a call runs, as by redis-server: MULTI queues it.
    pub(super) fn refused_in_cluster(&self, resolved: Resolved, argv: &[&[u8]]) -> Option<ErrorReply> {
        if !self.local.node.config.settings().cluster_enabled {
            return None;
        }
        let database = |at: usize| argv.get(at).and_then(|word| parse_i64(word));
        let is_other = |db: &i64| (1..i64::from(limits::DATABASES)).contains(db);
        let text = match resolved.command.name {
            "SELECT" if database(1).is_some_and(|db| db != 0 && i32::try_from(db).is_ok()) => {
                "SELECT is not allowed in cluster mode"
            }
            "MOVE" => "MOVE is not allowed in cluster mode",
            "SWAPDB" => "SWAPDB is not allowed in cluster mode",
            "COPY" => {
                let option = argv.iter().skip(3).position(|word| word.eq_ignore_ascii_case(b"DB"))?;
                database(option.saturating_add(4)).filter(is_other)?;
                "Copying to another database is not allowed in cluster mode"
            }
            _ => return None,
        };
        Some(ErrorReply::err(text))
    }
}
