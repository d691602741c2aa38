//! One script against one server: replies in, differences out.
//!
//! A script never stops at a difference: the report lists all of them. It stops when the server is gone or silent.

mod compare;
mod execution;
mod order;
mod place;
mod runner;

pub use compare::differences;
pub(crate) use order::sort_sets;
pub use place::{InProcess, Place};
pub use runner::{Outcome, Runner, run_cleaned};
