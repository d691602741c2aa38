//! How long reads take at a given rate while others write.

use super::Pair;
use crate::{
    load::Plan,
    mixed::{MARGIN, Sample, both, column, quantiles, setup},
    node::Node,
    numbers::{median, ratios, spread},
    table::Table,
    workload::{Workload, value},
};
use std::time::Duration;

const READS_PER_SECOND: [f64; 2] = [5_000.0, 1_000.0];
const CLIENTS: [usize; 2] = [8, 50];
const WRITES_PER_SECOND: f64 = 1_000.0;
const WRITERS: usize = 8;

/// Who is asked, and what a connection to it says first.
struct Target {
    name: &'static str,
    /// `None` = the single node; else so many nodes after the leader.
    after_leader: Option<usize>,
    setup: &'static [&'static str],
}

const TARGETS: [Target; 5] = [
    Target { name: "single node", after_leader: None, setup: &[] },
    Target { name: "the leader", after_leader: Some(0), setup: &[] },
    Target { name: "a follower, linearizable", after_leader: Some(1), setup: &[] },
    Target {
        name: "a follower, `CLIENT CONSISTENCY session`",
        after_leader: Some(1),
        setup: &["CLIENT", "CONSISTENCY", "session"],
    },
    Target {
        name: "a follower, `CLIENT CONSISTENCY local`",
        after_leader: Some(1),
        setup: &["CLIENT", "CONSISTENCY", "local"],
    },
];

/// Every rate and number of clients on every target in turns.
pub fn run(pair: &mut Pair, table: &mut Table) -> Result<(), String> {
    for rate in READS_PER_SECOND {
        for clients in CLIENTS {
            let mut samples: Vec<Vec<Sample>> = TARGETS.iter().map(|_| Vec::new()).collect();
            for round in 0..pair.rounds {
                for offset in 0..TARGETS.len() {
                    let at = (round + offset) % TARGETS.len();
                    if let (Some(target), Some(into)) = (TARGETS.get(at), samples.get_mut(at)) {
                        into.push(measure(pair, target, rate, clients, round as u64 + 1)?);
                    }
                }
            }
            report(pair.rounds, rate, clients, &samples, table);
        }
    }
    Ok(())
}

fn report(rounds: usize, rate: f64, clients: usize, samples: &[Vec<Sample>], table: &mut Table) {
    let Some((single, core)) = samples.split_first() else { return };
    for (target, of) in TARGETS.iter().skip(1).zip(core) {
        let p99 = ratios(&column(of, 1), &column(single, 1));
        table.row(
            "reads",
            &format!(
                "GET {rate:.0}/s on {}, {clients} clients, {WRITES_PER_SECOND:.0} SET/s on the leader, p50/p99/p99.9 ms",
                target.name
            ),
            &quantiles(of),
            &format!("single node {}", quantiles(single)),
            &format!("p99 {:.2}", median(p99.clone())),
            &format!("{rounds} rounds, p99 ratio {}", spread(p99)),
        );
    }
}

fn measure(pair: &mut Pair, target: &Target, rate: f64, clients: usize, seed: u64) -> Result<Sample, String> {
    let time = Duration::from_secs_f64(pair.seconds * 2.0);
    let base = Plan {
        workload: Workload::Get,
        value: value(64),
        keys: pair.keys,
        clients,
        pipeline: 1,
        time,
        rate: None,
        setup: setup(target.setup),
        seed,
        prepared: crate::load::PREPARED,
    };
    let reads = Plan { rate: Some(rate), ..base.clone() };
    let writes = Plan {
        workload: Workload::Set,
        clients: WRITERS,
        time: time + MARGIN * 2,
        rate: Some(WRITES_PER_SECOND),
        setup: Vec::new(),
        ..base
    };
    let mixed = match target.after_leader {
        None => both(pair.single.address, &reads, pair.single.address, &writes),
        Some(after) => pair.cluster.steady(|nodes, leader| {
            let address =
                |index: usize| nodes.get(index % nodes.len().max(1)).map(|node: &Node| node.address);
            let (reader, writer) = address(leader + after).zip(address(leader)).ok_or("no such node")?;
            both(reader, &reads, writer, &writes)
        }),
    };
    Ok(mixed?.reads)
}
