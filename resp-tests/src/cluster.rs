//! Several servers that are one core.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Received;
use crate::server::{Program, Server};
use crate::value::Value;

const AGREE_SECONDS_MAX: u64 = 30;

/// Nodes of one core, each a process of its own.
#[derive(Debug)]
pub struct Cluster {
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// Starts all nodes at once and waits until each of them serves.
    pub fn start(program: &Program, count: usize, args: &[&str]) -> io::Result<Cluster> {
        let nodes = Server::start_together(program, count, |peers, index| {
            let list = |(index, port): (usize, &u16)| format!("core-{index}=127.0.0.1:{port}");
            let list = peers.iter().enumerate().map(list).collect::<Vec<_>>().join(",");
            let own = ["--node-name".to_owned(), format!("core-{index}"), "--cluster".to_owned(), list];
            own.into_iter().chain(args.iter().map(|word| (*word).to_owned())).collect()
        })?;
        Ok(Cluster { nodes })
    }

    /// Starts one more node that asks to be let in; returns when it serves.
    pub fn join(&mut self, program: &Program, name: &str, args: &[&str]) -> io::Result<()> {
        let contacts: Vec<String> = self.nodes.iter().map(Server::peer_address).collect();
        let own = ["--node-name", name, "--join", &contacts.join(",")];
        let args: Vec<String> = own.iter().chain(args).map(|word| (*word).to_owned()).collect();
        self.nodes.push(Server::start(program, &args)?);
        Ok(())
    }

    /// The node that says it leads, if exactly one does.
    pub fn leader(&self) -> Option<usize> {
        let leads = |node: &Server| field(node, "flotilla_raft_is_leader").as_deref() == Some("1");
        let leaders: Vec<usize> =
            self.nodes.iter().enumerate().filter(|(_, node)| leads(node)).map(|(index, _)| index).collect();
        match leaders.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// Waits until one node leads and all have applied the same entries; says which leads.
    pub fn wait_until_agreed(&self) -> io::Result<usize> {
        let deadline = Instant::now() + Duration::from_secs(AGREE_SECONDS_MAX);
        while Instant::now() < deadline {
            let applied: Vec<_> =
                self.nodes.iter().map(|node| field(node, "flotilla_raft_applied_index")).collect();
            let is_same = applied.windows(2).all(|pair| matches!(pair, [a, b] if a.is_some() && a == b));
            let ready = |node: &Server| {
                let leadership = field(node, "flotilla_raft_leadership");
                field(node, "loading").as_deref() == Some("0")
                    && matches!(leadership.as_deref(), Some("leads" | "follows"))
            };
            if let (true, Some(leader)) = (is_same && self.nodes.iter().all(ready), self.leader()) {
                return Ok(leader);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let logs: Vec<String> = self.nodes.iter().map(Server::log_tail).collect();
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no agreement:\n{}", logs.join("\n---\n"))))
    }
}

/// A field of INFO; `None` if the node does not answer or has no such field.
pub fn field(node: &Server, name: &str) -> Option<String> {
    let mut connection = node.connect().ok()?;
    let Ok(Received::Reply(Value::Bulk(text))) = connection.call(&["INFO", "everything"]) else {
        return None;
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned));
    line.map(|value| value.trim().to_owned())
}
