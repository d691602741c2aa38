//! How long reads at an edge take at a given rate while the core takes writes, beside the same reads at the core.

use super::{Pair, compared};
use crate::{
    load::Plan,
    mixed::{MARGIN, Mixed, Sample, both, column, quantiles, setup},
    numbers::{median, ratios, spread},
    table::Table,
    workload::{Workload, value},
};
use std::time::Duration;

const READS_PER_SECOND: f64 = 10_000.0;
const CLIENTS: [usize; 2] = [8, 50];
const WRITES_PER_SECOND: f64 = 5_000.0;
const WRITERS: usize = 50;

/// Each number of clients on both in turns. The edge follows all writes, whichever of them is read.
pub fn run(pair: &mut Pair<'_>, table: &mut Table) -> Result<(), String> {
    for clients in CLIENTS {
        let (mut edge, mut core) = (Vec::new(), Vec::new());
        for round in 0..pair.choice.rounds {
            for step in 0..2 {
                let of_edge = (round + step) % 2 == 0;
                let mixed = measure(pair, of_edge, clients, round as u64 + 1)?;
                if of_edge { &mut edge } else { &mut core }.push(mixed);
                pair.caught_up()?;
            }
        }
        report(pair, clients, &edge, &core, table);
    }
    Ok(())
}

fn measure(pair: &mut Pair<'_>, of_edge: bool, clients: usize, seed: u64) -> Result<Mixed, String> {
    let time = Duration::from_secs_f64(pair.choice.seconds * 2.0);
    let reads = Plan {
        workload: Workload::Get,
        value: value(64),
        keys: pair.choice.keys,
        clients,
        pipeline: 1,
        time,
        rate: Some(READS_PER_SECOND),
        setup: Vec::new(),
        seed,
        prepared: crate::load::PREPARED,
    };
    let writes = Plan {
        workload: Workload::Set,
        clients: WRITERS,
        time: time + MARGIN * 2,
        rate: Some(WRITES_PER_SECOND),
        ..reads.clone()
    };
    let (edge, core) = (pair.edge.address, setup(pair.core_setup()));
    pair.cluster.steady(|nodes, leader| {
        let writer = nodes.get(leader).ok_or("no such node")?.address;
        match of_edge {
            true => both(edge, &reads, writer, &writes),
            false => {
                let reads = Plan { setup: core.clone(), ..reads.clone() };
                both(compared(nodes, leader)?.address, &reads, writer, &writes)
            }
        }
    })
}

fn report(pair: &Pair<'_>, clients: usize, edge: &[Mixed], core: &[Mixed], table: &mut Table) {
    let reads = |of: &[Mixed]| of.iter().map(|mixed| mixed.reads).collect::<Vec<Sample>>();
    let written = |of: &[Mixed]| median(of.iter().map(|mixed| mixed.writes_per_second).collect());
    let p99 = ratios(&column(&reads(edge), 1), &column(&reads(core), 1));
    table.row(
        "reads",
        &format!(
            "GET {READS_PER_SECOND:.0}/s, {clients} clients, {WRITES_PER_SECOND:.0} SET/s at the core, p50/p99/p99.9 ms"
        ),
        &format!("**{}**", quantiles(&reads(edge))),
        &format!("{} {}", pair.core_name(), quantiles(&reads(core))),
        &format!("p99 {:.2}", median(p99.clone())),
        &format!(
            "{} rounds, p99 ratio {}; {:.0} SET/s were acknowledged, {:.0} while the core was read",
            pair.choice.rounds,
            spread(p99),
            written(edge),
            written(core)
        ),
    );
}
