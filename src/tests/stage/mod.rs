//! A stage: the clock, the dice, the network and the disks of simulated machines, all on one thread and all from one
//! seed. What plays on it is the product's own code (`replication/tests/simulation` puts it there).
//!
//! A thread that has a stage is in a simulation. Nodes get the stage as their `Environment` (`world.rs`), `Network`
//! (`network.rs`) and `StopPolicy`, and know no more of it; what a mutant breaks is decided here. Everywhere else the product
//! runs as it does in production, on tokio's paused clock.

pub(crate) mod disk;
pub(crate) mod network;
mod trace;
mod world;

pub(crate) use network::Links;
pub(crate) use resp_tests::dice::Dice;
pub(crate) use trace::Trace;
pub(crate) use world::ENVIRONMENT;

use crate::{
    environment::{Rule, never_wait},
    fail::{StopPolicy, set_stop_policy},
};
use disk::Disk;
use network::Network;
use std::{
    cell::{Cell, RefCell},
    panic::resume_unwind,
    rc::Rc,
};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Stage>>> = const { RefCell::new(None) };
}

/// Wall clocks begin here; any moment will do.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// What a question without a stage is told.
const ON_STAGE: &str = "a simulated node runs on the thread of its stage";

/// Polls in a millisecond of all nodes; a usual one has some dozens.
const POLLS_MAX: u64 = 20_000;

/// A rule that a run breaks on purpose, to show that the checks notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// A vote is answered while it waits for its turn to be written.
    VoteAnsweredEarly,
    /// `STATE` is replaced without the syncs.
    VoteNotSynced,
    /// The log says that entries are durable while they wait for their turn to be written.
    AppendAnsweredEarly,
    /// Entries are written, but no sync follows.
    AppendNotSynced,
    /// A truncation is not written down.
    TruncationSkipped,
    /// A new segment's name is not made durable.
    NamesNotSynced,
    /// A leader reads without looking at its lease.
    LeaseIgnored,
    /// A node votes as soon as it has started, although it may have promised a leader not to.
    VotesAtOnce,
    /// A leader that asks another node to lead reads by its lease all the same. Not one of `ALL`: a run with a plot finds it.
    LeaseKept,
    /// A leader sets log time to what wall clocks say.
    WallClockFollowed,
    /// What the log has up to where the store stands is fed to edges as it is.
    FeedTrustsStore,
}

impl Mutant {
    pub(crate) const ALL: [Mutant; 10] = [
        Mutant::VoteAnsweredEarly,
        Mutant::VoteNotSynced,
        Mutant::AppendAnsweredEarly,
        Mutant::AppendNotSynced,
        Mutant::TruncationSkipped,
        Mutant::NamesNotSynced,
        Mutant::LeaseIgnored,
        Mutant::VotesAtOnce,
        Mutant::WallClockFollowed,
        Mutant::FeedTrustsStore,
    ];

    /// The rule of the product's that it breaks; `None`: it breaks the disk, or what is queued for it.
    fn breaks(self) -> Option<Rule> {
        match self {
            Mutant::LeaseIgnored => Some(Rule::LeaseToRead),
            Mutant::LeaseKept => Some(Rule::LeaseEndsWithOffer),
            Mutant::VotesAtOnce => Some(Rule::VotesLater),
            Mutant::WallClockFollowed => Some(Rule::LogTimeIsBent),
            Mutant::FeedTrustsStore => Some(Rule::FeedsCommitted),
            Mutant::VoteAnsweredEarly
            | Mutant::VoteNotSynced
            | Mutant::AppendAnsweredEarly
            | Mutant::AppendNotSynced
            | Mutant::TruncationSkipped
            | Mutant::NamesNotSynced => None,
        }
    }

    /// By its name here.
    pub(crate) fn named(name: &str) -> Option<Mutant> {
        Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name)
    }
}

/// What a thread would own, as the product handed it over.
pub(crate) type Thread = Box<dyn std::any::Any>;

/// What does the work of a thread when there are none.
pub(crate) trait Worker {
    /// Takes in what is asked; whether there is anything to do.
    fn gather(&mut self) -> bool;
    /// Does all of it.
    fn work(&mut self);
}

/// See the module.
pub(crate) struct Stage {
    /// Virtual time since the beginning.
    now_ms: Cell<u64>,
    /// On behalf of which node this thread runs.
    node: Cell<usize>,
    /// By how much the wall clock of each node is wrong.
    skews_ms: RefCell<Vec<i64>>,
    /// How far the monotonic clock of each node goes in a second, ms.
    paces: RefCell<Vec<u64>>,
    dice: RefCell<Dice>,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) network: RefCell<Network>,
    pub(crate) disk: RefCell<Disk>,
    pub(crate) trace: RefCell<Trace>,
    hosted: RefCell<Vec<Thread>>,
    /// Times that tasks of openraft's were polled since time went by.
    polls: Cell<u64>,
    stopped: RefCell<Vec<(usize, String)>>,
}

/// A node stopped itself.
struct Stopped;

impl Stage {
    pub(crate) fn new(seed: u64, addresses: Vec<String>, mutant: Option<Mutant>) -> Rc<Self> {
        let mut dice = Dice::new(seed);
        let nodes = addresses.len();
        Rc::new(Stage {
            now_ms: Cell::new(0),
            node: Cell::new(0),
            skews_ms: RefCell::new((0..nodes).map(|_| dice.below(1000) as i64 - 500).collect()),
            paces: RefCell::new(vec![1000; nodes]),
            mutant,
            network: RefCell::new(Network::new(dice.fork(), addresses)),
            disk: RefCell::new(Disk::new(dice.fork())),
            trace: RefCell::default(),
            dice: RefCell::new(dice),
            hosted: RefCell::default(),
            polls: Cell::new(0),
            stopped: RefCell::default(),
        })
    }

    /// Makes it the one of this thread until the guard is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Entered {
        CURRENT.with_borrow_mut(|current| *current = Some(Rc::clone(self)));
        never_wait(true);
        // The policy is the process's; a thread without a stage ends it as always.
        set_stop_policy(StopPolicy { stops: stop, ends_on_panic: || current().is_none() });
        Entered
    }

    pub(crate) fn now(&self) -> u64 {
        self.now_ms.get()
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.polls.set(0);
        self.now_ms.set(self.now() + ms);
    }

    pub(crate) fn node(&self) -> usize {
        self.node.get()
    }

    /// What happens from here on happens on this node.
    pub(crate) fn turn_to(&self, node: usize) {
        self.node.set(node);
    }

    /// The wall clock of a node is wrong by so much from here on.
    pub(crate) fn set_skew(&self, node: usize, ms: i64) {
        self.skews_ms.borrow_mut()[node] = ms;
    }

    /// The monotonic clock of a node goes so far in a second.
    pub(crate) fn set_pace(&self, node: usize, ms: u64) {
        self.paces.borrow_mut()[node] = ms;
    }

    /// Threads of the node that is being started, for whoever runs it to do their work.
    pub(crate) fn hosted(&self) -> Vec<Thread> {
        self.hosted.take()
    }

    /// Which nodes stopped themselves, and why; forgets it.
    pub(crate) fn stopped(&self) -> Vec<(usize, String)> {
        self.stopped.take()
    }

    pub(crate) fn count(&self, what: &str, times: u64) {
        self.trace.borrow_mut().count(what, times);
    }

    /// A line of the history.
    pub(crate) fn note(&self, text: std::fmt::Arguments<'_>) {
        self.trace.borrow_mut().add(self.now(), self.node(), text);
    }
}

/// While it lives, its thread has a stage.
pub(crate) struct Entered;

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| *current = None);
        never_wait(false);
    }
}

/// The stage of this thread.
pub(crate) fn current() -> Option<Rc<Stage>> {
    // Gone already when a thread ends.
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

pub(crate) fn random() -> Option<u64> {
    Some(current()?.dice.borrow_mut().roll())
}

/// A task of openraft's is polled. A node that is never done with what it has to do at one moment would stop time.
pub(crate) fn poll() {
    if let Some(stage) = current() {
        stage.polls.set(stage.polls.get() + 1);
        if stage.polls.get() > POLLS_MAX {
            stop("it is busy without an end");
        }
    }
}

/// The node wants its process to stop: it gets no further, and whoever runs it finds the reason.
fn stop(reason: &str) {
    if let Some(stage) = current() {
        stage.note(format_args!("stops itself: {reason}"));
        stage.stopped.borrow_mut().push((stage.node(), reason.to_owned()));
        resume_unwind(Box::new(Stopped));
    }
}
