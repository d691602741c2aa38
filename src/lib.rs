//! Flotilla: a Redis-protocol store that puts one consistent data set everywhere.
//!
//! The way of a call through the modules, and which imports which, is in `README.md` ("Code map") and `src/docs/adr`.
//! Imports point down this list only; `tidy.rs` checks it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

#[cfg(all(any(feature = "broken-lease", feature = "broken-apply-index"), not(debug_assertions)))]
compile_error!("a build that breaks a rule on purpose is for tests: it may not be optimised");

pub mod checked;
pub mod error;
pub mod limits;
pub mod time;
pub mod value;

pub mod config;
pub mod rdb;
pub mod resp;
pub mod store;
pub mod types;

pub mod state;

pub mod session;

pub mod command;

pub mod commands;

pub mod replica;

pub mod peer;

pub mod fail;
pub mod replication;

pub mod admin;
pub mod ops;
pub mod server;
pub mod signals;

pub mod node;
pub mod transfer;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tidy;
