//! How long a node whose disk was lost takes to be what it was, beside a plain copy of the same files.

use crate::{
    client::Value,
    cluster::Cluster,
    copy::{Beside, Copied, copy, sync},
    grow::{MIB, grow},
    numbers::median,
    table::Table,
};
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

const ROUNDS: usize = 3;
const REJOIN_MAX: Duration = Duration::from_secs(900);
const LOOK: Duration = Duration::from_millis(5);
const VERIFY_MAX: Duration = Duration::from_secs(130);

/// Three stores, what compactions and snapshots hold besides, three logs, one copy.
pub fn needed_mib(mib: u64) -> u64 {
    mib.saturating_mul(6).saturating_add(3 * 1024)
}

/// Fills the core to `mib`, then in turns copies a store and lets an emptied follower come back.
pub fn run(cluster: &mut Cluster, base: &Path, mib: u64, table: &mut Table) -> Result<(), String> {
    grow(cluster, mib * MIB)?;
    eprintln!("waiting until all nodes are idle");
    let (mut copies, mut rejoins) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Whichever comes first has the colder caches.
        for step in 0..2 {
            cluster.settle()?;
            sync()?;
            if (round + step) % 2 == 0 {
                let leader = cluster.agreed()?;
                copies.push(copy(&cluster.node(leader)?.store(), &base.join("copy"))?);
                eprintln!("copy {}/{ROUNDS}: {:?}", round + 1, copies.last());
            } else {
                rejoins.push(rejoin(cluster, round)?);
                eprintln!("rejoin {}/{ROUNDS}: {:?}", round + 1, rejoins.last());
            }
        }
    }
    verify(cluster)?;
    let leader = cluster.agreed()?;
    let bytes = cluster.node(leader)?.number("flotilla_store_bytes").unwrap_or(0);
    report(bytes, &copies, &rejoins, table);
    Ok(())
}

#[derive(Debug, Clone, Copy)]
struct Rejoined {
    seconds: f64,
    /// Else it read the whole log, which was still there.
    by_snapshot: bool,
}

/// Empties a follower, starts it, and waits until it is a voter that has everything.
fn rejoin(cluster: &mut Cluster, round: usize) -> Result<Rejoined, String> {
    let leader = cluster.agreed()?;
    let others = cluster.others(leader);
    let follower = others.get(round % others.len().max(1)).copied().ok_or("a core of one node")?;
    let name = cluster.node(follower)?.name.clone();
    let old = id(&cluster.status(leader)?, &name).ok_or_else(|| format!("CORE STATUS without {name}"))?;
    cluster.node(follower)?.kill();
    cluster.node(follower)?.wipe()?;
    sync()?;
    let start = Instant::now();
    cluster.node(follower)?.launch()?;
    while start.elapsed() < REJOIN_MAX {
        thread::sleep(LOOK);
        cluster.check()?;
        let Ok(status) = cluster.status(leader) else { continue };
        if !is_back(&status, &name, old) {
            continue;
        }
        let applied = |index: usize| {
            cluster.nodes.get(index).and_then(|node| node.number("flotilla_raft_applied_index"))
        };
        // Nothing is written, so the leader does not run away.
        if let (Some(own), Some(leaders)) = (applied(follower), applied(leader))
            && own >= leaders
        {
            let seconds = start.elapsed().as_secs_f64();
            let purged = cluster.node(follower)?.number("flotilla_log_purged_index");
            return Ok(Rejoined { seconds, by_snapshot: purged.unwrap_or(0) > 0 });
        }
    }
    Err(format!("{name} is not back after {} s: {}", REJOIN_MAX.as_secs(), cluster.status(leader)?))
}

fn named<'a>(status: &'a serde_json::Value, name: &str) -> Vec<&'a serde_json::Value> {
    let nodes = status.get("nodes").and_then(serde_json::Value::as_array);
    nodes.into_iter().flatten().filter(|node| node.get("name").is_some_and(|own| own == name)).collect()
}

fn id(status: &serde_json::Value, name: &str) -> Option<u64> {
    match named(status, name).as_slice() {
        [one] => one.get("id")?.as_u64(),
        _ => None,
    }
}

/// Whether the node of this name is a voter again, with another id than `old`, and has the whole log.
fn is_back(status: &serde_json::Value, name: &str, old: u64) -> bool {
    let nodes = named(status, name);
    let [node] = nodes.as_slice() else { return false };
    let number = |of: &serde_json::Value, field: &str| of.get(field).and_then(serde_json::Value::as_u64);
    number(node, "id").is_some_and(|id| id != old)
        && node.get("role").is_some_and(|role| role == "voter" || role == "leader")
        && number(node, "log_index").zip(number(status, "last_index")).is_some_and(|(own, last)| own >= last)
}

/// An error unless all nodes have the same state.
fn verify(cluster: &mut Cluster) -> Result<(), String> {
    let leader = cluster.agreed()?;
    let answer = cluster.node(leader)?.call_within(&["CORE", "VERIFY"], VERIFY_MAX)?;
    let told = match &answer {
        Value::Bulk(json) => serde_json::from_slice::<serde_json::Value>(json).map_err(|e| e.to_string())?,
        _ => return Err(format!("CORE VERIFY: {answer:?}")),
    };
    match told.get("equal").and_then(serde_json::Value::as_bool) {
        Some(true) => Ok(()),
        _ => Err(format!("not all nodes have the same state: {told}")),
    }
}

fn report(bytes: u64, copies: &[Copied], rejoins: &[Rejoined], table: &mut Table) {
    let seconds: Vec<f64> = rejoins.iter().map(|rejoined| rejoined.seconds).collect();
    let beside = Beside::new(copies, &seconds);
    let how = match rejoins.iter().filter(|rejoined| rejoined.by_snapshot).count() {
        count if count == rejoins.len() => "by snapshot".to_owned(),
        count => format!("{count} of {} by snapshot, others by the log alone", rejoins.len()),
    };
    table.row(
        "rejoin",
        &format!(
            "an emptied follower is a voter with everything again, {:.2} GiB that do not compress, s",
            bytes as f64 / (1024 * MIB) as f64
        ),
        &format!("{:.2}", median(seconds.clone())),
        &beside.copy,
        &format!("**{:.2}** (copy / rejoin)", beside.ratio),
        &format!("{}; {how}, states equal; {}", beside.rounds, beside.files),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_is_back_when_it_alone_has_its_name_a_vote_and_the_log() {
        let status = |nodes: serde_json::Value| json!({"last_index": 9, "nodes": nodes});
        let node = |id: u64, role: &str, log: Option<u64>| json!({"id": id, "name": "b", "role": role, "log_index": log});
        let other = json!({"id": 5, "name": "a", "role": "leader", "log_index": 9});
        assert_eq!(id(&status(json!([other, node(1, "voter", None)])), "b"), Some(1));
        assert_eq!(id(&status(json!([other])), "b"), None);
        for (nodes, expected) in [
            (json!([other, node(2, "voter", Some(9))]), true),
            (json!([other, node(1, "voter", Some(9))]), false),
            (json!([other, node(2, "learner", Some(9))]), false),
            (json!([other, node(2, "voter", Some(8))]), false),
            (json!([other, node(2, "voter", None)]), false),
            (json!([node(1, "voter", Some(9)), node(2, "voter", Some(9))]), false),
            (json!([other]), false),
        ] {
            assert_eq!(is_back(&status(nodes.clone()), "b", 1), expected, "{nodes}");
        }
    }

    #[test]
    fn space_is_for_stores_logs_and_a_copy() {
        assert_eq!(needed_mib(2048), 15 * 1024);
        assert_eq!(needed_mib(u64::MAX), u64::MAX);
    }
}
