//! `flotilla admin`: the core's administration from a shell. Sends CORE commands to any node (`cli.rs`); where no password lets anybody
//! in, or no majority is left, it works in a data directory (`rescue.rs`, `recover`).
//!
//! The exit code gives the result, so that a script need not parse the text: see `Failure` and `--help`.

mod backup;
mod cli;
mod doctor;
mod failure;
mod pods;
mod rescue;
mod show;
mod source;

pub use cli::{program, run};
