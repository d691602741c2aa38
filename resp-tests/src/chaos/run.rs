//! Rounds: clients, a fault, checks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::dice::Dice;

use super::append::{self, Fate, Step, Txn};
use super::clients::{self, Round};
use super::edges::{self, Seen};
use super::failure::Failure;
use super::fault::{Fault, KINDS};
use super::inject::{Pace, Stage};
use super::net::Network;
use super::register::{self, Event};
use super::schedule::{Order, Schedule};
use super::speed::{self, Phases};
use super::standstill::Standstill;
use super::types::{self, Typed};
use super::watch::{agree, ask, compare, wait_for_leader, wait_for_level};
use crate::command::must;

const REGISTER_CLIENTS: u32 = 6;
const APPEND_CLIENTS: u32 = 5;
const TYPES_CLIENTS: u32 = 4;
const CALM: Duration = Duration::from_millis(600);
/// Clients are at work when they have got so many answers.
const ANSWERS_FIRST: u64 = 30;
const ANSWERS_MAX: Duration = Duration::from_secs(30);
/// Operations that a round must get through whatever the fault: fewer would show nothing.
const OPERATIONS_MIN: usize = 100;
/// Keys of earlier rounds go after so many, or a long run would fill the nodes' disks by itself.
const FLUSH_EVERY: u64 = 20;
/// When all is healed every node serves, if not at once (on a busy machine leaders change by themselves).
const SERVE_MAX: Duration = Duration::from_secs(20);
/// One round of so many may go unjudged for speed because the machine stood still; more, and the run shows too little.
const UNJUDGED_SHARE: u64 = 10;
const FLUSH_MAX: Duration = Duration::from_secs(30);

/// How long, how, and with which program.
#[derive(Clone, Debug)]
pub struct Options {
    pub nodes: usize,
    /// Whether there are edges, which are read.
    pub has_edges: bool,
    pub duration: Duration,
    pub seed: u64,
    pub program: PathBuf,
    /// Which faults; those that need more nodes are left out.
    pub faults: Vec<Fault>,
    pub order: Order,
    pub pace: Pace,
    /// Beside what every node gets.
    pub args: Vec<String>,
}

impl Options {
    /// All faults, on nodes that keep as little log and memory as they can.
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
        let (faults, order, pace) = (KINDS.to_vec(), Order::Drawn, Pace::Drawn);
        Options { nodes: 3, has_edges: true, duration, seed, program, faults, order, pace, args }
    }
}

/// What the rounds of one fault have come to.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    pub rounds: u64,
    /// The longest time without an acknowledged write.
    pub gap_max: Duration,
    /// The lowest rate of operations during the fault, as a share of that before it.
    pub rate_min: f64,
    /// The longest time from the heal until all nodes were one core again.
    pub agreed_max: Duration,
}

/// What a run has come to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub rounds: u64,
    pub operations: usize,
    pub transactions: usize,
    /// On values of other types than strings and appended lists.
    pub of_types: usize,
    pub unknown: usize,
    /// At edges.
    pub reads: u64,
    pub undecided: usize,
    /// Rounds in which the machine stood still: nothing is said of their speed.
    pub unjudged: u64,
    pub faults: BTreeMap<Fault, Tally>,
    pub violations: Vec<String>,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Outcome { rounds, operations, transactions, of_types, unknown, reads, .. } = self;
        writeln!(
            f,
            "{rounds} rounds, {operations} operations, {transactions} transactions, {of_types} on other types, \
             {unknown} of unknown outcome, {reads} reads at edges"
        )?;
        writeln!(
            f,
            "{:<18} {:>6} {:>14} {:>12} {:>12}",
            "fault", "rounds", "longest gap ms", "least rate %", "agreed ms"
        )?;
        for (fault, tally) in &self.faults {
            let (gap, agreed) = (tally.gap_max.as_millis(), tally.agreed_max.as_millis());
            let (fault, rate) = (format!("{fault:?}"), tally.rate_min * 100.0);
            writeln!(f, "{fault:<18} {:>6} {gap:>14} {rate:>12.0} {agreed:>12}", tally.rounds)?;
        }
        Ok(())
    }
}

/// Runs until the time is up or a violation is found.
pub fn run(options: &Options) -> Result<Outcome, Failure> {
    // Sockets of this thread go where the clients are; so the work is done on a thread of its own.
    thread::scope(|scope| {
        let panicked = |_| Err(Failure::harness(format!("seed {}: it panicked", options.seed)));
        scope.spawn(|| rounds(options)).join().unwrap_or_else(panicked)
    })
}

fn rounds(options: &Options) -> Result<Outcome, Failure> {
    let network = Network::new(options.nodes, options.has_edges, &options.program, &options.args)?;
    network.enter()?;
    for node in network.core() {
        network.nodes[node].start()?;
    }
    for edge in network.edges() {
        network.nodes[edge].start()?;
    }
    let faults: Vec<Fault> =
        options.faults.iter().copied().filter(|fault| options.has_edges || !fault.needs_edges()).collect();
    let mut run = Run {
        dice: Dice::new(options.seed),
        schedule: Schedule::new(&faults, options.nodes, options.order),
        serial: AtomicU64::new(1),
        outcome: Outcome::default(),
        standstill: Standstill::watch(),
        network: &network,
        options,
    };
    let ran = run.all();
    let outcome = run.outcome;
    match &ran {
        Ok(()) if outcome.violations.is_empty() => return Ok(outcome),
        Ok(()) => {}
        Err(_) => println!("{outcome}"),
    }
    let home = keep(network);
    match ran {
        Ok(()) => println!("logs and data are in {home}"),
        Err(failure) => {
            return Err(failure.during(&format!("seed {}, logs and data in {home}", options.seed)));
        }
    }
    Ok(outcome)
}

/// Leaves the nodes' logs and data for who looks into it; says where.
fn keep(mut network: Network) -> String {
    for node in &network.nodes {
        node.kill();
        let copy = network.home.path().join(format!("{}.data", node.name));
        // The disk goes away with the run. A copy that fails leaves the logs at least.
        let _ = must(&["cp", "-a", &node.directory().display().to_string(), &copy.display().to_string()]);
    }
    network.home.disable_cleanup(true);
    network.home.path().display().to_string()
}

struct Run<'a> {
    network: &'a Network,
    options: &'a Options,
    dice: Dice,
    schedule: Schedule,
    /// The next value or token: none is used twice.
    serial: AtomicU64,
    outcome: Outcome,
    standstill: Standstill,
}

impl Run<'_> {
    fn all(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        let mut minute = 0;
        agree(self.network)?;
        wait_for_level(self.network)?;
        while self.outcome.violations.is_empty()
            && (began.elapsed() < self.options.duration || !self.schedule.may_end())
        {
            let fault = self.schedule.next(&mut self.dice);
            self.outcome.rounds += 1;
            let number = self.outcome.rounds;
            self.round(fault).map_err(|failure| failure.during(&format!("round {number} ({fault:?})")))?;
            if number.is_multiple_of(FLUSH_EVERY) {
                let leader = wait_for_leader(self.network)?;
                ask(self.network, leader, &["FLUSHALL"], FLUSH_MAX)
                    .map_err(|error| Failure::server(error.to_string()))?;
                agree(self.network)?;
            }
            if began.elapsed().as_secs() / 60 > minute {
                minute = began.elapsed().as_secs() / 60;
                let Outcome { rounds, operations, transactions, unknown, violations, .. } = &self.outcome;
                let violations = violations.len();
                println!(
                    "{minute} min: {rounds} rounds, {operations} operations, {transactions} transactions, \
                     {unknown} of unknown outcome, {violations} violations"
                );
            }
        }
        let Outcome { rounds, unjudged, .. } = self.outcome;
        match unjudged > rounds / UNJUDGED_SHARE + 1 {
            true => {
                Err(Failure::harness(format!("the machine stood still in {unjudged} of {rounds} rounds")))
            }
            false => Ok(()),
        }
    }

    fn round(&mut self, fault: Fault) -> Result<(), Failure> {
        let (view, lost_before) = (self.network.view(), self.standstill.lost());
        let round = Round {
            view: &view,
            number: self.outcome.rounds,
            began: Instant::now(),
            stop: AtomicBool::new(false),
            serial: &self.serial,
            appends: AtomicU64::new(0),
            answers: AtomicU64::new(0),
        };
        let dice: Vec<Dice> = (0..=REGISTER_CLIENTS + APPEND_CLIENTS + TYPES_CLIENTS)
            .map(|_| Dice::new(self.dice.roll()))
            .collect();
        let mut played = play(self.network, &round, fault, self.options.pace, &dice)?;
        let agreed = agree(self.network)?;
        let keys: BTreeSet<String> = played.txns.iter().flat_map(|txn| &txn.steps).map(Step::key).collect();
        let keys: Vec<String> = keys.into_iter().collect();
        for node in self.network.core() {
            played.txns.push(clients::read_all(&round, node, &keys, SERVE_MAX)?);
        }
        let node = u32::try_from(round.number).unwrap_or(0);
        types::finish(&round, node, &mut played.typed, SERVE_MAX)?;
        played.events.append(&mut played.typed.events);
        compare(self.network)?;
        let lists = played.txns.last().map(edges::lists).unwrap_or_default();
        let wrong: Vec<String> = played.seen.iter().flat_map(|seen| seen.check(&lists)).collect();
        self.outcome.reads += played.seen.iter().map(|seen| seen.reads).sum::<u64>();
        let number = self.outcome.rounds;
        self.outcome
            .violations
            .extend(wrong.into_iter().map(|text| format!("round {number} ({fault:?}): {text}")));
        if self.outcome.violations.is_empty() {
            (0..view.edges.len()).try_for_each(|edge| edges::catch_up(&round, edge, &lists))?;
        }
        let lost = self.standstill.lost().saturating_sub(lost_before);
        self.judge(fault, &played, agreed, lost);
        Ok(())
    }

    /// Counts what happened, and checks it.
    fn judge(&mut self, fault: Fault, played: &Played, agreed: Duration, lost: Duration) {
        let Played { phases, events, txns, typed, .. } = played;
        let count = events.len() + txns.len() + typed.operations;
        let outcome = &mut self.outcome;
        outcome.operations += events.len();
        outcome.of_types += typed.operations;
        outcome.transactions += txns.len();
        outcome.unknown += events.iter().filter(|event| event.returned_at.is_none()).count();
        outcome.unknown += typed.unknown;
        outcome.unknown += txns.iter().filter(|txn| txn.fate == Fate::Unknown).count();
        let answers: Vec<i64> = events
            .iter()
            .filter_map(|event| event.returned_at)
            .chain(txns.iter().filter_map(Txn::answered_at))
            .chain(typed.answers.iter().copied())
            .collect();
        let writes = events.iter().filter(|event| event.is_write()).filter_map(|event| event.returned_at);
        let appends = txns.iter().filter(|txn| txn.appends()).filter_map(Txn::answered_at);
        let measured = speed::measure(
            &answers,
            writes.chain(appends).chain(typed.writes.iter().copied()).collect(),
            *phases,
        );
        let mut complaints = Vec::new();
        let fresh =
            Tally { rounds: 0, gap_max: Duration::ZERO, rate_min: f64::MAX, agreed_max: Duration::ZERO };
        let tally = outcome.faults.entry(fault).or_insert(fresh);
        tally.rounds += 1;
        if lost.is_zero() {
            tally.gap_max = tally.gap_max.max(measured.gap_max);
            tally.rate_min = tally.rate_min.min(measured.rate);
            tally.agreed_max = tally.agreed_max.max(agreed);
            complaints.extend(measured.complaints(fault.promise()));
        } else {
            outcome.unjudged += 1;
            println!("  the machine stood still for {lost:?}; {fault:?} is not judged for speed");
        }
        if count < OPERATIONS_MIN {
            complaints.push(format!("only {count} operations"));
        }
        let findings = register::check(events);
        outcome.undecided += findings.undecided;
        complaints.extend(findings.violations);
        complaints.extend(append::check(txns));
        // Nodes that are all away at once with wrong clocks expire by these when they come back.
        complaints.extend(typed.check(fault != Fault::Several));
        let number = outcome.rounds;
        outcome
            .violations
            .extend(complaints.into_iter().map(|text| format!("round {number} ({fault:?}): {text}")));
    }
}

/// What a round was, and what its clients saw.
struct Played {
    phases: Phases,
    events: Vec<Event>,
    txns: Vec<Txn>,
    seen: Vec<Seen>,
    typed: Typed,
}

/// Clients at work, calm, the fault, calm.
fn play(
    network: &Network,
    round: &Round<'_>,
    fault: Fault,
    pace: Pace,
    dice: &[Dice],
) -> Result<Played, Failure> {
    thread::scope(|scope| {
        let mut dice = dice.iter().cloned();
        let mut next = || dice.next().unwrap_or_else(|| Dice::new(0));
        let registers: Vec<_> = (0..REGISTER_CLIENTS)
            .map(|client| (client, next()))
            .map(|(client, dice)| scope.spawn(move || clients::register(round, client, dice)))
            .collect();
        let appends: Vec<_> = (0..APPEND_CLIENTS)
            .map(|client| (client, next()))
            .map(|(client, dice)| scope.spawn(move || clients::append(round, client, dice)))
            .collect();
        let typed: Vec<_> = (0..TYPES_CLIENTS)
            .map(|client| (client, next()))
            .map(|(client, dice)| scope.spawn(move || types::work(round, client, dice)))
            .collect();
        let readers: Vec<_> =
            (0..round.view.edges.len()).map(|edge| scope.spawn(move || edges::read(round, edge))).collect();
        let working = round.wait_for_answers(ANSWERS_FIRST, ANSWERS_MAX);
        let calm_at = round.now();
        thread::sleep(CALM);
        let fault_at = round.now();
        let injected =
            working.and_then(|()| Stage::new(network, next(), pace)).and_then(|mut stage| stage.play(fault));
        let healed = network.heal();
        thread::sleep(CALM);
        let phases = Phases { calm_at, fault_at, stopped_at: round.now() };
        round.stop.store(true, Ordering::SeqCst);
        let events: Vec<_> = registers.into_iter().map(join).collect();
        let txns: Vec<_> = appends.into_iter().map(join).collect();
        let typed: Vec<_> = typed.into_iter().map(join).collect();
        let seen: Vec<_> = readers.into_iter().map(join).collect();
        injected?;
        healed?;
        let events: Vec<Vec<Event>> = events.into_iter().collect::<Result<_, _>>()?;
        let txns: Vec<Vec<Txn>> = txns.into_iter().collect::<Result<_, _>>()?;
        let seen = seen.into_iter().collect::<Result<_, _>>()?;
        let mut all = Typed::default();
        for one in typed {
            all.append(one?);
        }
        Ok(Played { phases, events: events.concat(), txns: txns.concat(), seen, typed: all })
    })
}

fn join<T>(client: thread::ScopedJoinHandle<'_, Result<T, Failure>>) -> Result<T, Failure> {
    client.join().unwrap_or_else(|_| Err(Failure::harness("a client panicked")))
}
