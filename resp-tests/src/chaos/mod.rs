//! Faults injected into a core of real processes while clients write and read, and checkers of what the clients saw.
//!
//! A run is a sequence of rounds (`run.rs`). In each, clients (`clients.rs`) work on keys of their own while one fault is
//! installed and healed; then the round's history is checked: single keys for linearizability (`register.rs`, by
//! porcupine), transactions over lists of tokens for strict serializability (`append.rs`, in the manner of Elle, Kingsbury
//! and Alvaro, VLDB 2020), what was done to values of all other types by rules of each (`types`), how fast it went on meanwhile (`speed.rs`), and all nodes for having the same state.
//!
//! * `fault`, `schedule`, `inject/`: which faults there are, which comes next, how each is done.
//! * `net`, `node`, `disk`: each node has a network namespace, so that any can be cut off from any other while clients
//!   still reach all of them; a disk of its own, which can be full; a clock of its own, which can be wrong.
//! * `edges`: readers at edges, which must see what the core has committed and nothing else, and never go back.
//! * `watch`: what the nodes say about themselves. `bulk`: heavy load that is not checked value by value.
//! * `failure`: whether the server failed or the test itself. `standstill`: whether the whole machine stood still.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod append;
mod bulk;
mod clients;
mod disk;
mod edges;
mod failure;
mod fault;
mod inject;
mod net;
mod node;
pub mod register;
mod run;
mod schedule;
mod speed;
mod standstill;
mod types;
mod watch;

pub use failure::Failure;
pub use fault::{Fault, KINDS};
pub use inject::Pace;
pub use run::{Options, Outcome, Tally, run};
pub use schedule::Order;
