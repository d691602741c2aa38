//! Rolling upgrades: a core of three with two edges goes from this build to one of a later feature level, and back, while
//! clients write. States are compared all the way, and nothing acknowledged is lost.
//!
//! The later build is made of the same source with a feature, and so is one that breaks the rule (`builds.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod builds;
mod load;

use std::time::Duration;

use resp_tests::cluster::{Cluster, field};
use resp_tests::edge::oracle::Reader;
use resp_tests::edge::support::{admin, assert_same_state, call, eventually, info, upstream, wait_for_data};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::value::Value;

use load::Load;

const NODES: usize = 3;
/// Writes between two steps.
const SOME: u64 = 50;

fn start_edge(program: &Program, site: &str, core: &Cluster) -> Server {
    let args = ["--role", "edge", "--site", site, "--upstream", &upstream(core)].map(str::to_owned);
    Server::start(program, &args).unwrap()
}

/// What `flotilla admin` answers, and whether all went well.
fn asked(node: &Server, words: &[&str]) -> (bool, String) {
    let output = admin(node, words);
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// All nodes have the same state at one log position, while clients write.
fn assert_equal(core: &Cluster) {
    core.wait_until_ready();
    let (is_equal, text) = asked(&core.nodes[0], &["verify"]);
    assert!(is_equal, "{text}");
}

/// So have the edges, which are compared while clients rest.
fn assert_all_equal(core: &Cluster, edges: &[Server], load: &Load) {
    assert_equal(core);
    load.rest();
    assert_same_state(&core.nodes[0], &edges.iter().collect::<Vec<_>>());
    load.go_on();
    load.goes_on(SOME);
}

trait Ready {
    fn wait_until_ready(&self);
    fn roll(&mut self, index: usize, program: &Program);
}

impl Ready for Cluster {
    fn wait_until_ready(&self) {
        eventually("the core is whole", || {
            let serves = |node: &Server| {
                let leadership = field(node, "flotilla_raft_leadership");
                matches!(leadership.as_deref(), Some("leads" | "follows"))
            };
            self.leader().is_some() && self.nodes.iter().all(serves)
        });
    }

    fn roll(&mut self, index: usize, program: &Program) {
        let node = &mut self.nodes[index];
        node.stop(Stop::Terminate).unwrap();
        node.change_program(program);
        node.start_again().unwrap();
        self.wait_until_ready();
    }
}

/// The level that a new core is at: the newest of its build, a moment after it has a leader.
fn founded_level(core: &Cluster) -> i64 {
    let level = || info(&core.nodes[0], "flotilla_feature_level");
    let understood = || field(&core.nodes[0], "flotilla_feature_levels");
    eventually("the core is founded at its newest level", || understood() == Some(format!("3-{}", level())));
    level()
}

fn roll_edge(edge: &mut Server, program: &Program) {
    edge.stop(Stop::Terminate).unwrap();
    edge.change_program(program);
    edge.start_again().unwrap();
    wait_for_data(edge);
}

fn error(reply: Value) -> String {
    match reply {
        Value::Error(text) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{other:?} is no error"),
    }
}

/// What SADD makes of a member in capitals, asked of this node.
fn stored(node: &Server, key: &str) -> Value {
    let mut connection = node.connect().unwrap();
    call(&mut connection, &["SADD", key, "CAPITALS"]);
    call(&mut connection, &["SMEMBERS", key])
}

fn members(text: &[&str]) -> Value {
    let bulk = |text: &&str| Value::Bulk(text.as_bytes().to_vec());
    Value::Array(text.iter().map(bulk).collect())
}

#[test]
fn a_loaded_core_with_edges_rolls_forward_and_back_and_forward_again() {
    let (current, later) = (builds::current(), builds::later());
    let mut core = Cluster::start(&current, NODES, &["--auto-upgrade", "no"]).unwrap();
    core.wait_until_agreed().unwrap();
    let level = founded_level(&core);
    let mut edges: Vec<Server> = ["oslo", "paris"].map(|site| start_edge(&current, site, &core)).into();
    edges.iter().for_each(wait_for_data);
    let load = Load::start(&core.nodes);
    let readers: Vec<Reader> = edges.iter().map(|edge| Reader::start(edge.door())).collect();
    load.goes_on(SOME);
    // Forward, the leader in between, whichever it is; then back; at each step builds of both kinds are equal.
    for program in [&later, &current] {
        for index in 0..NODES {
            core.roll(index, program);
            load.goes_on(SOME);
            assert_all_equal(&core, &edges, &load);
        }
        for edge in &mut edges {
            roll_edge(edge, program);
            load.goes_on(SOME);
        }
        assert_all_equal(&core, &edges, &load);
        assert_eq!(stored(&core.nodes[1], "capitals"), members(&["CAPITALS"]), "the old level is active");
        assert_eq!(info(&core.nodes[2], "flotilla_feature_level"), level);
    }
    // Forward for good: first nodes that know the new command beside such as do not.
    core.roll(0, &later);
    core.roll(1, &later);
    let mut connection = core.nodes[0].connect().unwrap();
    let refused = error(call(&mut connection, &["NEXTLEVEL", "capitals"]));
    assert!(refused.contains(&format!("needs feature level {}", level + 1)), "{refused}");
    assert!(refused.contains("flotilla admin upgrade finish"), "{refused}");
    let (is_done, text) = asked(&core.nodes[0], &["upgrade", "finish"]);
    assert!(!is_done && text.contains(&format!("core-2 understands levels up to {level}")), "{text}");
    core.roll(2, &later);
    let (is_done, text) = asked(&core.nodes[2], &["upgrade", "finish"]);
    assert!(!is_done && text.contains("the edge edge-oslo of site oslo"), "{text}");
    roll_edge(&mut edges[0], &later);
    assert_all_equal(&core, &edges, &load);
    // An edge that is away when the level is raised does not follow when it comes back, and serves what it had.
    edges[1].stop(Stop::Terminate).unwrap();
    eventually("the core forgets the edge that is away", || {
        let (_, text) = asked(&core.nodes[0], &["upgrade", "finish"]);
        text.contains(&format!("OK the feature level is {}", level + 1))
    });
    edges[1].start_again().unwrap();
    wait_for_data(&edges[1]);
    for node in &core.nodes {
        eventually("every node is at the new level", || info(node, "flotilla_feature_level") == level + 1);
    }
    let (_, text) = asked(&core.nodes[1], &["status"]);
    assert!(text.contains(&format!("feature level {}\n", level + 1)), "{text}");
    assert!(text.contains(&format!("3-{}", level + 1)), "{text}");
    assert_eq!(stored(&core.nodes[1], "lower"), members(&["capitals"]), "the new level is active");
    assert_eq!(call(&mut core.nodes[2].connect().unwrap(), &["NEXTLEVEL", "lower"]), Value::Integer(1));
    eventually("the old edge says why it does not follow", || {
        let (status, body) = edges[1].http("/readyz").unwrap();
        let cut = field(&edges[1], "flotilla_edge_cut").unwrap_or_default();
        status == 200 && [body, cut].iter().all(|text| text.contains(&format!("feature level {}", level + 1)))
    });
    assert_eq!(info(&edges[1], "flotilla_feature_level"), level);
    let there = call(&mut edges[1].connect().unwrap(), &["EXISTS", "capitals"]);
    assert_eq!(there, Value::Integer(1), "it serves what it had");
    roll_edge(&mut edges[1], &later);
    load.goes_on(SOME);
    assert_all_equal(&core, &edges, &load);
    // There is no way back, and nothing is lost in trying.
    let node = &mut core.nodes[0];
    node.stop(Stop::Terminate).unwrap();
    node.change_program(&current);
    node.spawn_again().unwrap();
    let status = node.wait_until_gone(Duration::from_secs(20)).unwrap();
    let said = node.log_tail();
    assert!(!status.success() && said.contains(&format!("feature level {}", level + 1)), "{said}");
    assert!(said.contains(&format!("understands levels 3 to {level}")), "{said}");
    node.change_program(&later);
    node.start_again().unwrap();
    core.wait_until_ready();
    assert_all_equal(&core, &edges, &load);
    for reader in readers {
        assert!(reader.stop() > 0, "no read at an edge");
    }
    core.wait_until_ready();
    let written = load.all_is_there(&core.nodes[core.leader().unwrap()]);
    assert!(written as u64 > SOME * 10, "{written} writes");
    core.wait_until_agreed().unwrap();
    assert_same_state(&core.nodes[0], &edges.iter().collect::<Vec<_>>());
}

/// A build of the level below may not come in, one above may; automatic: the level is raised once nobody is below it.
#[test]
fn an_automatic_upgrade_waits_for_the_last_node_and_a_build_of_an_earlier_level_is_not_let_in() {
    let (current, later) = (builds::current(), builds::later());
    let mut core = Cluster::start(&current, NODES, &[]).unwrap();
    core.wait_until_agreed().unwrap();
    let level = founded_level(&core);
    core.join(&later, "core-3", &[]).unwrap();
    core.wait_until_ready();
    for index in 0..NODES {
        assert_eq!(info(&core.nodes[index], "flotilla_feature_level"), level, "a node understands less");
        core.roll(index, &later);
    }
    for node in &core.nodes {
        eventually("the level is raised", || info(node, "flotilla_feature_level") == level + 1);
    }
    let contacts: Vec<String> = core.nodes.iter().map(Server::peer_address).collect();
    let args = ["--node-name", "core-4", "--join", &contacts.join(",")].map(str::to_owned);
    let late = Server::spawn(&current, &args).unwrap();
    let text = format!(
        "the program of core-4 understands feature levels up to {level}, and the core is at {}",
        level + 1
    );
    eventually("the older build is refused by name", || late.has_said(&text));
    assert_equal(&core);
}

/// The proof that the test would notice: a changed handler that does not ask for the level.
#[test]
fn a_handler_that_forgets_to_ask_for_the_level_is_found_by_verify() {
    let (current, ungated) = (builds::current(), builds::ungated());
    let args = ["--auto-upgrade", "no", "--repair-damaged", "no"];
    let mut core = Cluster::start(&current, NODES, &args).unwrap();
    core.wait_until_agreed().unwrap();
    assert_equal(&core);
    let behind = (core.leader().unwrap() + 1) % NODES;
    core.roll(behind, &ungated);
    assert_equal(&core);
    let leader = core.leader().unwrap();
    call(&mut core.nodes[leader].connect().unwrap(), &["SADD", "capitals", "CAPITALS"]);
    let (is_equal, text) = asked(&core.nodes[leader], &["verify"]);
    assert!(!is_equal && text.contains("NOT all nodes have the same state"), "{text}");
}
