//! The store against what its module says of it.

mod databases;
mod expiry;
mod hashes;
mod idle;
mod keys;
mod model;
mod readers;
mod replace;
mod subkeys;
pub mod support;
