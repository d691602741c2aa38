//! Wall clocks that are wrong, and differently so on every node: first far apart, then jumping while the nodes run.
//! Nothing may depend on them: lifetimes go by log time, which follows the monotonic clock.

use std::thread;
use std::time::{Duration, Instant};

use super::{Pace, Stage};
use crate::chaos::failure::Failure;
use crate::chaos::net::Network;
use crate::connection::Received;
use crate::value::Value;

/// From within a lease to far beyond every timeout.
const OFFSETS_MS: [i64; 11] =
    [-3_600_000, -262_000, -5_000, -500, -100, 0, 100, 500, 5_000, 262_000, 3_600_000];
/// How far apart the first two clocks are set.
const APART_MS: i64 = 262_000;

pub(super) fn play(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let network = stage.network;
    let played = apart(stage).and_then(|()| strobe(stage));
    for node in &network.nodes {
        node.skew(0)?;
    }
    played
}

/// One clock ahead, one behind, the others anywhere.
fn apart(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let mut nodes: Vec<usize> = stage.network.core().collect();
    stage.dice.shuffle(&mut nodes);
    for (at, index) in nodes.iter().enumerate() {
        let offset = match at {
            0 => APART_MS,
            1 => -APART_MS,
            _ => OFFSETS_MS[stage.dice.below(OFFSETS_MS.len() as u64) as usize],
        };
        stage.network.nodes[*index].skew(offset)?;
    }
    stage.last(500, 2000);
    let times = [time(stage.network, nodes[0]), time(stage.network, nodes[1])];
    match times {
        [Some(ahead), Some(behind)] if ahead - behind > APART_MS / 1000 => Ok(()),
        [Some(ahead), Some(behind)] => Err(Failure::harness(format!(
            "clocks are only {} s apart: is libfaketime installed?",
            ahead - behind
        ))),
        _ if stage.in_company => Ok(()),
        _ => Err(Failure::server("a node does not tell the TIME, and only its clock is wrong")),
    }
}

/// Jumps by all amounts, forth and back, several times a second.
fn strobe(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let lasts_ms = match stage.pace {
        Pace::Brisk => 1500,
        Pace::Drawn => stage.dice.between(1500, 6000),
    };
    let until = Instant::now() + Duration::from_millis(lasts_ms);
    while Instant::now() < until {
        let node = stage.dice.below(stage.network.core().len() as u64) as usize;
        let offset = OFFSETS_MS[stage.dice.below(OFFSETS_MS.len() as u64) as usize];
        stage.network.nodes[node].skew(offset)?;
        thread::sleep(Duration::from_millis(stage.dice.between(20, 300)));
    }
    Ok(())
}

/// A node's wall clock, seconds.
fn time(network: &Network, index: usize) -> Option<i64> {
    let mut connection = network.connect(index).ok()?;
    match connection.call(&["TIME"]).ok()? {
        Received::Reply(Value::Array(parts)) => match parts.first()? {
            Value::Bulk(text) => String::from_utf8_lossy(text).parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
