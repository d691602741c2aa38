//! What the nodes say about themselves, and waiting until they are one core at rest.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Received;
use crate::value::Value;

use super::failure::Failure;
use super::net::Network;

const ASK_MAX: Duration = Duration::from_secs(5);
const LEADER_MAX: Duration = Duration::from_secs(20);
const AGREE_MAX: Duration = Duration::from_secs(60);
/// A change of members may be half done for so long after all is healed.
const JOINT_MAX: Duration = Duration::from_secs(30);
const VERIFY_MAX: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(30);

/// A field of a node's INFO.
pub fn field(network: &Network, index: usize, name: &str) -> Option<String> {
    let mut connection = network.connect(index).ok()?;
    connection.set_deadline(ASK_MAX);
    let Ok(Received::Reply(Value::Bulk(text))) = connection.call(&["INFO", "everything"]) else {
        return None;
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned));
    line.map(|value| value.trim().to_owned())
}

/// A field that is a number.
pub fn number(network: &Network, index: usize, name: &str) -> Option<u64> {
    field(network, index, name)?.parse().ok()
}

/// The one node that says it leads, of these.
pub fn leader_of(network: &Network, nodes: impl Iterator<Item = usize>) -> Option<usize> {
    let leads = |index: &usize| number(network, *index, "flotilla_raft_is_leader") == Some(1);
    let leaders: Vec<usize> = nodes.filter(leads).collect();
    match leaders.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

/// The one node of the core that says it leads.
pub fn wait_for_leader(network: &Network) -> Result<usize, Failure> {
    let deadline = Instant::now() + LEADER_MAX;
    loop {
        if let Some(leader) = leader_of(network, network.core()) {
            return Ok(leader);
        }
        if Instant::now() > deadline {
            return Err(Failure::server(format!(
                "no one node has led for {LEADER_MAX:?}, and nothing is broken"
            )));
        }
        thread::sleep(POLL);
    }
}

/// Asks a node for something that it answers with a text.
pub fn ask(network: &Network, node: usize, words: &[&str], within: Duration) -> io::Result<String> {
    let mut connection = network.connect(node)?;
    connection.set_deadline(within);
    match connection.call(words)? {
        Received::Reply(Value::Bulk(text) | Value::Simple(text)) => {
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        other => Err(io::Error::other(format!("{words:?} answered {other:?}"))),
    }
}

/// What CORE STATUS tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub term: u64,
    pub is_changing: bool,
    /// Whether the leader itself told it.
    pub is_leaders_word: bool,
    /// Names and roles, sorted by name.
    pub roles: Vec<(String, String)>,
}

impl Status {
    pub fn role(&self, name: &str) -> Option<&str> {
        self.roles.iter().find(|(known, _)| known == name).map(|(_, role)| role.as_str())
    }

    pub fn is_voter(&self, name: &str) -> bool {
        matches!(self.role(name), Some("voter" | "leader"))
    }
}

/// CORE STATUS, as one node passes it on.
pub fn status(network: &Network, node: usize) -> Option<Status> {
    let text = ask(network, node, &["CORE", "STATUS"], ASK_MAX).ok()?;
    let told: serde_json::Value = serde_json::from_str(&text).ok()?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = told["nodes"].as_array()?;
    let mut roles: Vec<_> = nodes.iter().map(|node| (text(&node["name"]), text(&node["role"]))).collect();
    roles.sort();
    Some(Status {
        term: told["term"].as_u64()?,
        is_changing: told["change_under_way"] == true,
        is_leaders_word: told["told_by"] == told["leader"],
        roles,
    })
}

/// Waits until one node leads, all of the core are voters and have applied the same; says how long that took.
pub fn agree(network: &Network) -> Result<Duration, Failure> {
    let began = Instant::now();
    loop {
        check_that_all_run(network)?;
        let indexes: Vec<Option<u64>> =
            network.core().map(|node| number(network, node, "flotilla_raft_applied_index")).collect();
        let same = indexes.windows(2).all(|pair| pair[0].is_some() && pair[0] == pair[1]);
        let told = leader_of(network, network.core()).and_then(|leader| status(network, leader));
        if same && told.as_ref().is_some_and(|told| is_at_rest(network, told)) {
            return Ok(began.elapsed());
        }
        if let Some(told) = told.as_ref().filter(|told| told.is_changing)
            && began.elapsed() > JOINT_MAX
        {
            return Err(Failure::server(format!(
                "a change of members is under way after {JOINT_MAX:?}: {told:?}"
            )));
        }
        if began.elapsed() > AGREE_MAX {
            let last: Vec<String> = network.core().map(|node| network.nodes[node].log_tail(2)).collect();
            let text =
                format!("no agreement in {AGREE_MAX:?}: applied {indexes:?}, {told:?}\n{}", last.join("\n"));
            return Err(Failure::server(text));
        }
        thread::sleep(POLL);
    }
}

/// Waits until a core that is new, and its edges, are at the newest feature level: what clients do may need it.
pub fn wait_for_level(network: &Network) -> Result<(), Failure> {
    let began = Instant::now();
    let is_newest = |node: usize| {
        let level = field(network, node, "flotilla_feature_level");
        let understood = field(network, node, "flotilla_feature_levels");
        level.is_some_and(|level| understood.is_some_and(|levels| levels.ends_with(&format!("-{level}"))))
    };
    while let Some(behind) = network.core().chain(network.edges()).find(|node| !is_newest(*node)) {
        check_that_all_run(network)?;
        if began.elapsed() > AGREE_MAX {
            let node = &network.nodes[behind];
            return Err(Failure::server(format!(
                "{} is not at the newest feature level after {AGREE_MAX:?}:\n{}",
                node.name,
                node.log_tail(8)
            )));
        }
        thread::sleep(POLL);
    }
    Ok(())
}

fn is_at_rest(network: &Network, told: &Status) -> bool {
    let voters = |name: &str| matches!(told.role(name), Some("voter" | "leader"));
    let all = network.core().all(|node| voters(&network.nodes[node].name));
    all && told.roles.len() == network.core().len() && !told.is_changing
}

fn check_that_all_run(network: &Network) -> Result<(), Failure> {
    match network.core().map(|node| &network.nodes[node]).find(|node| !node.is_running()) {
        None => Ok(()),
        Some(node) => {
            Err(Failure::server(format!("{} has ended by itself:\n{}", node.name, node.log_tail(8))))
        }
    }
}

/// Has the nodes compare their states. A leader that has just lost its place is asked again.
pub fn compare(network: &Network) -> Result<(), Failure> {
    let deadline = Instant::now() + VERIFY_MAX;
    loop {
        let leader = wait_for_leader(network)?;
        let told = ask(network, leader, &["CORE", "VERIFY"], VERIFY_MAX);
        let parsed = told
            .as_ref()
            .map_err(ToString::to_string)
            .and_then(|told| serde_json::from_str(told).map_err(|error| error.to_string()));
        match parsed {
            Ok(serde_json::Value::Object(told)) if told["equal"] == true => return Ok(()),
            Ok(told) => return Err(Failure::server(format!("the nodes' states differ: {told}"))),
            Err(error) if Instant::now() > deadline => {
                return Err(Failure::server(format!("the nodes cannot compare their states: {error}")));
            }
            Err(_) => thread::sleep(POLL),
        }
    }
}
