//! A node that has what nobody else has, and is brought back by a snapshot while others read from what it says: a leader of
//! the core whose tail was never committed and that feeds an edge, a leader of a site whose entries the site never agreed on.

use std::thread;
use std::time::{Duration, Instant};

use super::Stage;
use super::members::request;
use super::snapshots::FETCHED;
use crate::chaos::bulk::{Bulk, Load};
use crate::chaos::failure::Failure;
use crate::chaos::watch::{field, leader_of, number};

const READY_MAX: Duration = Duration::from_secs(60);
/// A leader that is cut off takes writes until its lease is over: they are its tail.
const TAIL: Duration = Duration::from_millis(450);
const TAIL_ATTEMPTS_MAX: u32 = 5;
const PURGE_MAX: Duration = Duration::from_secs(90);
const FETCH_MAX: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);

/// The node of the core that the edge follows.
const FED_BY: usize = 0;

pub(super) fn at_edge(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let network = stage.network;
    let edge = network.edge().ok_or_else(|| Failure::harness("this run has no edges"))?;
    let name = &network.nodes[FED_BY].name;
    let leads_and_feeds = || {
        if leader_of(network, network.core()) != Some(FED_BY) {
            request(network, stage.leader, &["CORE", "TRANSFER", name]);
            return false;
        }
        field(network, edge, "flotilla_edge_state").as_deref() == Some("following")
    };
    if !wait(READY_MAX, leads_and_feeds) {
        return Err(Failure::server(format!(
            "{name} does not lead and feed the edge, and nothing is broken"
        )));
    }
    let others: Vec<usize> = stage.others(FED_BY).collect();
    tail(stage, FED_BY, &others)
}

pub(super) fn in_site(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let network = stage.network;
    let mut leader = None;
    wait(READY_MAX, || {
        leader = leader_of(network, network.site());
        leader.is_some_and(|leader| {
            field(network, leader, "flotilla_edge_state").as_deref() == Some("following")
        })
    });
    let leader = leader.ok_or_else(|| Failure::server("no node leads the site, and nothing is broken"))?;
    let others: Vec<usize> = network.site().filter(|node| *node != leader).collect();
    tail(stage, leader, &others)
}

/// Cuts a leader off until it has a tail and the logs of the others have gone past it; then lets it come back.
fn tail(stage: &mut Stage<'_>, leader: usize, others: &[usize]) -> Result<(), Failure> {
    let network = stage.network;
    let node = &network.nodes[leader];
    let mut dice = stage.dice.clone();
    Bulk::under(Load::WritesAndSaves, network, &mut dice, |bulk| {
        let mut attempts = 0;
        let last = loop {
            others.iter().try_for_each(|other| stage.part(leader, *other))?;
            thread::sleep(TAIL);
            let of = |name| number(network, leader, name);
            let (last, applied) = (of("flotilla_log_last_index"), of("flotilla_raft_applied_index"));
            if let Some(last) = last.filter(|last| applied.is_some_and(|applied| applied < *last)) {
                println!("  {} has a tail of {} entries", node.name, last - applied.unwrap_or(last));
                break last;
            }
            network.heal()?;
            attempts += 1;
            if attempts == TAIL_ATTEMPTS_MAX {
                return Err(Failure::harness(format!("{} was cut off without a tail", node.name)));
            }
            wait(READY_MAX, || number(network, leader, "flotilla_raft_is_leader") == Some(1));
        };
        let gone = |node: &usize| {
            number(network, *node, "flotilla_log_purged_index").is_some_and(|purged| purged > last)
        };
        let purged = wait(PURGE_MAX, || others.iter().all(gone));
        let fetched = node.said(FETCHED);
        network.heal()?;
        if !purged {
            let text = format!(
                "after {} writes of the load and {PURGE_MAX:?} the log was not purged past {last}",
                bulk.acknowledged()
            );
            return Err(Failure::server(text));
        }
        match wait(FETCH_MAX, || node.said(FETCHED) > fetched) {
            true => {
                stage.last(500, 3000);
                Ok(())
            }
            false => {
                Err(Failure::server(format!("{} has not fetched a snapshot in {FETCH_MAX:?}", node.name)))
            }
        }
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
