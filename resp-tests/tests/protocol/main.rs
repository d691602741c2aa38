//! Bytes that no client library sends: framing, limits and injection, straight on the socket.
//!
//! One test per row of the bad-input list. The error texts are those of redis-server 7.0.15, which passes the same
//! tests when it is named in `FLOTILLA_BIN`, but for the rows marked [`Only::Product`], where this project promises
//! more than it does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod budgets;
mod framing;
mod hostile;
mod idle;
mod limits;
mod long_reads;
mod memory;
mod states;
mod support;
mod unix_socket;
mod waking;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use resp_tests::server::{Kind, Program, Server};

use support::{Only, Test};

fn main() {
    let args = Arguments::from_args();
    let program = Program::product();
    let server = Arc::new(Server::start(&program, &[]).expect("the server starts"));
    let tests = [
        budgets::TESTS,
        framing::TESTS,
        hostile::TESTS,
        idle::TESTS,
        limits::TESTS,
        long_reads::TESTS,
        memory::TESTS,
        states::TESTS,
        unix_socket::TESTS,
        waking::TESTS,
    ]
    .concat();
    let here = |test: &Test| program.kind == Kind::Product || test.only != Only::Product;
    let trials = tests.into_iter().filter(here).map(|test| {
        let (server, program) = (Arc::clone(&server), program.clone());
        Trial::test(test.name, move || {
            (test.run)(&support::Context { server: &server, program: &program });
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&args, trials.collect());
    // `exit` runs no destructors, and the server must not outlive its tests.
    drop(server);
    conclusion.exit();
}
