//! A bad disk: a file of one node is flipped, cut, zeroed or gone. The node repairs itself from the others; a supervisor
//! starts it again when it has ended, as often as a small number of times.

use std::thread;
use std::time::{Duration, Instant};

use super::Stage;
use crate::chaos::failure::Failure;
use crate::chaos::net::Network;
use crate::chaos::watch::{ask, leader_of};
use crate::damage::{HARMS, KINDS, find, harm};

/// The node may fetch all data meanwhile, also more than once while leaders change.
const WHOLE_MAX: Duration = Duration::from_secs(90);
const VERIFY_MAX: Duration = Duration::from_secs(60);
const STARTS_MAX: u32 = 3;
const POLL: Duration = Duration::from_millis(200);

pub(super) fn play(stage: &mut Stage<'_>, victim: usize) -> Result<(), Failure> {
    let network = stage.network;
    let node = &network.nodes[victim];
    let data = node.directory();
    // Found when it is read, or at the start.
    let at_rest = stage.dice.below(2) == 0;
    if at_rest {
        node.kill();
    }
    let first = stage.dice.below(KINDS.len() as u64) as usize;
    let kinds = KINDS.iter().cycle().skip(first).take(KINDS.len());
    let Some((kind, path)) = kinds.into_iter().find_map(|kind| Some((kind, find(*kind, &data)?))) else {
        return Err(Failure::harness(format!("{} has no file that could be damaged", node.name)));
    };
    let one = HARMS[stage.dice.below(HARMS.len() as u64) as usize];
    // A running node removes files: what was found may be gone.
    match harm(&path, one, &mut stage.dice) {
        Err(error) if at_rest || error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    println!("  {one:?} of {} ({kind:?}) of {}", path.display(), node.name);
    if !at_rest {
        stage.last(200, 2000);
        node.kill();
    }
    stage.last(0, 1000);
    node.start()?;
    wait_until_whole(network, victim)
}

/// Waits until all nodes have the same state by its checksum.
fn wait_until_whole(network: &Network, victim: usize) -> Result<(), Failure> {
    let (began, mut starts) = (Instant::now(), 0);
    let node = &network.nodes[victim];
    while !is_whole(network) {
        if !node.is_running() {
            starts += 1;
            if starts > STARTS_MAX {
                let text = format!("{} ends again and again:\n{}", node.name, node.log_tail(8));
                return Err(Failure::server(text));
            }
            node.start()?;
        }
        if began.elapsed() > WHOLE_MAX {
            let text = format!("{} is not whole again after {WHOLE_MAX:?}:\n{}", node.name, node.log_tail(8));
            return Err(Failure::server(text));
        }
        thread::sleep(POLL);
    }
    println!("  whole again after {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn is_whole(network: &Network) -> bool {
    let Some(leader) = leader_of(network, network.core()) else { return false };
    let Ok(text) = ask(network, leader, &["CORE", "VERIFY"], VERIFY_MAX) else { return false };
    let told: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let is_equal = |node: &serde_json::Value| node["state"] == "equal";
    let nodes = told["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    told["equal"] == true && nodes.len() == network.core().len() && nodes.iter().all(is_equal)
}
