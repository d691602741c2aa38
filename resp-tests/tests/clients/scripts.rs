//! Libraries whose work is done by scripts: queues, locks, limits. Each runs against a server alone, at a follower, at an edge (both
//! forward what writes), and while another node begins to lead.
//!
//! ```text
//! program: transfer ─▶ test: lets a node lead that is neither the leader nor the program's own
//! program: held, exit status 0
//! ```
//!
//! `CLIENTS_JOBS=10000` makes the queues that long. Without it they are as long as `make test` has time for.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam::channel::RecvTimeoutError;
use resp_tests::cluster::Cluster;
use resp_tests::edge::support::{edge, upstream};
use resp_tests::installed::installed;
use resp_tests::server::{Program, Server};
use resp_tests::support::variable;

use super::program::{lines_of, source};

/// Jobs of a short queue.
const JOBS: u64 = 300;
/// Celery takes about a twentieth of a second of the processor for each.
const CELERY_JOBS: u64 = 100;
const PROGRAM_MAX: Duration = Duration::from_secs(180);
/// More for each job of a long queue.
const JOB_MAX: Duration = Duration::from_millis(60);

/// Where a program's clients connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Alone,
    Follower,
    Edge,
}

/// Servers for one program.
struct Servers {
    core: Cluster,
    edge: Option<Server>,
    /// The node of the core that the program uses.
    node: usize,
}

impl Servers {
    fn start(place: Place) -> Servers {
        let count = if place == Place::Follower { 3 } else { 1 };
        let core = Cluster::start(&Program::product(), count, &[]).unwrap();
        let leader = core.wait_until_agreed().unwrap();
        let edge = (place == Place::Edge).then(|| edge("fra", &upstream(&core), &[]));
        Servers { node: (leader + 1) % count, core, edge }
    }

    fn port(&self) -> u16 {
        self.edge.as_ref().unwrap_or(&self.core.nodes[self.node]).port
    }

    /// Lets a node lead that does not, and that the program does not use.
    fn transfer(&self) {
        let leader = self.core.wait_until_agreed().unwrap();
        let to = (0..3).find(|node| *node != leader && *node != self.node).unwrap();
        self.core.nodes[leader]
            .connect()
            .unwrap()
            .call(&["CORE", "TRANSFER", &format!("core-{to}")])
            .unwrap();
        assert_ne!(self.core.wait_until_agreed().unwrap(), leader);
    }

    fn logs(&self) -> String {
        let nodes = self.core.nodes.iter().chain(&self.edge);
        nodes.map(Server::log_tail).collect::<Vec<_>>().join("\n---\n")
    }
}

/// Ends its process in any case.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Runs `command PORT JOBS` to its end. It must say `held`, and that it did what it was told to by `LEADER_CHANGE`.
fn holds(command: Command, place: Place, changes_leader: bool) {
    holds_with(command, place, changes_leader, JOBS);
}

/// As `holds`, with so many jobs in a short run.
fn holds_with(mut command: Command, place: Place, changes_leader: bool, jobs: u64) {
    let (servers, jobs) = (Servers::start(place), variable("CLIENTS_JOBS").unwrap_or(jobs));
    command.args([servers.port().to_string(), jobs.to_string()]);
    if changes_leader {
        command.env("LEADER_CHANGE", "yes");
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = Running(child.unwrap());
    let lines = lines_of(&mut child.0);
    let limit = PROGRAM_MAX + JOB_MAX * u32::try_from(jobs).unwrap();
    let (began, mut said) = (Instant::now(), Vec::new());
    let ended = loop {
        match lines.recv_deadline(began + limit) {
            Ok(line) => {
                println!("{line}");
                if line == "transfer" {
                    servers.transfer();
                }
                said.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => break false,
        }
    };
    assert!(ended, "not done in {limit:?}\n{}", servers.logs());
    let has_ended_well = child.0.wait().unwrap().success();
    let has_said = |line: &str| said.iter().any(|one| one == line);
    assert!(has_ended_well && has_said("held"), "{place:?}:\n{}\n{}", said.join("\n"), servers.logs());
    assert_eq!(has_said("transfer"), changes_leader, "whether the leader changed");
    println!("{place:?}, {jobs} jobs: {:?}", began.elapsed());
}

/// BullMQ (delays, retries, priorities, flows, schedulers, rates), Redlock, rate-limiter-flexible, and commands of ioredis.
fn of_node() -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", installed("scripting/node_modules")).arg(source("node/scripts.js"));
    command
}

/// Scripts, functions and locks of redis-py, locks and limits as Spring, Redisson and Laravel have them, RQ, walrus.
fn of_python() -> Command {
    let mut command = Command::new(installed("scripting/bin/python"));
    command.arg(source("python/scripts.py"));
    command
}

/// Celery as broker and as result backend: tasks, groups, chords, revokes.
fn of_celery() -> Command {
    let mut command = Command::new(installed("scripting/bin/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(source("python/applications/many_celery.py"));
    command
}

/// Sidekiq: jobs, scheduled ones, retries.
fn of_sidekiq() -> Command {
    let mut command = Command::new("ruby");
    command.args(["-E", "UTF-8:UTF-8"]).arg(source("ruby/sidekiq/main.rb"));
    command
}

#[test]
fn libraries_of_node_that_work_by_scripts_hold() {
    holds(of_node(), Place::Alone, false);
}

#[test]
fn libraries_of_node_that_work_by_scripts_hold_at_a_follower() {
    holds(of_node(), Place::Follower, false);
}

#[test]
fn libraries_of_node_that_work_by_scripts_hold_at_an_edge() {
    holds(of_node(), Place::Edge, false);
}

#[test]
fn libraries_of_node_that_work_by_scripts_hold_while_the_leader_changes() {
    holds(of_node(), Place::Follower, true);
}

#[test]
fn libraries_of_python_that_work_by_scripts_hold() {
    holds(of_python(), Place::Alone, false);
}

#[test]
fn libraries_of_python_that_work_by_scripts_hold_at_a_follower() {
    holds(of_python(), Place::Follower, false);
}

#[test]
fn libraries_of_python_that_work_by_scripts_hold_at_an_edge() {
    holds(of_python(), Place::Edge, false);
}

#[test]
fn libraries_of_python_that_work_by_scripts_hold_while_the_leader_changes() {
    holds(of_python(), Place::Follower, true);
}

#[test]
fn celery_with_many_tasks_holds_at_a_follower_while_the_leader_changes() {
    holds_with(of_celery(), Place::Follower, true, CELERY_JOBS);
}

#[test]
fn celery_with_many_tasks_holds_at_an_edge() {
    holds_with(of_celery(), Place::Edge, false, CELERY_JOBS);
}

#[test]
fn sidekiq_holds() {
    holds(of_sidekiq(), Place::Alone, false);
}

#[test]
fn sidekiq_holds_at_a_follower_while_the_leader_changes() {
    holds(of_sidekiq(), Place::Follower, true);
}

#[test]
fn sidekiq_holds_at_an_edge() {
    holds(of_sidekiq(), Place::Edge, false);
}
