//! The core scenario: what three nodes cost beside one, and how long clients wait when a node goes or comes.
//!
//! Each part measures one thing and adds its rows to one table. All servers are processes on this machine, so three nodes
//! share the cores that a single node has for itself: the ratios are lower bounds of what three machines would show.

mod gap;
mod observer;
mod reads;
mod rejoin;
mod throughput;

use crate::{
    choice::Choice,
    cluster::Cluster,
    fill::{Values, fill},
    grow::check_space,
    server::{FLOTILLA, Kind, Server},
    table::Table,
};
use clap::{Args, ValueEnum};
use std::path::Path;

const NODES: usize = 3;

/// What can be measured on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// SET and GET, closed loop, beside a single node.
    Throughput,
    /// Latency of GET at given rates while others write.
    Reads,
    /// Time without an acknowledged write when the leader is killed.
    Gap,
    /// The same when it hands over.
    Transfer,
    /// A node that lost its disk, beside cp and cksum of the same files.
    Rejoin,
}

/// Options of this scenario alone.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Scenario core")]
#[group(id = "core")]
pub struct Options {
    /// Parts, separated by commas; default: all
    #[arg(long, value_delimiter = ',', value_enum)]
    parts: Vec<Part>,
    /// How often the leader is killed
    #[arg(long, default_value_t = 60)]
    kills: usize,
    /// How often the leader hands over
    #[arg(long, default_value_t = 20)]
    transfers: usize,
    /// What a store holds before a node is emptied; six times as much and 3 GiB must be free
    #[arg(long, default_value_t = 2048)]
    rejoin_mib: u64,
}

impl Options {
    fn has(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

/// A single node and a core with the same keys.
struct Pair {
    single: Server,
    cluster: Cluster,
    rounds: usize,
    seconds: f64,
    keys: u64,
    clients: usize,
}

/// Runs the parts that were chosen; the table as Markdown.
pub fn run(choice: &Choice, options: &Options, base: &Path) -> Result<String, String> {
    std::fs::create_dir_all(base).map_err(|e| format!("{}: {e}", base.display()))?;
    if options.has(Part::Rejoin) {
        let mib = options.rejoin_mib;
        check_space(base, &format!("rejoin with {mib} MiB"), rejoin::needed_mib(mib))?;
    }
    let mut table = Table::new("core");
    if options.has(Part::Throughput) || options.has(Part::Reads) {
        let mut pair = pair(choice, base)?;
        let outcome = measure_pair(&mut pair, options, &mut table);
        let outcome = outcome.map_err(|error| format!("{error}\n{}", pair.single.log_tail()));
        pair.cluster.explain(outcome)?;
    }
    if options.has(Part::Gap) || options.has(Part::Transfer) {
        let mut cluster = Cluster::start(&choice.program, base, NODES, &choice.node_args)?;
        let outcome = measure_gaps(&mut cluster, options, &mut table);
        cluster.explain(outcome)?;
    }
    if options.has(Part::Rejoin) {
        let mut cluster = Cluster::start(&choice.program, base, NODES, &choice.node_args)?;
        let outcome = rejoin::run(&mut cluster, base, options.rejoin_mib, &mut table);
        cluster.explain(outcome)?;
    }
    Ok(table.into_text())
}

fn pair(choice: &Choice, base: &Path) -> Result<Pair, String> {
    let kind = Kind::Flotilla {
        name: FLOTILLA,
        program: choice.program.clone(),
        arguments: choice.node_args.clone(),
    };
    let single = Server::start(&kind, base)?;
    let cluster = Cluster::start(&choice.program, base, NODES, &choice.node_args)?;
    let Choice { rounds, seconds, keys, clients, .. } = *choice;
    Ok(Pair { single, cluster, rounds, seconds, keys, clients })
}

fn measure_pair(pair: &mut Pair, options: &Options, table: &mut Table) -> Result<(), String> {
    eprintln!("loading {} keys of 64 bytes into each", pair.keys);
    fill(pair.single.address, 0..pair.keys, Values::Text(64))?;
    let leader = pair.cluster.agreed()?;
    fill(pair.cluster.node(leader)?.address, 0..pair.keys, Values::Text(64))?;
    pair.cluster.settle()?;
    if options.has(Part::Throughput) {
        throughput::run(pair, table)?;
    }
    if options.has(Part::Reads) {
        pair.cluster.settle()?;
        reads::run(pair, table)?;
    }
    Ok(())
}

fn measure_gaps(cluster: &mut Cluster, options: &Options, table: &mut Table) -> Result<(), String> {
    if options.has(Part::Gap) {
        gap::kills(cluster, options.kills, table)?;
    }
    if options.has(Part::Transfer) {
        gap::transfers(cluster, options.transfers, table)?;
    }
    Ok(())
}
