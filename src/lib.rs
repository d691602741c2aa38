//! Flotilla: a Redis-protocol store that puts one consistent data set everywhere.
//!
//! Modules are listed from top to bottom: each imports only modules below its own group. `tidy.rs` checks it.
//! `src/docs/architecture.md` follows a GET and a SET through them; `src/docs/adr` gives the reasons behind the design.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

#[cfg(all(
    any(
        feature = "broken-lease",
        feature = "broken-apply-index",
        feature = "broken-tracking",
        feature = "broken-since"
    ),
    not(debug_assertions)
))]
compile_error!("a build that breaks a rule on purpose is for tests: it may not be optimised");
#[cfg(all(feature = "next-level", not(debug_assertions)))]
compile_error!("a build of a feature level that no release has is for tests: it may not be optimised");

pub mod manual;

pub mod node;
pub mod transfer;

pub mod admin;
pub mod backup;
pub mod top;

pub mod moving;

pub mod ops;
pub mod server;
pub mod signals;

pub mod replication;

pub mod peer;

pub mod replica;

pub mod commands;

pub mod command;

pub mod session;

pub mod state;

pub mod acl;
pub mod psync;

pub mod script;
pub mod types;

pub mod config;
pub mod store;

pub mod error;
pub mod remote;

pub mod rdb;
pub mod resp;

pub mod environment;
pub mod tls;

pub mod checked;
pub mod fail;
pub mod feature_level;
pub mod limits;
pub mod time;
pub mod value;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tidy;
