//! Every script of the corpus against the product: one test per script.

#![allow(clippy::expect_used)]

use resp_tests::harness::run_corpus;
use resp_tests::server::Program;

fn main() {
    run_corpus(Program::product()).expect("the corpus can be listed").exit();
}
