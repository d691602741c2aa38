//! `flotilla top`: the status page in a terminal. Asks one node, over its client port, for what all nodes say of themselves (CORE REPORT)
//! once a second, and draws it; `--once` prints it as plain text.
//!
//! `board.rs` and `tables.rs` make lines of the reports, which is all that is shown; `screen.rs` draws them and listens to keys; `cli.rs` asks.
//! Nothing that a node says reaches the terminal with control characters in it.

mod board;
mod cli;
mod screen;
mod tables;

pub use cli::{program, run};
