//! Closed-loop throughput of the core beside that of a single node.

use super::Pair;
use crate::{
    load::{PREPARED, Plan, per_second},
    numbers::{median, ratios, spread},
    table::Table,
    workload::{Workload, value},
};
use std::time::Duration;

const VALUE_BYTES: usize = 64;
const SHAPES: [(Workload, usize); 4] =
    [(Workload::Set, 16), (Workload::Set, 1), (Workload::Get, 1), (Workload::Get, 16)];

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Single,
    Leader,
    Follower,
}

const TARGETS: [Target; 3] = [Target::Single, Target::Leader, Target::Follower];

/// Every shape on every target in turns; only one of them has load at a time.
pub fn run(pair: &mut Pair, table: &mut Table) -> Result<(), String> {
    for (workload, pipeline) in SHAPES {
        let mut samples: [Vec<f64>; 3] = Default::default();
        for round in 0..pair.rounds {
            let plan = Plan {
                workload,
                value: value(VALUE_BYTES),
                keys: pair.keys,
                clients: pair.clients,
                pipeline,
                time: Duration::from_secs_f64(pair.seconds),
                rate: None,
                setup: Vec::new(),
                seed: round as u64 + 1,
                prepared: PREPARED,
            };
            for offset in 0..TARGETS.len() {
                let at = (round + offset) % TARGETS.len();
                if let (Some(target), Some(into)) = (TARGETS.get(at), samples.get_mut(at)) {
                    into.push(measure(pair, *target, &plan)?);
                }
            }
        }
        let [single, leader, follower] = samples;
        for (name, of) in [("the leader", leader), ("a follower", follower)] {
            table.row(
                "throughput",
                &format!(
                    "{} {VALUE_BYTES} B on {name}, {} clients, P={pipeline}, req/s",
                    workload.name(),
                    pair.clients
                ),
                &format!("{:.0}", median(of.clone())),
                &format!("single node {:.0}", median(single.clone())),
                &format!("**{:.2}**", median(ratios(&of, &single))),
                &format!("{} rounds, ratio {}", pair.rounds, spread(ratios(&of, &single))),
            );
        }
    }
    Ok(())
}

fn measure(pair: &mut Pair, target: Target, plan: &Plan) -> Result<f64, String> {
    let single = pair.single.address;
    match target {
        Target::Single => per_second(single, plan),
        Target::Leader => pair
            .cluster
            .steady(|nodes, leader| per_second(nodes.get(leader).ok_or("no such node")?.address, plan)),
        Target::Follower => pair.cluster.steady(|nodes, leader| {
            let follower = (leader + 1) % nodes.len().max(1);
            per_second(nodes.get(follower).ok_or("no such node")?.address, plan)
        }),
    }
}
