//! The log layer of three or five nodes, simulated: one thread, one seed, the same run every time.
//!
//! Each node is the product from `GroupHandle` down (batcher, forwarding, openraft, segment files, RocksDB, snapshots,
//! founding, joining), on a tokio runtime of its own whose clock stands until the simulation moves it. What it needs of the
//! world comes from `tests/stage`: a network that delays, loses, doubles and cuts, disks that lose what was not synced.
//! Clients write and read at every node, a nemesis breaks things, and `checker.rs` says what must hold all the while.
//!
//! ```text
//! make sim SEEDS=1000           many runs, from seed 1 or SEED=…, until one fails
//! make sim SEED=17 TRACE=1      one run again, with every line of its history
//! make sim MUTANT=VotesAtOnce SEEDS=50     with a rule broken (stage::Mutant): it must fail
//! ```
//!
//! Not simulated: threads racing within a node, RocksDB losing unsynced files (a crash takes its memtables, not its files),
//! decaying bytes, gRPC itself. The chaos and crash tests cover those.

mod checker;
mod client;
mod command;
mod directed;
mod edge;
mod log_time;
mod nemesis;
mod node;
mod run;
mod world;

use crate::tests::stage::Mutant;
use run::run;
use std::{collections::BTreeMap, time::Instant};

/// Runs of `make test`.
const SEEDS: u64 = 12;
/// Events that these runs must have tried.
const TRIED: [&str; 16] = [
    "reads",
    "writes forwarded",
    "packets lost",
    "calls doubled",
    "conflicting logs",
    "sectors lost",
    "power cuts amid a write",
    "snapshots installed",
    "bootstrap snapshots for edges",
    "disks lost",
    "CrashAll",
    "Freeze",
    "Split",
    "Turncoat",
    "Restart",
    "Clocks",
];
/// A mutant must have been found with one of so many seeds.
const MUTANT_SEEDS: u64 = 40;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs a seed and says what came of it; a violation fails the test.
fn check(seed: u64) -> (u64, BTreeMap<String, u64>) {
    if let Ok(filter) = std::env::var("SIM_LOG") {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        // Set already by the seed before.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).without_time().try_init();
    }
    let mutant = std::env::var("SIM_MUTANT").ok().map(|name| Mutant::named(&name).expect("no such mutant"));
    let began = Instant::now();
    let outcome = run(seed, mutant);
    let took = began.elapsed().as_secs_f64();
    println!("seed {seed}: trace {:016x} in {took:.1} s: {}", outcome.hash, outcome.summary);
    if let Some((text, last)) = outcome.violation {
        panic!("{last}\nseed {seed}: {text}\nagain: make sim SEED={seed} TRACE=1");
    }
    (outcome.hash, outcome.tally)
}

#[test]
fn what_must_hold_holds_whatever_goes_wrong() {
    let first = variable("SIM_SEED").unwrap_or(1);
    let seeds = variable("SIM_SEEDS").unwrap_or(if variable("SIM_SEED").is_some() { 1 } else { SEEDS });
    let mut tally: BTreeMap<String, u64> = BTreeMap::new();
    for seed in first..first + seeds {
        for (what, times) in check(seed).1 {
            *tally.entry(what).or_default() += times;
        }
    }
    println!("{tally:?}");
    let untried = TRIED.iter().filter(|what| tally.get(**what).is_none_or(|times| *times == 0));
    let untried: Vec<_> = untried.collect();
    assert!(seeds < SEEDS || untried.is_empty(), "never happened: {untried:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let seed = variable("SIM_SEED").unwrap_or(7);
    assert_eq!(check(seed), check(seed), "seed {seed}");
}

/// The seed that found a mutant when it was last looked up, which saves the runs before it. A change of the code gives seeds
/// another meaning; then the search goes on from 1, and prints what to write here.
fn likely_seed(mutant: Mutant) -> u64 {
    match mutant {
        Mutant::VoteAnsweredEarly => 7,
        _ => 1,
    }
}

/// The checks can fail: each mutant breaks one rule, and is found.
#[test]
fn broken_rules_are_noticed() {
    for mutant in Mutant::ALL {
        let likely = likely_seed(mutant);
        let seeds = std::iter::once(likely).chain((1..=MUTANT_SEEDS).filter(|seed| *seed != likely));
        let found = seeds.into_iter().find_map(|seed| Some((seed, run(seed, Some(mutant)).violation?.0)));
        let (seed, text) = found.unwrap_or_else(|| panic!("{mutant:?} was not noticed"));
        println!("{mutant:?} was noticed with seed {seed}: {text}");
    }
}
