//! The answer to CORE STATUS.

use super::admin::Admin;
use crate::{feature_level, replication::consensus::Member, resp::Reply, state::Other};

impl Admin {
    /// What this node knows of the core.
    pub(super) fn status(&self) -> Reply {
        let members = self.raft.members();
        let state = &self.state;
        let leadership = state.leadership();
        // A leader without contact to a majority does not lead.
        let leader = self.state.leader().map(|(id, _)| id).filter(|_| leadership.is_sound());
        let cluster = self.admission.cluster.read().clone();
        let others = state.others.read().clone();
        let applied = state.applied_index();
        let node = |member: &Member| {
            let is_own = member.id == self.identity.node_id;
            let other = others.iter().find(|other| other.node_id == member.id).cloned().unwrap_or_default();
            let host = member.peer.address.rsplit_once(':').map_or("", |(host, _)| host);
            let own = Other {
                host: host.to_owned(),
                client_ports: self.client_ports,
                applied_index: applied,
                answers: true,
                feature_levels: (feature_level::OLDEST, feature_level::NEWEST),
                ..Other::default()
            };
            let seen = if is_own { own } else { other };
            let role = match member {
                member if Some(member.id) == leader => "leader",
                member if member.is_voter => "voter",
                member if member.peer.standby => "standby",
                _ => "learner",
            };
            serde_json::json!({
                "id": member.id,
                "name": member.peer.name,
                "peer_address": member.peer.address,
                "clients": format!("{}:{}", seen.host, seen.client_ports.first),
                "role": role,
                "answers": seen.answers,
                "applied_index": seen.applied_index,
                "feature_levels": levels(seen.feature_levels),
                "log_index": member.matched,
                "replaces": (member.peer.replaces != 0).then_some(member.peer.replaces),
            })
        };
        let mut list: Vec<&Member> = members.list.iter().collect();
        list.sort_by(|a, b| a.peer.name.cmp(&b.peer.name));
        let nodes: Vec<serde_json::Value> = list.into_iter().map(node).collect();
        let told = serde_json::json!({
            "cluster_id": cluster.cluster_id,
            "history_id": cluster.history_id,
            "told_by": self.identity.node_name,
            "term": state.term(),
            "problem": state.problem(),
            "leader": leader.and_then(|id| members.find(id)).map(|leader| leader.peer.name.clone()),
            "committed_index": state.committed_index(),
            "last_index": members.last_index,
            "log_time_ms": state.clock.now_ms(),
            "log_time_ahead_ms": state.clock.ahead_ms(),
            "change_under_way": members.is_joint || !members.is_committed,
            "feature_level": state.feature_level(),
            "compared": state.sums.last().map(|compared| serde_json::json!({
                "index": compared.index,
                "outcome": compared.outcome.word(),
                "seconds_ago": compared.seconds_ago(),
                "differing": compared.differing,
            })),
            "nodes": nodes,
        });
        Reply::bulk(told.to_string())
    }
}

/// What a node understands, as `3-4`; `None`: it never said.
fn levels((oldest, newest): (u32, u32)) -> Option<String> {
    (newest != 0).then(|| format!("{oldest}-{newest}"))
}
