//! `flotilla completion` and `flotilla man`: completion scripts for shells, and manual pages, made from the descriptions of the command
//! lines that the program itself reads. So they are right for the program that wrote them, and packages need nothing else to make them.
//!
//! Invariants: every subcommand that `--help` shows has a page, and every option is on the page of its subcommand; the same program and
//! the same SOURCE_DATE_EPOCH make the same bytes.

mod cli;
mod pages;

pub use cli::{programs, run};

#[cfg(test)]
mod tests;
