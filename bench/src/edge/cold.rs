//! How long an empty edge takes to have everything, beside a plain copy of the core's files, and what goes over the wire.

use super::{Options, relay::Relay, site};
use crate::{
    choice::Choice,
    cluster::Cluster,
    copy::{Beside, Copied, copy, sync},
    grow::{MIB, grow},
    node::Node,
    numbers::median,
    server::directory_bytes,
    table::Table,
};
use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

const ROUNDS_MAX: usize = 3;
const COLD_MAX: Duration = Duration::from_secs(900);
/// So little of the log is kept that an empty edge needs the files, however few they are.
const RETAIN: [[&str; 2]; 2] = [["--log-retain-bytes", "1mb"], ["--log-retain-seconds", "0"]];

/// The core's store, that of an edge, a copy, what compactions and snapshots hold besides, two logs.
pub fn needed_mib(mib: u64) -> u64 {
    mib.saturating_mul(5).saturating_add(3 * 1024)
}

/// An edge that came from nothing.
#[derive(Debug, Clone, Copy)]
struct Cold {
    seconds: f64,
    /// Else it read the whole log, which was still there.
    by_copy: bool,
}

/// Fills a core, then in turns copies its files and starts an empty edge; then two more over a line that counts.
pub fn run(choice: &Choice, options: &Options, base: &Path, table: &mut Table) -> Result<(), String> {
    let core_args = site::with_defaults(&RETAIN, &choice.node_args);
    let mut cluster = Cluster::start(&choice.program, base, 1, &core_args)?;
    let outcome = measure(&mut cluster, choice, options, base, table);
    cluster.explain(outcome)
}

fn measure(
    cluster: &mut Cluster,
    choice: &Choice,
    options: &Options,
    base: &Path,
    table: &mut Table,
) -> Result<(), String> {
    let keys = grow(cluster, options.cold_mib * MIB)?;
    let rounds = choice.rounds.min(ROUNDS_MAX);
    let core = cluster.node(0)?.peer_address();
    let (mut copies, mut colds) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Whichever comes first has the colder caches.
        for step in 0..2 {
            cluster.settle()?;
            sync()?;
            if (round + step) % 2 == 0 {
                copies.push(copy(&cluster.node(0)?.store(), &base.join("copy"))?);
                eprintln!("copy {}/{rounds}: {:?}", round + 1, copies.last());
            } else {
                colds.push(cold(cluster, choice, options, base, core)?);
                eprintln!("cold start {}/{rounds}: {:?}", round + 1, colds.last());
            }
        }
    }
    report(stored(cluster)?, keys, &copies, &colds, table);
    let whole = over_wire(cluster, choice, options, base, None)?;
    report_wire("", &whole, table);
    let half = whole.stored / 2;
    let cut = over_wire(cluster, choice, options, base, Some(half))?;
    match cut.cuts {
        1 => report_wire(", all connections cut once at half of it", &cut, table),
        cuts => return Err(format!("the line was cut {cuts} times")),
    }
    Ok(())
}

/// Bytes of the core's store files.
fn stored(cluster: &mut Cluster) -> Result<u64, String> {
    Ok(directory_bytes(&cluster.node(0)?.store()))
}

/// Starts an edge with an empty directory and waits until it has everything, which is then compared.
fn cold(
    cluster: &mut Cluster,
    choice: &Choice,
    options: &Options,
    base: &Path,
    upstream: SocketAddr,
) -> Result<Cold, String> {
    let core: &Node = cluster.node(0)?;
    let revision = site::revision(core)?;
    let mut edge = site::node("cold", &options.edge_base(base))?;
    let start = Instant::now();
    site::start(&mut edge, choice, &[upstream], &options.edge_args())?;
    let outcome = site::wait_for(&mut edge, revision, COLD_MAX);
    let seconds = start.elapsed().as_secs_f64();
    let outcome = outcome.and_then(|()| site::same_state(core, &edge));
    site::explain(outcome, &[&edge])?;
    Ok(Cold { seconds, by_copy: edge.number("flotilla_bootstraps").unwrap_or(0) > 0 })
}

/// What went over a line.
#[derive(Debug, Clone, Copy)]
struct Wire {
    cold: Cold,
    passed: u64,
    stored: u64,
    cuts: u64,
}

fn over_wire(
    cluster: &mut Cluster,
    choice: &Choice,
    options: &Options,
    base: &Path,
    cut_at: Option<u64>,
) -> Result<Wire, String> {
    cluster.settle()?;
    sync()?;
    let stored = stored(cluster)?;
    let upstream = cluster.node(0)?.peer_address();
    let relay = Relay::start(upstream, Duration::ZERO).map_err(|e| format!("relay: {e}"))?;
    cut_at.into_iter().for_each(|bytes| relay.cut_once_at(bytes));
    let cold = cold(cluster, choice, options, base, relay.address)?;
    let wire = Wire { cold, passed: relay.passed(), stored, cuts: relay.cuts() };
    eprintln!("over a line: {wire:?}");
    Ok(wire)
}

fn how(cold: Cold) -> &'static str {
    if cold.by_copy { "by whole copy" } else { "by the log alone" }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}

fn report(bytes: u64, keys: u64, copies: &[Copied], colds: &[Cold], table: &mut Table) {
    let seconds: Vec<f64> = colds.iter().map(|cold| cold.seconds).collect();
    let beside = Beside::new(copies, &seconds);
    let by_copy = colds.iter().filter(|cold| cold.by_copy).count();
    table.row(
        "cold-start",
        &format!("an empty edge has everything, {:.2} GiB that do not compress, s", mib(bytes) / 1024.0),
        &format!("{:.2}", median(seconds.clone())),
        &beside.copy,
        &format!("**{:.2}** (copy / cold start)", beside.ratio),
        &format!(
            "{}; {by_copy} of {} by whole copy, states equal; {keys} keys, {}",
            beside.rounds,
            colds.len(),
            beside.files
        ),
    );
}

fn report_wire(what: &str, wire: &Wire, table: &mut Table) {
    table.row(
        "cold-start",
        &format!("bytes over the line, both ways, until the edge has everything{what}, MiB"),
        &format!("{:.1}", mib(wire.passed)),
        &format!("files of the core's store {:.1}", mib(wire.stored)),
        &format!("**{:.3}**", wire.passed as f64 / (wire.stored as f64).max(1.0)),
        &format!("{:.2} s, {}, states equal", wire.cold.seconds, how(wire.cold)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_for_stores_logs_and_a_copy() {
        assert_eq!(needed_mib(2048), 13 * 1024);
        assert_eq!(needed_mib(u64::MAX), u64::MAX);
    }
}
