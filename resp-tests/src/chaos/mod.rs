//! Faults injected into a core of real processes while clients write and read, and checkers of what the clients saw.
//!
//! A run is a sequence of rounds. In each, clients work on keys of their own while one fault is installed and healed;
//! then the round's history is checked: single keys for linearizability (`register.rs`, by porcupine), transactions over
//! lists of tokens for strict serializability (`append.rs`, in the manner of Elle, Kingsbury and Alvaro, VLDB 2020), and all
//! nodes for having the same state. Nodes live in network namespaces of their own (`net.rs`), so that any of them can be
//! cut off from any other while clients still reach all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod append;
mod clients;
mod faults;
mod net;
pub mod register;
mod run;

pub use faults::{Fault, KINDS};
pub use run::{Options, Outcome, run};
