//! Clients that write, know what their writes must have left, and check it after whatever happened to the servers.
//!
//! `workload` chooses writes, `model` knows what the keys of one client must hold, `client` sends and compares, `shared` does
//! so for a key that all clients append to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod client;
mod model;
mod shared;
mod workload;

pub use client::{Client, Style};
pub use model::{Content, Key, Model, Write};
pub use shared::{Shared, Token};
