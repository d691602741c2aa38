//! Nodes in network namespaces: each has an address of its own on a bridge, and can be cut off from the others.
//!
//! Clients live at the bridge itself, so they reach every node whatever is cut.
//!
//! Beside the core there may be edges: one that follows a single core node whatever becomes of it, and a site of several that
//! follows whichever it can.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::node::Node;
use crate::command::{must, output_of};
use crate::connection::Connection;
use crate::namespace::{Namespace, enter};

const PORT: u16 = 6379;
const PEER_PORT: u16 = 7379;

/// Nodes of the site.
const SITE_NODES: usize = 3;

/// One process may make several, one after the other.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Nodes on one bridge, and a place for clients.
#[derive(Debug)]
pub struct Network {
    name: String,
    subnet: u8,
    /// Those of the core, one to spare, then those of edges, if there are any.
    pub nodes: Vec<Node>,
    core: usize,
    edges: usize,
    // Removed after all processes in them are killed.
    namespaces: Vec<Namespace>,
    // Removed after the nodes' disks are unmounted: fields drop in this order.
    pub home: TempDir,
}

impl Network {
    /// Makes namespaces and disks for `core` nodes, which are to found a core, one more, which may join it, and for edges.
    /// Starts none.
    pub fn new(core: usize, has_edges: bool, program: &Path, args: &[String]) -> io::Result<Network> {
        let id = std::process::id();
        let name = format!("flo{id}x{}", MADE.fetch_add(1, Ordering::Relaxed));
        let subnet = u8::try_from(id % 200 + 20).unwrap_or(20);
        let home = tempfile::Builder::new().prefix("flotilla-chaos-").tempdir()?;
        let edges = if has_edges { 1 + SITE_NODES } else { 0 };
        let mut network =
            Network { name, subnet, nodes: Vec::new(), core, edges, namespaces: Vec::new(), home };
        let hub = network.hub();
        network.namespaces.push(Namespace::new(hub.clone())?);
        must(&["ip", "-n", &hub, "link", "add", "br0", "type", "bridge"])?;
        must(&["ip", "-n", &hub, "link", "set", "br0", "up"])?;
        must(&["ip", "-n", &hub, "addr", "add", &format!("10.99.{subnet}.254/24"), "dev", "br0"])?;
        for index in 0..=core + edges {
            let namespace = format!("{}n{index}", network.name);
            network.namespaces.push(Namespace::new(namespace.clone())?);
            network.nodes.push(Node::new(
                network.name_of(index),
                namespace,
                network.home.path(),
                program.to_owned(),
            )?);
            network.plug_in(index)?;
            let args = network.args(index, args);
            network.nodes[index].set_args(args);
        }
        Ok(network)
    }

    /// Connects a namespace to the bridge.
    fn plug_in(&self, index: usize) -> io::Result<()> {
        let (hub, namespace, port) = (self.hub(), &self.nodes[index].namespace, format!("p{index}"));
        let ends = ["netns", &hub, "type", "veth", "peer", "name", "eth0", "netns", namespace];
        must(&[&["ip", "link", "add", &port][..], &ends].concat())?;
        must(&["ip", "-n", &hub, "link", "set", &port, "master", "br0", "up"])?;
        let address = format!("{}/24", self.host(index));
        must(&["ip", "-n", namespace, "addr", "add", &address, "dev", "eth0"])?;
        must(&["ip", "-n", namespace, "link", "set", "eth0", "up"])
    }

    /// The nodes that are members at rest.
    pub fn core(&self) -> Range<usize> {
        0..self.core
    }

    /// The node that may join.
    pub fn spare(&self) -> &Node {
        &self.nodes[self.core]
    }

    /// The edge that follows the first node of the core and no other; `None`: there are no edges.
    pub fn edge(&self) -> Option<usize> {
        self.edges().next()
    }

    /// The nodes of the site.
    pub fn site(&self) -> Range<usize> {
        let Range { start, end } = self.edges();
        (start + 1).min(end)..end
    }

    /// The edge and the nodes of the site.
    pub fn edges(&self) -> Range<usize> {
        self.core + 1..self.core + 1 + self.edges
    }

    /// The same network for clients: they need addresses, not processes. Dropping it leaves the network as it is.
    pub fn view(&self) -> View {
        let addresses = (0..=self.core).map(|index| self.address(index)).collect();
        let edges = self.edges().map(|index| (self.name_of(index), self.address(index))).collect();
        View { hub: self.hub(), core: self.core, addresses, edges }
    }

    fn hub(&self) -> String {
        format!("{}hub", self.name)
    }

    fn host(&self, index: usize) -> String {
        format!("10.99.{}.{}", self.subnet, index + 1)
    }

    fn peer_address(&self, index: usize) -> String {
        format!("{}:{PEER_PORT}", self.host(index))
    }

    fn address(&self, index: usize) -> SocketAddr {
        SocketAddr::from(([10, 99, self.subnet, u8::try_from(index + 1).unwrap_or(1)], PORT))
    }

    /// From here on this thread's sockets are in the namespace of the clients.
    pub fn enter(&self) -> io::Result<()> {
        enter(&self.hub())
    }

    pub fn connect(&self, index: usize) -> io::Result<Connection> {
        Connection::open_at(self.address(index))
    }

    fn name_of(&self, index: usize) -> String {
        match index.checked_sub(self.core + 1) {
            None => format!("core-{index}"),
            Some(0) => "edge-paris".into(),
            Some(number) => format!("edge-oslo.{}", number - 1),
        }
    }

    /// How a node is told of the others.
    fn place(&self, index: usize) -> Vec<String> {
        let named = |other: usize| format!("{}={}", self.name_of(other), self.peer_address(other));
        let list = |others: Range<usize>| others.map(named).collect::<Vec<_>>().join(",");
        let core = self.core().map(|other| self.peer_address(other)).collect::<Vec<_>>().join(",");
        let first = self.peer_address(0);
        let site = list(self.site());
        let words = match index {
            _ if index < self.core => format!("--cluster {}", list(self.core())),
            _ if index == self.core => format!("--join {core}"),
            _ if Some(index) == self.edge() => format!("--role edge --site paris --upstream {first}"),
            _ => format!("--role edge --site oslo --upstream {core} --cluster {site}"),
        };
        words.split(' ').map(str::to_owned).collect()
    }

    fn args(&self, index: usize, more: &[String]) -> Vec<String> {
        let node = &self.nodes[index];
        let (directory, host) = (node.directory().display().to_string(), self.host(index));
        let (port, peer_port) = (PORT.to_string(), PEER_PORT.to_string());
        let words = [
            ["--data-dir", &directory],
            ["--bind", &host],
            ["--port", &port],
            ["--peer-port", &peer_port],
            ["--peer-insecure", "yes"],
            ["--protected-mode", "no"],
            ["--node-name", &node.name],
        ];
        let own = words.as_flattened().iter().map(|word| (*word).to_owned());
        own.chain(self.place(index)).chain(more.iter().cloned()).collect()
    }

    /// Cuts what comes from `from` on its way into `to`.
    pub fn cut(&self, from: usize, to: usize, how: Cut) -> io::Result<()> {
        let host = self.host(from);
        let mut words =
            vec!["ip", "netns", "exec", &self.nodes[to].namespace, "iptables", "-A", "INPUT", "-s", &host];
        match how {
            Cut::Drop => words.extend(["-j", "DROP"]),
            Cut::Reset => words.extend(["-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"]),
            Cut::Lossy => {
                words.extend(["-m", "statistic", "--mode", "random", "--probability", "0.3", "-j", "DROP"])
            }
        }
        must(&words)
    }

    /// How many packets all cuts have caught.
    pub fn caught(&self) -> io::Result<u64> {
        let mut caught = 0;
        for node in &self.nodes {
            let list = ["iptables", "-L", "INPUT", "-v", "-n", "-x"];
            let text = output_of(&[&["ip", "netns", "exec", &node.namespace][..], &list].concat())?;
            let packets = |line: &str| line.split_whitespace().next()?.parse::<u64>().ok();
            caught += text.lines().skip(2).filter_map(packets).sum::<u64>();
        }
        Ok(caught)
    }

    /// Removes all cuts.
    pub fn heal(&self) -> io::Result<()> {
        let flush = |node: &Node| must(&["ip", "netns", "exec", &node.namespace, "iptables", "-F", "INPUT"]);
        self.nodes.iter().try_for_each(flush)
    }
}

/// See [`Network::view`].
#[derive(Clone, Debug)]
pub struct View {
    hub: String,
    /// The first so many are members at rest.
    pub core: usize,
    pub addresses: Vec<SocketAddr>,
    /// Names and addresses of edges.
    pub edges: Vec<(String, SocketAddr)>,
}

impl View {
    pub fn enter(&self) -> io::Result<()> {
        enter(&self.hub)
    }

    pub fn connect(&self, index: usize) -> io::Result<Connection> {
        Connection::open_at(self.addresses[index])
    }
}

/// What happens to a packet that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Drop,
    Reset,
    Lossy,
}

impl Drop for Network {
    fn drop(&mut self) {
        self.nodes.iter().for_each(Node::kill);
    }
}
