//! Every script of the corpus against the product: one test per script.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use parking_lot::Mutex;
use resp_tests::corpus::{self, File};
use resp_tests::run::{Runner, differences};
use resp_tests::script;
use resp_tests::server::Program;

fn main() {
    let mut args = Arguments::from_args();
    // Scripts share one server and clean it: they take turns.
    args.test_threads = Some(1);
    let runner = Arc::new(Mutex::new(Runner::new(Program::product())));
    let trials = corpus::files()
        .expect("the corpus can be listed")
        .into_iter()
        .map(|file| {
            let runner = Arc::clone(&runner);
            Trial::test(file.name.clone(), move || check(&runner, &file))
        });
    let conclusion = libtest_mimic::run(&args, trials.collect());
    // `exit` runs no destructors, and the server must not outlive its tests.
    drop(runner);
    conclusion.exit();
}

fn check(runner: &Mutex<Runner>, file: &File) -> Result<(), Failed> {
    let script = script::parse(&fs::read_to_string(&file.path)?)?;
    let outcome = runner.lock().run(&script)?;
    let found = differences(&script, &outcome);
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!("{}\n  {}", script.title, found.join("\n  ")).into())
    }
}
