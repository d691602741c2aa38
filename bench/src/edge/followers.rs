//! Several edges of one core, each a site and a process of its own, with little memory.

use super::{Options, site};
use crate::{choice::Choice, cluster::Cluster, node::Node};
use std::path::Path;

/// So that fifty of them fit.
const SMALL: [[&str; 2]; 4] = [
    ["--memtable-bytes", "1mb"],
    ["--block-cache-bytes", "8mb"],
    ["--hot-cache-bytes", "1mb"],
    ["--network-threads", "1"],
];

/// See the module.
pub struct Followers(Vec<Node>);

impl Followers {
    /// Starts so many and waits until each has what the core has.
    pub fn start(
        cluster: &mut Cluster,
        count: usize,
        choice: &Choice,
        options: &Options,
        base: &Path,
    ) -> Result<Self, String> {
        let more = site::with_defaults(&SMALL, &options.edge_args());
        let base = options.edge_base(base);
        let nodes = (0..count).map(|number| site::node(&format!("many-{number}"), &base));
        let mut followers = Followers(nodes.collect::<Result<_, _>>()?);
        let upstreams = site::peers(cluster);
        for node in &mut followers.0 {
            site::start(node, choice, &upstreams, &more)?;
        }
        followers.caught_up(cluster)?;
        Ok(followers)
    }

    /// Waits until each has what the core has.
    pub fn caught_up(&mut self, cluster: &mut Cluster) -> Result<(), String> {
        let leader = cluster.agreed()?;
        let revision = site::revision(cluster.node(leader)?)?;
        for node in &mut self.0 {
            let outcome = site::wait_for(node, revision, site::CATCH_UP_MAX);
            site::explain(outcome, &[node])?;
        }
        Ok(())
    }

    /// SIGKILL to all; they can be started again.
    pub fn kill(&mut self) {
        self.0.iter_mut().for_each(Node::kill);
    }

    /// Starts all again with the data they had, and waits until each has what the core has.
    pub fn launch(&mut self, cluster: &mut Cluster, niceness: u8) -> Result<(), String> {
        for node in &mut self.0 {
            node.niceness = niceness;
            node.launch()?;
        }
        self.caught_up(cluster)
    }

    /// Ends all but so many, for good.
    pub fn keep(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// CPU seconds that all have used; of those that do not run nothing.
    pub fn cpu_seconds(&self) -> f64 {
        self.0.iter().filter_map(Node::cpu_seconds).sum()
    }

    /// The lag of the one that is furthest behind.
    pub fn lag_ms(&self) -> u64 {
        self.0.iter().filter_map(|node| node.number("flotilla_lag_ms")).max().unwrap_or(0)
    }
}
