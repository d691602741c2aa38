//! What a release consists of: manual pages and completions as the program makes them, and the files that `make release` makes of the
//! program under test. The Debian package is installed, run, upgraded and purged for real, on a layer over this machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod files;
mod manual;

use std::process::{Command, Output};

use resp_tests::installed::HOW_TO_INSTALL;
use resp_tests::server::Program;

/// The program under test.
fn flotilla(words: &[&str]) -> Output {
    let path = Program::product().path;
    Command::new(&path).args(words).output().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a program of the machine prints; one that is missing or fails is a failure.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}. {HOW_TO_INSTALL}"));
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}{complained}", output.status);
    said + &complained
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
