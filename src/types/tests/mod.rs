//! Types on a store, against models in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod expiring_set;
mod list;
mod order;
mod set;
