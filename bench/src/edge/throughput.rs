//! Closed-loop GET throughput of an edge beside that of a node of the core.

use super::{Pair, compared};
use crate::{
    load::{PREPARED, Plan, per_second},
    mixed::setup,
    numbers::{median, ratios, spread},
    table::Table,
    workload::Workload,
};
use std::time::Duration;

const PIPELINES: [usize; 2] = [1, 16];

/// Each pipeline on both in turns; nobody writes, and only one of them has load at a time.
pub fn run(pair: &mut Pair<'_>, table: &mut Table) -> Result<(), String> {
    let clients = pair.choice.clients;
    for pipeline in PIPELINES {
        let (mut edge, mut core) = (Vec::new(), Vec::new());
        for round in 0..pair.choice.rounds {
            let plan = Plan {
                workload: Workload::Get,
                value: Vec::new(),
                keys: pair.choice.keys,
                clients,
                pipeline,
                time: Duration::from_secs_f64(pair.choice.seconds),
                rate: None,
                setup: Vec::new(),
                seed: round as u64 + 1,
                prepared: PREPARED,
            };
            for step in 0..2 {
                if (round + step) % 2 == 0 {
                    edge.push(per_second(pair.edge.address, &plan)?);
                } else {
                    let plan = Plan { setup: setup(pair.core_setup()), ..plan.clone() };
                    core.push(
                        pair.cluster
                            .steady(|nodes, leader| per_second(compared(nodes, leader)?.address, &plan))?,
                    );
                }
            }
        }
        table.row(
            "throughput",
            &format!("GET hot 64 B, {clients} clients, P={pipeline}, req/s"),
            &format!("{:.0}", median(edge.clone())),
            &format!("{} {:.0}", pair.core_name(), median(core.clone())),
            &format!("**{:.2}**", median(ratios(&edge, &core))),
            &format!("{} rounds, ratio {}", pair.choice.rounds, spread(ratios(&edge, &core))),
        );
    }
    Ok(())
}
