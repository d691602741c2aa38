//! Rounds: clients, a fault, checks.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Received;
use crate::recorder::Dice;
use crate::value::Value;

use super::append::{self, Fate, Step, Txn};
use super::clients::{self, Round};
use super::faults::{Fault, KINDS, field, heal, leader};
use super::net::Network;
use super::register::{self, Event};

const REGISTER_CLIENTS: u32 = 6;
const APPEND_CLIENTS: u32 = 5;
const CALM: Duration = Duration::from_millis(600);
const AGREE_MAX: Duration = Duration::from_secs(60);
/// Operations that a round must get through, fault or not.
const OPERATIONS_MIN: usize = 100;

/// How long, how, and with which program.
#[derive(Clone, Debug)]
pub struct Options {
    pub nodes: usize,
    pub duration: Duration,
    pub seed: u64,
    pub program: PathBuf,
    /// Which faults; each round takes one of them.
    pub faults: Vec<Fault>,
    /// Beside what every node gets.
    pub args: Vec<String>,
}

impl Options {
    pub fn new(program: PathBuf, duration: Duration, seed: u64) -> Options {
        let args = [
            "--log-retain-bytes",
            "1mb",
            "--log-retain-seconds",
            "0",
            "--memtable-bytes",
            "1mb",
            "--hot-cache-bytes",
            "1mb",
        ];
        let args = args.iter().map(|word| (*word).to_owned()).collect();
        Options { nodes: 3, duration, seed, program, faults: KINDS.to_vec(), args }
    }
}

/// What a run has come to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub rounds: u64,
    pub operations: usize,
    pub transactions: usize,
    pub unknown: usize,
    pub undecided: usize,
    pub faults: BTreeMap<Fault, u64>,
    pub violations: Vec<String>,
}

/// Runs until the time is up or something is found. An error is a fault of the test itself, or of a node that stays down.
pub fn run(options: &Options) -> io::Result<Outcome> {
    // Sockets of this thread go where the clients are; so the work is done on a thread of its own.
    thread::scope(|scope| {
        scope.spawn(|| rounds(options)).join().unwrap_or_else(|_| Err(io::Error::other("panic")))
    })
}

fn rounds(options: &Options) -> io::Result<Outcome> {
    let mut network = Network::new(options.nodes, options.program.clone())?;
    network.enter()?;
    let list: Vec<String> =
        (0..options.nodes).map(|index| format!("core-{index}={}", network.peer_address(index))).collect();
    for index in 0..options.nodes {
        let own = ["--cluster".to_owned(), list.join(",")];
        let args = network.common_args(index).into_iter().chain(own).chain(options.args.clone());
        network.nodes[index].args = args.collect();
        network.nodes[index].start()?;
    }
    let (began, serial) = (Instant::now(), AtomicU64::new(1));
    let mut dice = Dice::new(options.seed);
    let mut outcome = Outcome::default();
    let mut minute = 0;
    while began.elapsed() < options.duration && outcome.violations.is_empty() {
        if let Err(error) = agree(&mut network, outcome.rounds > 0) {
            return Err(keep(network, options, error));
        }
        let fault = options.faults[dice.below(options.faults.len() as u64) as usize];
        outcome.rounds += 1;
        *outcome.faults.entry(fault).or_default() += 1;
        if let Err(error) = round(&mut network, fault, &serial, &mut dice, &mut outcome) {
            let error = io::Error::other(format!("round {} ({fault:?}): {error}", outcome.rounds));
            return Err(keep(network, options, error));
        }
        if began.elapsed().as_secs() / 60 > minute {
            minute = began.elapsed().as_secs() / 60;
            println!(
                "{minute} min: {} rounds, {} operations, {} transactions, {} of unknown outcome, {} violations",
                outcome.rounds,
                outcome.operations,
                outcome.transactions,
                outcome.unknown,
                outcome.violations.len()
            );
        }
    }
    if outcome.violations.is_empty() {
        if let Err(error) = agree(&mut network, true) {
            return Err(keep(network, options, error));
        }
    } else {
        println!("{}", keep(network, options, io::Error::other("violations")));
    }
    Ok(outcome)
}

/// Leaves the nodes' directories for who looks into it.
fn keep(mut network: Network, options: &Options, error: io::Error) -> io::Error {
    for node in &mut network.nodes {
        node.kill();
    }
    network.home.disable_cleanup(true);
    let home = network.home.path().display().to_string();
    io::Error::new(error.kind(), format!("seed {}: {error}; logs and data are in {home}", options.seed))
}

fn round(
    network: &mut Network,
    fault: Fault,
    serial: &AtomicU64,
    dice: &mut Dice,
    outcome: &mut Outcome,
) -> io::Result<()> {
    // The fault needs the nodes to itself, clients only their addresses.
    let addresses = Network::view(network);
    let round = Round {
        network: &addresses,
        number: outcome.rounds,
        began: Instant::now(),
        stop: AtomicBool::new(false),
        serial,
        appends: AtomicU64::new(0),
    };
    let seeds: Vec<u64> = (0..REGISTER_CLIENTS + APPEND_CLIENTS).map(|_| dice.roll()).collect();
    let (injected, events, txns) = thread::scope(|scope| {
        let round = &round;
        let registers: Vec<_> = (0..REGISTER_CLIENTS)
            .map(|client| {
                let dice = Dice::new(seeds[client as usize]);
                scope.spawn(move || clients::register(round, client, dice))
            })
            .collect();
        let appends: Vec<_> = (0..APPEND_CLIENTS)
            .map(|client| {
                let dice = Dice::new(seeds[(REGISTER_CLIENTS + client) as usize]);
                scope.spawn(move || clients::append(round, client, dice))
            })
            .collect();
        thread::sleep(CALM);
        let injected = fault.run(network, dice);
        let healed = heal(network);
        thread::sleep(CALM);
        round.stop.store(true, Ordering::SeqCst);
        let died = || io::Error::other("a client panicked");
        let events: io::Result<Vec<Vec<Event>>> =
            registers.into_iter().map(|client| client.join().map_err(|_| died())?).collect();
        let txns: io::Result<Vec<Vec<Txn>>> =
            appends.into_iter().map(|client| client.join().map_err(|_| died())?).collect();
        (injected.and(healed), events, txns)
    });
    injected?;
    let (events, mut txns) = (events?.concat(), txns?.concat());
    agree(network, false)?;
    let keys: BTreeSet<String> = txns
        .iter()
        .flat_map(|txn| &txn.steps)
        .map(|step| match step {
            Step::Append { key, .. } | Step::Read { key, .. } => key.clone(),
        })
        .collect();
    let keys: Vec<String> = keys.into_iter().collect();
    for node in 0..network.nodes.len() {
        let read = clients::read_all(&round, node, &keys)?;
        if !matches!(read.fate, Fate::Committed { .. }) {
            return Err(io::Error::other(format!("node {node} does not serve after all is healed")));
        }
        txns.push(read);
    }
    outcome.operations += events.len();
    outcome.transactions += txns.len();
    outcome.unknown += events.iter().filter(|event| event.returned_at.is_none()).count();
    outcome.unknown += txns.iter().filter(|txn| txn.fate == Fate::Unknown).count();
    if events.len() + txns.len() < OPERATIONS_MIN {
        outcome.violations.push(format!("{fault:?}: only {} operations", events.len() + txns.len()));
    }
    let findings = register::check(&events);
    outcome.undecided += findings.undecided;
    let complaints = findings.violations.into_iter().chain(append::check(&txns));
    outcome.violations.extend(complaints.map(|text| format!("round {} ({fault:?}): {text}", round.number)));
    Ok(())
}

/// Waits until one node leads, all have applied the same and all are voters; with `verify` their states are compared.
fn agree(network: &mut Network, verify: bool) -> io::Result<()> {
    let deadline = Instant::now() + AGREE_MAX;
    loop {
        for node in &mut network.nodes {
            if !node.is_running() {
                let log = std::fs::read_to_string(node.log()).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                return Err(io::Error::other(format!("core-{} has ended by itself: {tail:?}", node.index)));
            }
        }
        let indexes: Vec<Option<String>> = (0..network.nodes.len())
            .map(|node| field(network, node, "flotilla_raft_applied_index"))
            .collect();
        let same = indexes.windows(2).all(|pair| pair[0].is_some() && pair[0] == pair[1]);
        if same
            && let Some(leader) = leader(network)
            && are_all_voters(network, leader)
        {
            if verify {
                return compare(network, leader);
            }
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("no agreement in {AGREE_MAX:?}: applied {indexes:?}")));
        }
        thread::sleep(Duration::from_millis(30));
    }
}

fn ask(network: &Network, node: usize, words: &[&str]) -> io::Result<String> {
    let mut connection = network.connect(node)?;
    connection.set_deadline(Duration::from_secs(120));
    match connection.call(words)? {
        Received::Reply(Value::Bulk(text)) => Ok(String::from_utf8_lossy(&text).into_owned()),
        other => Err(io::Error::other(format!("{words:?} answered {other:?}"))),
    }
}

fn are_all_voters(network: &Network, leader: usize) -> bool {
    let Ok(status) = ask(network, leader, &["CORE", "STATUS"]) else { return false };
    let Ok(status) = serde_json::from_str::<serde_json::Value>(&status) else { return false };
    let roles = status["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|node| node["role"].as_str().unwrap_or("?").to_owned());
    let mut roles: Vec<String> = roles.collect();
    roles.sort();
    let wanted = [vec!["leader".to_owned()], vec!["voter".to_owned(); network.nodes.len() - 1]].concat();
    roles == wanted && status["change_under_way"] == false
}

fn compare(network: &Network, leader: usize) -> io::Result<()> {
    let told = ask(network, leader, &["CORE", "VERIFY"])?;
    let told: serde_json::Value = serde_json::from_str(&told).map_err(io::Error::other)?;
    match told["equal"] == true {
        true => Ok(()),
        false => Err(io::Error::other(format!("the nodes' states differ: {told}"))),
    }
}
