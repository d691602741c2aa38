//! How long reads take at a given rate while others write.

use super::{Pair, node::Node, table::Table};
use crate::{
    load::{self, Measured, Plan},
    numbers::{median, ratios, spread},
    workload::{Workload, command, value},
};
use std::{net::SocketAddr, thread, time::Duration};

const READS_PER_SECOND: [f64; 2] = [5_000.0, 1_000.0];
const CLIENTS: [usize; 2] = [8, 50];
const WRITES_PER_SECOND: f64 = 1_000.0;
const WRITERS: usize = 8;
/// Writes begin before the reads and end after them.
const MARGIN: Duration = Duration::from_millis(300);
const QUANTILES: [f64; 3] = [0.5, 0.99, 0.999];

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

/// The quantiles of one measurement, milliseconds.
type Sample = [f64; QUANTILES.len()];

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

fn column(samples: &[Sample], at: usize) -> Vec<f64> {
    samples.iter().filter_map(|sample| sample.get(at).copied()).collect()
}

/// The medians over the rounds.
fn quantiles(samples: &[Sample]) -> String {
    let each: Vec<String> =
        (0..QUANTILES.len()).map(|at| format!("{:.2}", median(column(samples, at)))).collect();
    each.join("/")
}

fn measure(pair: &mut Pair, target: &Target, rate: f64, clients: usize, seed: u64) -> Result<Sample, String> {
    let mut setup = Vec::new();
    if !target.setup.is_empty() {
        let words: Vec<&[u8]> = target.setup.iter().map(|word| word.as_bytes()).collect();
        let mut bytes = Vec::new();
        command(&mut bytes, &words);
        setup.push(bytes);
    }
    let time = Duration::from_secs_f64(pair.seconds * 2.0);
    let base = Plan {
        workload: Workload::Get,
        value: value(64),
        keys: pair.keys,
        clients,
        pipeline: 1,
        time,
        rate: None,
        setup,
        seed,
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
    match target.after_leader {
        None => both(pair.single.address, &reads, pair.single.address, &writes),
        Some(after) => pair.cluster.steady(|nodes, leader| {
            let address =
                |index: usize| nodes.get(index % nodes.len().max(1)).map(|node: &Node| node.address);
            let (reader, writer) = address(leader + after).zip(address(leader)).ok_or("no such node")?;
            both(reader, &reads, writer, &writes)
        }),
    }
}

/// Both loads at once; how long the reads took.
fn both(reader: SocketAddr, reads: &Plan, writer: SocketAddr, writes: &Plan) -> Result<Sample, String> {
    let (read, written) = thread::scope(|scope| {
        let written = scope.spawn(|| load::run(writer, writes));
        thread::sleep(MARGIN);
        let read = load::run(reader, reads);
        (read, written.join().map_err(|_| "the writing thread panicked".to_owned()))
    });
    let (read, written) = (read?, written??);
    for (measured, plan) in [(&read, reads), (&written, writes)] {
        check(measured, plan)?;
    }
    Ok(QUANTILES.map(|q| read.latency.value_at_quantile(q) as f64 / 1e6))
}

fn check(measured: &Measured, plan: &Plan) -> Result<(), String> {
    let name = plan.workload.name();
    if measured.errors > 0 {
        return Err(format!("{} error replies to {name}", measured.errors));
    }
    // An open loop records one sample for each request that was due.
    if measured.latency.len() > measured.requests {
        return Err(format!(
            "{} of {} {name} were not answered",
            measured.latency.len() - measured.requests,
            measured.latency.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_medians_over_rounds() {
        assert_eq!(quantiles(&[[1.0, 2.0, 3.0], [3.0, 4.0, 9.0], [2.0, 9.0, 4.0]]), "2.00/4.00/4.00");
    }
}
