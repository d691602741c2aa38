//! Faults, clients, checkers: `make chaos` runs this for long, `make test` once through all faults.
//!
//! | variable | means | without it |
//! |---|---|---|
//! | `CHAOS_SECONDS` | one run for so long, and at least one pass | all faults once, on three nodes, then a ring of five |
//! | `CHAOS_SEED` | what is drawn | by the clock; printed |
//! | `CHAOS_NODES` | nodes of the core | 3 |
//! | `CHAOS_EDGES` | `no`: no edges beside the core | one that follows the first node, and a site of three |
//! | `CHAOS_FAULTS` | names of faults, with commas | all |
//! | `CHAOS_DRAWN` | `yes`: faults are drawn one by one, and last longer | passes through all of them, each as short as it can be |
//!
//! Needs root, for network namespaces and loop devices. What fails because of the machine says so: "the TEST ITSELF failed".

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::env;
use std::time::Duration;

use resp_tests::chaos::{Fault, KINDS, Options, Order, Pace, run};
use resp_tests::server::Program;
use resp_tests::support::{seed, variable};

/// The faults that `CHAOS_FAULTS` names.
fn named() -> Option<Vec<Fault>> {
    let names = env::var("CHAOS_FAULTS").ok()?;
    let find = |name: &str| KINDS.into_iter().find(|fault| format!("{fault:?}") == name);
    Some(
        names
            .split(',')
            .map(|name| find(name).unwrap_or_else(|| panic!("no fault is named {name}")))
            .collect(),
    )
}

/// What the environment asks for.
fn runs(seed: u64) -> Vec<Options> {
    let brisk = |seconds| {
        let options = Options::new(Program::product().path, Duration::from_secs(seconds), seed);
        Options { order: Order::Passes, pace: Pace::Brisk, ..options }
    };
    let faults = named();
    if variable("CHAOS_SECONDS").is_none() && variable("CHAOS_NODES").is_none() && faults.is_none() {
        // Each ends with its pass. A ring of three would be none.
        return vec![brisk(0), Options { nodes: 5, has_edges: false, faults: vec![Fault::Ring], ..brisk(0) }];
    }
    let mut options = brisk(variable("CHAOS_SECONDS").unwrap_or(0));
    options.faults = faults.unwrap_or(options.faults);
    options.nodes = variable("CHAOS_NODES").map_or(options.nodes, |nodes| usize::try_from(nodes).unwrap());
    options.has_edges = env::var("CHAOS_EDGES").as_deref() != Ok("no");
    if env::var("CHAOS_DRAWN").is_ok_and(|drawn| drawn == "yes") {
        (options.order, options.pace) = (Order::Drawn, Pace::Drawn);
    }
    vec![options]
}

#[test]
fn what_clients_see_is_consistent_whatever_happens_to_the_nodes() {
    let seed = seed("CHAOS_SEED");
    for options in runs(seed) {
        println!(
            "CHAOS_SEED={seed} {} nodes, {} s, {:?}",
            options.nodes,
            options.duration.as_secs(),
            options.order
        );
        let outcome = run(&options).unwrap_or_else(|failure| panic!("{failure}"));
        println!("{outcome}");
        assert!(
            outcome.violations.is_empty(),
            "the SERVER failed: CHAOS_SEED={seed}: {:#?}",
            outcome.violations
        );
        assert_eq!(outcome.undecided, 0, "histories that took too long to check");
    }
}
