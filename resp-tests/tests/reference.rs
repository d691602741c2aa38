//! Every script of the corpus against redis-server 7.0, so that the recorded expectations stay honest.
//!
//! Where it is not installed there is nothing to compare with, and no test is listed.

#![allow(clippy::expect_used)]

use resp_tests::harness::run_corpus;
use resp_tests::server::Program;

fn main() {
    match Program::reference() {
        Some(program) => run_corpus(program).expect("the corpus can be listed").exit(),
        None => {
            println!("redis-server 7.0 is not installed: the recorded expectations were not compared with it")
        }
    }
}
