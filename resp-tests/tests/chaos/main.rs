//! Faults, clients, checkers: `make chaos` runs this for long, `make test` for a minute.
//!
//! `CHAOS_SECONDS` (60), `CHAOS_SEED` (printed), `CHAOS_NODES` (3). Needs root for network namespaces; without, it fails.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use resp_tests::chaos::{Options, run};
use resp_tests::server::Program;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

#[test]
fn what_clients_see_is_consistent_whatever_happens_to_the_nodes() {
    let seed = number("CHAOS_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    let duration = Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(60));
    println!("CHAOS_SEED={seed} CHAOS_SECONDS={}", duration.as_secs());
    let mut options = Options::new(Program::product().path, duration, seed);
    if let Some(nodes) = number("CHAOS_NODES") {
        options.nodes = nodes as usize;
    }
    if let Ok(only) = env::var("CHAOS_FAULTS") {
        options.faults.retain(|fault| only.split(',').any(|name| name == format!("{fault:?}")));
    }
    let outcome = run(&options).unwrap();
    println!("{outcome:#?}");
    assert!(outcome.violations.is_empty(), "CHAOS_SEED={seed}: {:#?}", outcome.violations);
    assert_eq!(outcome.undecided, 0);
    assert!(outcome.rounds > 0);
}
