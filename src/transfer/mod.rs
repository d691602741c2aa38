//! `flotilla import` and `flotilla export`: RDB files into a running node and out of it, over its client port.
//!
//! ```text
//! import  FILE.rdb ─▶ rdb::Reader ─▶ plan: what to send for a key ─▶ node: RESTORE …, pipelined ─▶ any node, through the log
//! export  FILE.rdb ◀─ rdb::Writer ◀─ DUMP, PEXPIRETIME, pipelined ◀─ SCAN of each database ◀─ any node
//! ```
//!
//! Invariants: every key of a file is counted once, by its result, and the counts add up to the keys read; a key appears in
//! the node whole or not at all; an exported file appears under its name when it is complete and on disk.

mod cli;
mod export;
mod import;
mod report;

pub use cli::{programs, run};

#[cfg(test)]
mod tests;
