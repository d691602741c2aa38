//! Nodes that are one core.

use crate::{client::Value, node::Node, server::directory_bytes};
use std::{
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long nodes may take to find a leader and to have applied the same entries.
const AGREE_MAX: Duration = Duration::from_secs(120);
/// How long flushes and compactions may go on when nothing is asked.
const SETTLE_MAX: Duration = Duration::from_secs(900);
/// A node that uses less of a core than this, over so many looks one after the other, has nothing to do.
const IDLE_CPU: f64 = 0.1;
const IDLE_LOOKS: usize = 5;
const LOOK: Duration = Duration::from_secs(1);
/// How often a cell is measured again because another node leads at its end.
const ATTEMPTS: usize = 5;

/// See the module. All processes end and all data goes when it is dropped.
pub struct Cluster {
    pub nodes: Vec<Node>,
}

impl Cluster {
    /// Starts so many nodes and waits until they are one core.
    pub fn start(program: &Path, base: &Path, nodes: usize, more: &[String]) -> Result<Self, String> {
        let nodes = (0..nodes).map(|index| Node::new(&format!("core-{index}"), base));
        let mut cluster = Cluster { nodes: nodes.collect::<Result<_, _>>()? };
        let list = cluster.nodes.iter().map(Node::peer).collect::<Vec<_>>().join(",");
        for node in &mut cluster.nodes {
            node.start(program, &["--cluster", &list], more)?;
        }
        let agreed = cluster.agreed();
        cluster.explain(agreed)?;
        Ok(cluster)
    }

    /// A node by number, which is one that was returned here.
    pub fn node(&mut self, index: usize) -> Result<&mut Node, String> {
        self.nodes.get_mut(index).ok_or_else(|| format!("there is no node {index}"))
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    /// The nodes but this one.
    pub fn others(&self, than: usize) -> Vec<usize> {
        (0..self.nodes.len()).filter(|index| *index != than).collect()
    }

    /// The node that says it leads, if exactly one does.
    pub fn leader(&self) -> Option<usize> {
        let leads =
            |node: &Node| node.info().get("flotilla_raft_is_leader").is_some_and(|leads| leads == "1");
        let leaders: Vec<usize> =
            (0..self.nodes.len()).filter(|i| self.nodes.get(*i).is_some_and(leads)).collect();
        match leaders.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// Waits until one node leads and all have applied the same entries; says which leads.
    pub fn agreed(&mut self) -> Result<usize, String> {
        let deadline = Instant::now() + AGREE_MAX;
        while Instant::now() < deadline {
            self.check()?;
            let applied: Vec<_> =
                self.nodes.iter().map(|node| node.number("flotilla_raft_applied_index")).collect();
            let is_same = applied.windows(2).all(|pair| matches!(pair, [a, b] if a.is_some() && a == b));
            if let (true, Some(leader)) = (is_same, self.leader()) {
                return Ok(leader);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("the nodes do not agree within {} s", AGREE_MAX.as_secs()))
    }

    /// An error if a node ended that nobody killed.
    pub fn check(&mut self) -> Result<(), String> {
        match self.nodes.iter_mut().find_map(|node| node.has_exited().then(|| node.name.clone())) {
            None => Ok(()),
            Some(name) => Err(format!("{name} ended by itself")),
        }
    }

    /// Waits until no node flushes or compacts any more.
    pub fn settle(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + SETTLE_MAX;
        let look = |nodes: &[Node]| -> Vec<(f64, u64)> {
            nodes
                .iter()
                .map(|node| (node.cpu_seconds().unwrap_or(0.0), directory_bytes(&node.store())))
                .collect()
        };
        let (mut before, mut idle) = (look(&self.nodes), 0);
        while idle < IDLE_LOOKS {
            if Instant::now() > deadline {
                return Err(format!("the nodes are still busy after {} s", SETTLE_MAX.as_secs()));
            }
            self.check()?;
            thread::sleep(LOOK);
            let now = look(&self.nodes);
            let is_idle = |((cpu_before, bytes_before), (cpu, bytes)): (&(f64, u64), &(f64, u64))| {
                cpu - cpu_before < IDLE_CPU * LOOK.as_secs_f64() && bytes == bytes_before
            };
            idle = if before.iter().zip(&now).all(is_idle) { idle + 1 } else { 0 };
            before = now;
        }
        self.agreed().map(drop)
    }

    /// Measures with the leader's number; again if another node leads afterwards.
    pub fn steady<T>(
        &mut self,
        mut measure: impl FnMut(&[Node], usize) -> Result<T, String>,
    ) -> Result<T, String> {
        for _ in 0..ATTEMPTS {
            let leader = self.agreed()?;
            let measured = measure(&self.nodes, leader);
            if self.leader() == Some(leader) {
                return measured;
            }
            self.check()?;
            eprintln!("the leader changed while it was measured; again");
        }
        Err(format!("the leader changed in each of {ATTEMPTS} measurements"))
    }

    /// CORE STATUS.
    pub fn status(&self, of: usize) -> Result<serde_json::Value, String> {
        let node = self.nodes.get(of).ok_or("no such node")?;
        match node.call(&["CORE", "STATUS"])? {
            Value::Bulk(json) => serde_json::from_slice(&json).map_err(|e| e.to_string()),
            other => Err(format!("{}: CORE STATUS: {other:?}", node.name)),
        }
    }

    /// Adds what the nodes printed last to an error.
    pub fn explain<T>(&self, outcome: Result<T, String>) -> Result<T, String> {
        outcome.map_err(|error| {
            let tails: Vec<String> = self.nodes.iter().map(Node::log_tail).collect();
            format!("{error}\n{}", tails.join("\n"))
        })
    }
}
