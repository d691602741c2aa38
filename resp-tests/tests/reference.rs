//! Every script of the corpus against redis-server 7.0, so that the recorded expectations stay honest.
//!
//! Where it is not installed the comparison fails: a test that is skipped proves nothing.

#![allow(clippy::expect_used)]

use resp_tests::harness::run_corpus;
use resp_tests::server::Program;

fn main() {
    let program = Program::reference().expect("the reference");
    run_corpus(program).expect("the corpus can be listed").exit()
}
