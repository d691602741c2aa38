//! Random commands to the product and to redis-server 7.0: their replies, and what they store, must be equal.
//!
//! The commands come from a seed, so that a failure can be repeated: `DIFFERENTIAL_SEED=7 cargo test --test
//! differential`. `make difffuzz` runs many seeds. `FLOTILLA_BIN=/usr/bin/redis-server` compares the reference with
//! itself, which must find nothing at all: so the fuzzer is tried.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod extremes;
mod replicas;
mod restore;
mod types;
mod users;

use std::env;
use std::fs;
use std::path::Path;

use resp_tests::differential::explained::{DIFFERENCES, undocumented};
use resp_tests::differential::groups::GROUPS;
use resp_tests::differential::report::{Options, fuzz};
use resp_tests::server::{Kind, Program};

/// Enough to see whether something is badly broken; `make difffuzz` is for the rest.
const SEEDS: u64 = 4;
const OPERATIONS: u64 = 2_500;

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// The groups of `DIFFERENTIAL_GROUPS`, which have their names from `resp-tests/src/differential/groups`.
fn groups() -> Vec<String> {
    let names = env::var("DIFFERENTIAL_GROUPS").unwrap_or_default();
    let names: Vec<String> = names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    for name in &names {
        assert!(GROUPS.iter().any(|group| group.name == name), "there is no group {name}");
    }
    names
}

#[test]
fn random_commands_get_the_replies_of_the_reference() {
    let (product, reference) = (Program::product(), Program::reference().unwrap());
    let options = Options {
        first_seed: setting("DIFFERENTIAL_SEED", 1),
        seeds: setting("DIFFERENTIAL_SEEDS", SEEDS),
        operations: setting("DIFFERENTIAL_OPS", OPERATIONS),
        shortened_max: 50,
        groups: groups(),
    };
    let report = fuzz(&product, &reference, options).unwrap();
    println!("{}", report.summary());
    assert!(report.tally.operations > 0, "nothing was sent");
    assert!(report.tally.errors < report.tally.operations / 2, "most commands are wrong: little is tested");
    if product.kind == Kind::Reference {
        let is_open = |name: &&str| DIFFERENCES.iter().any(|row| row.name == *name && row.is_open);
        let meant: Vec<_> = report.tally.explained.keys().filter(|name| !is_open(name)).collect();
        assert!(meant.is_empty(), "the reference differs from itself: {meant:?}");
    }
    assert!(report.failures.is_empty(), "{} of {} seeds differ", report.failures.len(), report.seeds);
}

#[test]
fn every_meant_difference_is_in_the_documentation() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/docs/differences.md");
    let missing = undocumented(&fs::read_to_string(page).unwrap());
    assert!(missing.is_empty(), "src/docs/differences.md does not tell of {missing:?}");
}
