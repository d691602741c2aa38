//! A node that has what nobody else has, and is brought back by a snapshot while others read from what it says: a leader of
//! the core whose tail was never committed and that feeds an edge, a leader of a site whose entries the site never agreed on.

use std::thread;
use std::time::{Duration, Instant};

use super::Stage;
use super::members::request;
use super::snapshots::FETCHED;
use crate::chaos::failure::Failure;
use crate::chaos::net::Network;
use crate::chaos::watch::{field, leader_of, number};

const READY_MAX: Duration = Duration::from_secs(60);
/// A leader that is cut off takes writes until its lease is over: they are its tail.
const TAIL: Duration = Duration::from_millis(450);
const TAIL_ATTEMPTS_MAX: u32 = 5;
const PURGE_MAX: Duration = Duration::from_secs(90);
const FETCH_MAX: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);
/// What makes the logs grow: a few of these are more than they keep.
const LARGE_BYTES: usize = 256 << 10;
const LARGE_KEYS: usize = 10;

/// The node of the core that the edge follows.
const FED_BY: usize = 0;

pub(super) fn at_edge(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let network = stage.network;
    let edge = network.edge().ok_or_else(|| Failure::harness("this run has no edges"))?;
    let others: Vec<usize> = stage.others(FED_BY).collect();
    tail(stage, |network| {
        if leader_of(network, network.core()) != Some(FED_BY) {
            request(network, others[0], &["CORE", "TRANSFER", &network.nodes[FED_BY].name]);
            return None;
        }
        let state = field(network, edge, "flotilla_edge_state");
        (state.as_deref() == Some("following")).then(|| (FED_BY, others.clone()))
    })
}

pub(super) fn in_site(stage: &mut Stage<'_>) -> Result<(), Failure> {
    tail(stage, |network| {
        let leader = leader_of(network, network.site())?;
        let state = field(network, leader, "flotilla_edge_state");
        let others = network.site().filter(|node| *node != leader).collect();
        (state.as_deref() == Some("following")).then_some((leader, others))
    })
}

/// Cuts a leader off until it has a tail and the logs of the others have gone past it; then lets it come back.
///
/// `ready`: the leader to cut off, and from which others.
fn tail(
    stage: &mut Stage<'_>,
    ready: impl Fn(&Network) -> Option<(usize, Vec<usize>)>,
) -> Result<(), Failure> {
    let network = stage.network;
    let (leader, others, last) = cut_with_tail(stage, ready)?;
    let node = &network.nodes[leader];
    let purged = outgrow(network, leader, &others, last);
    let fetched = node.said(FETCHED);
    network.heal()?;
    if !purged {
        return Err(Failure::server(format!("in {PURGE_MAX:?} no log was purged past {last}")));
    }
    match wait(FETCH_MAX, || node.said(FETCHED) > fetched) {
        true => {
            stage.last(500, 3000);
            Ok(())
        }
        false => Err(Failure::server(format!("{} has not fetched a snapshot in {FETCH_MAX:?}", node.name))),
    }
}

/// Returns who was cut off from whom, and the last index of the tail.
fn cut_with_tail(
    stage: &Stage<'_>,
    ready: impl Fn(&Network) -> Option<(usize, Vec<usize>)>,
) -> Result<(usize, Vec<usize>, u64), Failure> {
    let network = stage.network;
    for _ in 0..TAIL_ATTEMPTS_MAX {
        let mut found = None;
        wait(READY_MAX, || {
            found = ready(network);
            found.is_some()
        });
        let (leader, others) =
            found.ok_or_else(|| Failure::server("nobody leads and is followed, and nothing is broken"))?;
        others.iter().try_for_each(|other| stage.part(leader, *other))?;
        thread::sleep(TAIL);
        let of = |name| number(network, leader, name);
        let (last, applied) = (of("flotilla_log_last_index"), of("flotilla_raft_applied_index"));
        if let (Some(last), Some(applied)) = (last, applied)
            && applied < last
        {
            println!("  {} has a tail of {} entries", network.nodes[leader].name, last - applied);
            return Ok((leader, others, last));
        }
        network.heal()?;
    }
    Err(Failure::harness("whoever was cut off had no tail"))
}

/// Writes until the logs of these nodes are purged past an entry; whether they were.
fn outgrow(network: &Network, cut_off: usize, nodes: &[usize], last: u64) -> bool {
    let large = "x".repeat(LARGE_BYTES);
    let gone = |node: &usize| {
        number(network, *node, "flotilla_log_purged_index").is_some_and(|purged| purged > last)
    };
    let mut written = 0;
    wait(PURGE_MAX, || {
        for core in network.core().filter(|core| *core != cut_off) {
            request(network, core, &["SET", &format!("large:{}", written % LARGE_KEYS), &large]);
            written += 1;
        }
        nodes.iter().all(gone)
    })
}

fn wait(within: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}
