//! `flotilla admin`: the core's administration from a shell. Sends CORE commands to any node.
//!
//! The exit code gives the result, so that a script need not parse the text: see `Failure` and `--help`.

mod backup;
mod cli;
mod failure;
mod pods;
mod show;

pub use cli::{program, run};
