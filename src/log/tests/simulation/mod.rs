//! The log layer of several nodes, simulated: one thread, one seed, the same run every time.

mod checker;
mod command;
mod nemesis;
mod node;
mod run;
mod world;

use crate::tests::stage::Mutant;
use run::run;
use std::time::Instant;

const SEEDS: u64 = 10;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs a seed and says what came of it; a violation fails the test.
fn check(seed: u64) -> u64 {
    let began = Instant::now();
    if let Ok(filter) = std::env::var("SIM_LOG") {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        // Set already by the seed before.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).without_time().try_init();
    }
    let outcome = run(seed, None);
    println!("seed {seed}: {} trace {:016x}, took {:?}", outcome.summary, outcome.hash, began.elapsed());
    if let Some((text, last)) = outcome.violation {
        panic!("{last}\nseed {seed}: {text}\nagain: make sim SEED={seed}");
    }
    outcome.hash
}

#[test]
fn what_must_hold_holds_whatever_goes_wrong() {
    let first = variable("SIM_SEED").unwrap_or(1);
    let seeds = variable("SIM_SEEDS").unwrap_or(if variable("SIM_SEED").is_some() { 1 } else { SEEDS });
    (first..first + seeds).for_each(|seed| {
        check(seed);
    });
}

#[test]
fn the_same_seed_is_the_same_run() {
    let seed = variable("SIM_SEED").unwrap_or(7);
    assert_eq!(check(seed), check(seed), "seed {seed}");
}

/// Seeds that a mutant may take to be found.
const MUTANT_SEEDS: u64 = 40;

#[test]
fn broken_rules_are_noticed() {
    for mutant in [
        Mutant::VoteAnsweredEarly,
        Mutant::VoteNotSynced,
        Mutant::AppendAnsweredEarly,
        Mutant::AppendNotSynced,
        Mutant::TruncationSkipped,
        Mutant::NamesNotSynced,
    ] {
        let found = (1..=MUTANT_SEEDS).find_map(|seed| Some((seed, run(seed, Some(mutant)).violation?.0)));
        let (seed, text) = found.unwrap_or_else(|| panic!("{mutant:?} was not noticed"));
        println!("{mutant:?} was noticed with seed {seed}: {text}");
    }
}
