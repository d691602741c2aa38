//! The corpus as named tests, one per script, for a test binary without the standard harness.

use std::fs;
use std::sync::Arc;

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use parking_lot::Mutex;

use crate::corpus::{self, File};
use crate::run::{Runner, differences};
use crate::script;
use crate::server::Program;

/// Runs every script against servers of `program`. They are gone when this returns.
pub fn run_corpus(program: Program) -> std::io::Result<Conclusion> {
    let mut args = Arguments::from_args();
    // Scripts share one server and clean it: they take turns.
    args.test_threads = Some(1);
    let runner = Arc::new(Mutex::new(Runner::new(program)));
    let trials = corpus::files()?.into_iter().map(|file| {
        let runner = Arc::clone(&runner);
        Trial::test(file.name.clone(), move || check(&runner, &file))
    });
    Ok(libtest_mimic::run(&args, trials.collect()))
}

fn check(runner: &Mutex<Runner>, file: &File) -> Result<(), Failed> {
    let script = script::parse(&fs::read_to_string(&file.path)?)?;
    let outcome = runner.lock().run(&script)?;
    let found = differences(&script, &outcome);
    if found.is_empty() { Ok(()) } else { Err(format!("{}\n  {}", script.title, found.join("\n  ")).into()) }
}
