//! The store against what its module says of it.

mod compression;
mod databases;
mod expiry;
mod hashes;
mod idle;
mod keys;
mod largest;
mod levels;
mod model;
mod passed_expiries;
mod prefetched;
mod readers;
mod replace;
mod sizes;
mod subkeys;
mod sums;
pub mod support;
