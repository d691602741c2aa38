//! `flotilla admin`: the core's administration from a shell. Sends CORE commands to any node.
//!
//! The exit code says what came of it, so that a script need not read the text: see `Failure` and `--help`.

mod cli;
mod failure;
mod show;

pub use cli::{program, run};
