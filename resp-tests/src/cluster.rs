//! Several servers that are one core.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Received;
use crate::server::{Program, Server, Stop};
use crate::support::eventually;
use crate::value::Value;

const AGREE_SECONDS_MAX: u64 = 30;
const LOOK: Duration = Duration::from_millis(20);

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

    /// Kills all nodes, starts them again and waits until they agree; says which leads.
    pub fn kill_and_restart(&mut self) -> io::Result<usize> {
        for node in &mut self.nodes {
            node.stop(Stop::Kill)?;
        }
        for node in &mut self.nodes {
            node.spawn_again()?;
        }
        for node in &mut self.nodes {
            node.wait_until_ready()?;
        }
        self.wait_until_agreed()
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

    /// Waits until one node leads; says which.
    pub fn wait_leader(&self) -> usize {
        let mut leader = None;
        eventually("one node leads", || {
            leader = self.leader();
            leader.is_some()
        });
        leader.unwrap_or_default()
    }

    /// Waits until one node leads and all have applied the same entries; says which leads.
    pub fn wait_until_agreed(&self) -> io::Result<usize> {
        let deadline = Instant::now() + Duration::from_secs(AGREE_SECONDS_MAX);
        while Instant::now() < deadline {
            // Each is asked once: asking takes the processor from those who are to agree.
            let told: Option<Vec<Info>> = self.nodes.iter().map(info).collect();
            if let Some(leader) = told.and_then(|told| agreed(&told)) {
                return Ok(leader);
            }
            thread::sleep(LOOK);
        }
        let logs: Vec<String> = self.nodes.iter().map(Server::log_tail).collect();
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no agreement:\n{}", logs.join("\n---\n"))))
    }
}

/// The fields of INFO.
pub type Info = BTreeMap<String, String>;

/// Which of the nodes leads, if it leads alone and all of them serve and have applied the same entries.
fn agreed(told: &[Info]) -> Option<usize> {
    let is = |info: &Info, name: &str, value: &str| info.get(name).is_some_and(|own| own == value);
    let applied = told.iter().map(|info| info.get("flotilla_raft_applied_index"));
    let applied: BTreeSet<&String> = applied.collect::<Option<_>>()?;
    let serves = |info: &Info| {
        is(info, "loading", "0")
            && ["leads", "follows"].iter().any(|what| is(info, "flotilla_raft_leadership", what))
    };
    let mut leaders = told.iter().enumerate().filter(|(_, info)| is(info, "flotilla_raft_is_leader", "1"));
    match (leaders.next(), leaders.next()) {
        (Some((leader, _)), None) if applied.len() == 1 && told.iter().all(serves) => Some(leader),
        _ => None,
    }
}

/// All that a node tells of itself; `None` if it does not answer.
pub fn info(node: &Server) -> Option<Info> {
    let mut connection = node.connect().ok()?;
    let Ok(Received::Reply(Value::Bulk(text))) = connection.call(&["INFO", "everything"]) else {
        return None;
    };
    let text = String::from_utf8_lossy(&text);
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    Some(fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
}

/// A field of INFO; `None` if the node does not answer or has no such field.
pub fn field(node: &Server, name: &str) -> Option<String> {
    info(node)?.remove(name)
}
