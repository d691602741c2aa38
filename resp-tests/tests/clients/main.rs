//! Ordinary client libraries against a server that is restarted under them.
//!
//! Each library has a program in `resp-tests/clients/` that does what applications do: connects as the library does it
//! by itself, stores text and bytes, pipelines, transacts (and is refused by WATCH), expires, scans, and gets the
//! server's errors as the library's exceptions.
//!
//! ```text
//! program: restart kill ─▶ test: SIGKILL, starts the server again, same port and data
//!          (goes on writing meanwhile, with the same client object, until another process answers;
//!           then every acknowledged value must be there)
//! program: restart terminate ─▶ the same with SIGTERM
//! program: held, exit status 0
//! ```
//!
//! What a program needs is installed by `.build/test-deps.sh`; without it the test fails, and says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod program;

use std::process::Command;

use program::{Access, converse, installed, source};

#[test]
fn redis_py_holds_with_its_default_protocol() {
    converse(python(), &["default"], Access::Open);
}

#[test]
fn redis_py_holds_with_resp2_and_a_password() {
    converse(python(), &["2"], Access::Password);
}

#[test]
fn redis_py_holds_with_resp3_and_a_password() {
    converse(python(), &["3"], Access::Password);
}

fn python() -> Command {
    let mut command = Command::new(installed("python/bin/python"));
    command.arg(source("python/basic.py"));
    command
}
