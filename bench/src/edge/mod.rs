//! The edge scenario: how fast edges of a core answer, how soon they have what it has, and what they cost it.
//!
//! Each part measures one thing and adds its rows to one table. Core, edges and generator are processes on this machine and
//! share its cores. *Visible* and *has everything* mean that a client of the edge gets it.

mod cold;
mod followers;
mod many;
mod propagation;
mod reads;
mod relay;
mod site;
mod throughput;

use crate::{
    choice::Choice,
    cluster::Cluster,
    fill::{Values, fill},
    grow::check_space,
    node::Node,
    table::Table,
};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// What can be measured on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Latency of GET at a given rate while the core takes writes.
    Reads,
    /// GET, closed loop, beside a node of the core.
    Throughput,
    /// From the acknowledgement of a write to its being visible at the edge.
    Propagation,
    /// An empty edge, beside cp and cksum of the core's files; bytes over the wire, and after a cut.
    ColdStart,
    /// What many edges cost the core.
    Many,
}

/// Options of this scenario alone.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Scenario edge")]
#[group(id = "edge")]
pub struct Options {
    /// Parts, separated by commas; default: all
    #[arg(long, value_delimiter = ',', value_enum)]
    edge_parts: Vec<Part>,
    /// Nodes of the core in the parts reads, throughput and propagation; elsewhere it is one
    #[arg(long, default_value_t = 1)]
    core_nodes: usize,
    /// Writes whose way to the edge is timed, of each kind
    #[arg(long, default_value_t = 1000)]
    stamps: usize,
    /// Delay of the line between core and edge, one way
    #[arg(long, default_value_t = 40)]
    delay_ms: u64,
    /// What the core's store holds when an empty edge starts; five times as much and 3 GiB must be free
    #[arg(long, default_value_t = 2048)]
    cold_mib: u64,
    /// Edges that have nothing to do
    #[arg(long, default_value_t = 50)]
    idle_edges: usize,
    /// How long their cost is counted
    #[arg(long, default_value_t = 20)]
    idle_seconds: u64,
    /// Edges that follow while the core writes as fast as it can
    #[arg(long, default_value_t = 10)]
    busy_edges: usize,
    /// Where edges have their data, as if on disks of their own; default: beside the core's
    #[arg(long, value_name = "DIRECTORY")]
    edge_dir: Option<PathBuf>,
    /// More arguments for edges, separated by spaces
    #[arg(long, value_name = "ARGUMENTS", default_value = "", allow_hyphen_values = true)]
    edge_args: String,
}

impl Options {
    fn has(&self, part: Part) -> bool {
        self.edge_parts.is_empty() || self.edge_parts.contains(&part)
    }

    /// The directory for one node of a site each.
    fn edge_base(&self, base: &Path) -> PathBuf {
        self.edge_dir.clone().unwrap_or_else(|| base.to_owned())
    }

    fn edge_args(&self) -> Vec<String> {
        self.edge_args.split_whitespace().map(str::to_owned).collect()
    }
}

/// A core and an edge that follows it, with the same keys.
struct Pair<'a> {
    cluster: Cluster,
    edge: Node,
    choice: &'a Choice,
}

/// Runs the parts that were chosen; the table as Markdown.
pub fn run(choice: &Choice, options: &Options, base: &Path) -> Result<String, String> {
    std::fs::create_dir_all(base).map_err(|e| format!("{}: {e}", base.display()))?;
    if options.has(Part::ColdStart) {
        let mib = options.cold_mib;
        check_space(base, &format!("cold-start with {mib} MiB"), cold::needed_mib(mib))?;
    }
    let mut table = Table::new("edge");
    if options.has(Part::Reads) || options.has(Part::Throughput) || options.has(Part::Propagation) {
        let mut cluster = Cluster::start(&choice.program, base, options.core_nodes, &choice.node_args)?;
        let filled = load(&mut cluster, choice.keys);
        cluster.explain(filled)?;
        let mut edge = site::node("one", &options.edge_base(base))?;
        site::start(&mut edge, choice, &site::peers(&cluster), &options.edge_args())?;
        let mut pair = Pair { cluster, edge, choice };
        let outcome = measure_pair(&mut pair, options, base, &mut table);
        pair.cluster.explain(site::explain(outcome, &[&pair.edge]))?;
    }
    if options.has(Part::ColdStart) {
        cold::run(choice, options, base, &mut table)?;
    }
    if options.has(Part::Many) {
        many::run(choice, options, base, &mut table)?;
    }
    Ok(table.into_text())
}

fn load(cluster: &mut Cluster, keys: u64) -> Result<(), String> {
    eprintln!("loading {keys} keys of 64 bytes into the core");
    let leader = cluster.agreed()?;
    fill(cluster.node(leader)?.address, 0..keys, Values::Text(64))
}

fn measure_pair(
    pair: &mut Pair<'_>,
    options: &Options,
    base: &Path,
    table: &mut Table,
) -> Result<(), String> {
    pair.settle()?;
    if options.has(Part::Throughput) {
        throughput::run(pair, table)?;
    }
    if options.has(Part::Reads) {
        reads::run(pair, table)?;
    }
    if options.has(Part::Propagation) {
        pair.settle()?;
        propagation::run(pair, options, base, table)?;
    }
    Ok(())
}

impl Pair<'_> {
    /// Waits until the edge has what the core has.
    fn caught_up(&mut self) -> Result<(), String> {
        let leader = self.cluster.agreed()?;
        let revision = site::revision(self.cluster.node(leader)?)?;
        site::wait_for(&mut self.edge, revision, site::CATCH_UP_MAX)
    }

    /// Waits until neither has anything to do any more.
    fn settle(&mut self) -> Result<(), String> {
        self.caught_up()?;
        self.cluster.settle()?;
        self.caught_up()
    }

    /// What a connection to a node of the core says first, so that the node answers as an edge does: from what it has.
    fn core_setup(&self) -> &'static [&'static str] {
        match self.cluster.nodes.len() {
            1 => &[],
            _ => &["CLIENT", "CONSISTENCY", "local"],
        }
    }

    fn core_name(&self) -> &'static str {
        match self.cluster.nodes.len() {
            1 => "the core's node",
            _ => "a follower of the core, `local`",
        }
    }
}

/// The core's node that is compared with an edge: one that does not lead, if there is one.
fn compared(nodes: &[Node], leader: usize) -> Result<&Node, String> {
    nodes.get((leader + 1) % nodes.len().max(1)).ok_or_else(|| "no such node".to_owned())
}
