//! Nodes in network namespaces: each has an address of its own on a bridge, and can be cut off from the others.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::connection::Connection;

const PORT: u16 = 6379;
const PEER_PORT: u16 = 7379;

/// Runs a program and is angry if it fails.
fn must(words: &[&str]) -> io::Result<()> {
    let output = Command::new(words[0]).args(&words[1..]).output()?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(io::Error::other(format!("{}: {why}", words.join(" "))))
        }
    }
}

/// A process and the namespace it lives in.
#[derive(Debug)]
pub struct Node {
    pub index: usize,
    pub namespace: String,
    pub args: Vec<String>,
    pub directory: PathBuf,
    clock: PathBuf,
    child: Option<Child>,
    program: PathBuf,
}

/// Some of them on one bridge, and a place for clients.
#[derive(Debug)]
pub struct Network {
    name: String,
    subnet: u8,
    pub nodes: Vec<Node>,
    pub home: TempDir,
}

impl Network {
    /// Makes namespaces for `count` nodes; starts none.
    pub fn new(count: usize, program: PathBuf) -> io::Result<Network> {
        let id = std::process::id();
        let name = format!("flo{id}");
        let subnet = u8::try_from(id % 200 + 20).unwrap_or(20);
        let mut network = Network { name, subnet, nodes: Vec::new(), home: tempfile::tempdir()? };
        let hub = network.hub();
        must(&["ip", "netns", "add", &hub])?;
        must(&["ip", "-n", &hub, "link", "add", "br0", "type", "bridge"])?;
        must(&["ip", "-n", &hub, "link", "set", "br0", "up"])?;
        must(&["ip", "-n", &hub, "link", "set", "lo", "up"])?;
        must(&["ip", "-n", &hub, "addr", "add", &format!("10.99.{subnet}.254/24"), "dev", "br0"])?;
        for index in 0..count {
            let (namespace, port) = (format!("{}n{index}", network.name), format!("p{index}"));
            must(&["ip", "netns", "add", &namespace])?;
            let directory = network.home.path().join(format!("core-{index}"));
            fs::create_dir(&directory)?;
            let clock = network.home.path().join(format!("clock-{index}"));
            fs::write(&clock, "+0\n")?;
            let program = program.clone();
            let args = Vec::new();
            // Registered first, so that it is removed whatever follows.
            network.nodes.push(Node {
                index,
                namespace: namespace.clone(),
                args,
                directory,
                clock,
                child: None,
                program,
            });
            must(&[
                "ip", "link", "add", &port, "netns", &hub, "type", "veth", "peer", "name", "eth0", "netns",
                &namespace,
            ])?;
            must(&["ip", "-n", &hub, "link", "set", &port, "master", "br0", "up"])?;
            must(&[
                "ip",
                "-n",
                &namespace,
                "addr",
                "add",
                &format!("{}/24", network.host(index)),
                "dev",
                "eth0",
            ])?;
            must(&["ip", "-n", &namespace, "link", "set", "eth0", "up"])?;
            must(&["ip", "-n", &namespace, "link", "set", "lo", "up"])?;
        }
        Ok(network)
    }

    /// The same network for clients: they need addresses, not processes. Dropping it leaves the network as it is.
    pub fn view(&self) -> View {
        View { hub: self.hub(), addresses: (0..self.nodes.len()).map(|index| self.address(index)).collect() }
    }

    fn hub(&self) -> String {
        format!("{}hub", self.name)
    }

    pub fn host(&self, index: usize) -> String {
        format!("10.99.{}.{}", self.subnet, index + 1)
    }

    pub fn peer_address(&self, index: usize) -> String {
        format!("{}:{PEER_PORT}", self.host(index))
    }

    pub fn address(&self, index: usize) -> SocketAddr {
        SocketAddr::from(([10, 99, self.subnet, u8::try_from(index + 1).unwrap_or(1)], PORT))
    }

    /// From here on this thread's sockets are in the namespace of the clients.
    pub fn enter(&self) -> io::Result<()> {
        enter(&self.hub())
    }

    pub fn connect(&self, index: usize) -> io::Result<Connection> {
        Connection::open_at(self.address(index))
    }

    /// Arguments that every node has.
    pub fn common_args(&self, index: usize) -> Vec<String> {
        let (directory, host) = (self.nodes[index].directory.display().to_string(), self.host(index));
        let words = [
            "--data-dir",
            &directory,
            "--bind",
            &host,
            "--port",
            &PORT.to_string(),
            "--peer-port",
            &PEER_PORT.to_string(),
            "--peer-insecure",
            "yes",
            "--protected-mode",
            "no",
            "--node-name",
            &format!("core-{index}"),
        ];
        words.iter().map(|word| (*word).to_owned()).collect()
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

    /// How many packets the cuts into a node have caught.
    pub fn caught(&self, to: usize) -> u64 {
        let words = ["netns", "exec", &self.nodes[to].namespace, "iptables", "-L", "INPUT", "-v", "-n", "-x"];
        let output = Command::new("ip").args(words).output();
        let text =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().skip(2).filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok()).sum()
    }

    pub fn heal(&self, index: usize) -> io::Result<()> {
        must(&["ip", "netns", "exec", &self.nodes[index].namespace, "iptables", "-F", "INPUT"])
    }
}

/// See [`Network::view`].
#[derive(Clone, Debug)]
pub struct View {
    hub: String,
    pub addresses: Vec<SocketAddr>,
}

impl View {
    pub fn enter(&self) -> io::Result<()> {
        enter(&self.hub)
    }

    pub fn connect(&self, index: usize) -> io::Result<Connection> {
        Connection::open_at(self.addresses[index])
    }
}

/// Moves this thread into a network namespace.
fn enter(name: &str) -> io::Result<()> {
    let link = File::open(format!("/run/netns/{name}"))?;
    Ok(move_into_link_name_space(std::os::fd::AsFd::as_fd(&link), Some(LinkNameSpaceType::Network))?)
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
        for node in &mut self.nodes {
            node.kill();
            let _ = must(&["ip", "netns", "del", &node.namespace]);
        }
        let _ = must(&["ip", "netns", "del", &self.hub()]);
    }
}

impl Node {
    pub fn start(&mut self) -> io::Result<()> {
        let output = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]);
        if let Some(library) = faketime() {
            command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &self.clock);
            command
                .env("FAKETIME_NO_CACHE", "1")
                .env("DONT_FAKE_MONOTONIC", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let child = command
            .arg(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        self.child = Some(child);
        Ok(())
    }

    pub fn log(&self) -> PathBuf {
        self.directory.with_extension("log")
    }

    /// SIGKILL; waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM; waits until it is gone.
    pub fn terminate(&mut self) -> io::Result<()> {
        if let Some(mut child) = self.child.take() {
            kill_process(Pid::from_child(&child), Signal::TERM)?;
            child.wait()?;
        }
        Ok(())
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match &self.child {
            Some(child) => Ok(kill_process(Pid::from_child(child), signal)?),
            None => Err(io::Error::other("the node does not run")),
        }
    }

    /// Whether the process runs; one that ended by itself is named.
    pub fn is_running(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => false,
        }
    }

    /// Sets its wall clock off by so many seconds.
    pub fn skew(&self, seconds: i64) -> io::Result<()> {
        fs::write(&self.clock, format!("{seconds:+}\n"))
    }

    pub fn wipe(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.directory)?;
        fs::create_dir(&self.directory)
    }
}

fn faketime() -> Option<&'static str> {
    const PLACES: [&str; 2] = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    ];
    PLACES.into_iter().find(|place| fs::exists(place).unwrap_or(false))
}
