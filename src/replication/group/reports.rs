//! What the nodes that share the log say of themselves, for people: each writes a report once a second (`state/report.rs`), and
//! whichever is asked collects them all, side by side, from each for `ASK_MAX` at most. A node that does not answer is named with
//! the reason. A report is a text that nobody here reads, of `TEXT_BYTES_MAX` at most, so it costs no node more than its bytes.

use super::{handle::GroupHandle, thread::Request};
use crate::{
    peer::{Answer, CallError, Peers},
    replication::{consensus::RaftNode, wire},
    state::{FedSeen, ReplicationState},
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Longest time for another node to answer: its report is written already.
const ASK_MAX: Duration = Duration::from_millis(1500);
/// A longer report is not passed on.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// A node that shares the log, and what it says.
#[derive(Debug)]
pub struct Told {
    id: u64,
    name: String,
    address: String,
    is_voter: bool,
    is_asked: bool,
    text: Result<Bytes, String>,
}

impl GroupHandle {
    /// The reports of all nodes of the core (or of the edge site), with what this node knows of them, as JSON. `is_history`: of the
    /// last hour.
    pub async fn reports(&self, is_history: bool) -> String {
        let (answer, told) = oneshot::channel();
        let asked = self.requests.send(Request::Reports { is_history, answer }).await;
        let nodes = if asked.is_ok() { told.await.unwrap_or_default() } else { Vec::new() };
        let state = self.state();
        let head = json!({
            "at_ms": crate::time::now_ms(),
            "problem": state.problem(),
            "leader_id": state.sound_leader_id().to_string(),
            "edges": edges(state),
        });
        let nodes: Vec<String> = nodes.iter().map(Told::to_json).collect();
        format!(
            "{},\"nodes\":[{}]}}",
            head.to_string().strip_suffix('}').unwrap_or_default(),
            nodes.join(",")
        )
    }
}

impl Told {
    /// The report is passed on as it is. Ids are text: browsers would round them.
    fn to_json(&self) -> String {
        let head = json!({
            "id": self.id.to_string(),
            "name": self.name,
            "peer_address": self.address,
            "is_voter": self.is_voter,
            "is_asked": self.is_asked,
            "why_silent": self.text.as_ref().err(),
        });
        let report =
            self.text.as_ref().ok().and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("null");
        format!("{},\"report\":{report}}}", head.to_string().strip_suffix('}').unwrap_or_default())
    }
}

fn edges(state: &ReplicationState) -> Vec<Value> {
    let committed = state.committed_index();
    let edge = |seen: FedSeen| {
        json!({
            "site": seen.site,
            "name": seen.name,
            "state": seen.report.state,
            "lag_entries": seen.lag_entries(committed),
            "lag_ms": seen.report.lag_ms,
            "sent_bytes": seen.sent_bytes,
        })
    };
    state.sites(0).into_iter().map(|(_, seen)| edge(seen)).collect()
}

/// Asks all members; `own_id` is this node.
pub(super) async fn collect(
    raft: RaftNode,
    peers: Arc<Peers>,
    state: Arc<ReplicationState>,
    own_id: u64,
    is_history: bool,
) -> Vec<Told> {
    let body = wire::write(&wire::ReportWanted { is_history });
    let members = raft.members();
    let told = |id, name: &str, address: &str, is_voter| Told {
        id,
        name: name.to_owned(),
        address: address.to_owned(),
        is_voter,
        is_asked: id == own_id,
        text: Ok(own(&state, is_history)),
    };
    let mut all: Vec<Told> = members
        .list
        .iter()
        .map(|member| told(member.id, &member.peer.name, &member.peer.address, member.is_voter))
        .collect();
    if members.find(own_id).is_none() {
        all.push(told(own_id, "", "", false));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let asked = all.into_iter().map(|told| {
        let (peers, body) = (&peers, body.clone());
        async move {
            let text = match told.is_asked {
                true => told.text,
                false => {
                    let client = peers.client(&told.address, told.id);
                    let answer = client.call(wire::kind::REPORT, body, ASK_MAX).await;
                    answer.map_err(why).and_then(|answer| {
                        let answer = wire::read::<wire::ReportAnswer>(answer);
                        answer.map(|answer| answer.text).map_err(|error| error.to_string())
                    })
                }
            };
            Told { text: text.and_then(bounded), ..told }
        }
    });
    futures::future::join_all(asked).await
}

/// The same reports for those who may know how nodes are, but not what clients call and what their keys are called.
pub fn without_words(reports: &str) -> String {
    let Ok(mut reports) = serde_json::from_str::<Value>(reports) else { return "{}".to_owned() };
    let nodes = reports.get_mut("nodes").and_then(Value::as_array_mut);
    for report in nodes.into_iter().flatten().filter_map(|node| node.get_mut("report")?.as_object_mut()) {
        ["slow", "hot", "largest"].iter().for_each(|words| drop(report.remove(*words)));
    }
    reports.to_string()
}

/// A node of an earlier build is not silent: it does not know the question.
fn why(error: CallError) -> String {
    match error {
        CallError::Refused(text) if text.contains("no call of kind") => {
            "it runs an earlier build, which has no report".to_owned()
        }
        other => other.to_string(),
    }
}

fn own(state: &ReplicationState, is_history: bool) -> Bytes {
    if is_history { state.report.history() } else { state.report.now() }
}

fn bounded(text: Bytes) -> Result<Bytes, String> {
    match text.len() {
        0 => Err("it has just started".to_owned()),
        1..=TEXT_BYTES_MAX => Ok(text),
        bytes => Err(format!("its report has {bytes} bytes, more than {TEXT_BYTES_MAX}")),
    }
}

/// The side of the node that is asked.
pub(super) fn answer(state: &ReplicationState, body: Bytes) -> Answer {
    let wanted: wire::ReportWanted =
        wire::read(body).map_err(|error| CallError::Refused(error.to_string()))?;
    Ok(wire::write(&wire::ReportAnswer { text: own(state, wanted.is_history) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_clients_can_be_left_out() {
        let report = json!({ "keys": 3, "slow": [{ "call": "set secret" }], "hot": { "keys": ["secret"] }, "largest": ["secret"] });
        let reports = json!({ "nodes": [{ "id": "1", "report": report }, { "id": "2", "report": null }] });
        let told = without_words(&reports.to_string());
        assert!(
            !told.contains("secret") && told.contains("\"keys\":3") && told.contains("\"id\":\"2\""),
            "{told}"
        );
        assert_eq!(without_words("{"), "{}");
    }

    #[test]
    fn what_nodes_say_is_passed_on_and_silence_has_a_reason() {
        let told = |text| Told {
            id: u64::MAX,
            name: "core-\"0".into(),
            address: "h:1".into(),
            is_voter: true,
            is_asked: false,
            text,
        };
        let parsed = |told: Told| serde_json::from_str::<Value>(&told.to_json()).unwrap();
        let whole = parsed(told(bounded(Bytes::from_static(b"{\"a\":{}}"))));
        assert_eq!((&whole["report"], &whole["name"]), (&json!({ "a": {} }), &json!("core-\"0")));
        assert_eq!(whole["id"], json!(u64::MAX.to_string()));
        assert_eq!(
            why(CallError::Unreachable("gone".into())),
            CallError::Unreachable("gone".into()).to_string()
        );
        assert!(why(CallError::Refused("no call of kind 124".into())).contains("earlier build"));
        for (text, why) in
            [(Bytes::new(), "just started"), (Bytes::from(vec![b' '; TEXT_BYTES_MAX + 1]), "more than")]
        {
            let silent = parsed(told(bounded(text)));
            assert!(silent["report"].is_null() && silent["why_silent"].as_str().unwrap().contains(why));
        }
    }
}
