//! Fuzzing of everything that reads bytes from outside: requests, log records and entries, storage keys, patterns,
//! numbers, the configuration file, RDB, scripts, users.
//!
//! One program holds all targets, so that RocksDB is linked once; `FUZZ_TARGET` names the one to run. `run.sh` builds it
//! and runs them all. To add one: a file in `targets/` with `pub fn run(data: &[u8])`, a row in `TARGETS`, seeds in
//! `corpus/<name>/`. A target states properties with `assert!`; it must not depend on time or on what ran before it.
//!
//! Needs no nightly compiler: it only lacks the address sanitizer, and the product has no unsafe code to watch.

#![no_main]

mod allocation;
mod targets {
    pub mod acl;
    pub mod config;
    pub mod decimal;
    pub mod decoder;
    pub mod entry;
    pub mod glob;
    pub mod inline;
    pub mod rdb;
    pub mod reply;
    pub mod script;
    pub mod script_bytes;
    pub mod segment;
    pub mod storage;
}

use std::sync::OnceLock;

type Target = fn(&[u8]);

/// `run.sh` reads the names from these lines.
const TARGETS: &[(&str, Target)] = &[
    ("acl", targets::acl::run),
    ("config", targets::config::run),
    ("decimal", targets::decimal::run),
    ("decoder", targets::decoder::run),
    ("entry", targets::entry::run),
    ("glob", targets::glob::run),
    ("inline", targets::inline::run),
    ("rdb", targets::rdb::run),
    ("reply", targets::reply::run),
    ("script", targets::script::run),
    ("script_bytes", targets::script_bytes::run),
    ("segment", targets::segment::run),
    ("storage", targets::storage::run),
];

#[global_allocator]
static ALLOCATOR: allocation::Bounded = allocation::Bounded;

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
        match TARGETS.iter().find(|(name, _)| *name == wanted) {
            Some((_, target)) => TARGET.get_or_init(|| *target),
            None => {
                let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
                eprintln!("FUZZ_TARGET must be one of: {}", names.join(" "));
                std::process::exit(2);
            }
        };
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            target(data);
        }
    }
);
