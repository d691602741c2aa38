//! One bad disk stays one bad disk: whatever becomes of a node's files, wrong data are never served, the core keeps its
//! majority, and is whole again without help (faults.md (a) 24, 25, 27).
//!
//! `DAMAGE_ROUNDS` (1 if not set) times each; `DAMAGE_SEED` (printed) chooses where a file is hit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod device;
mod files;
mod identity;
mod receiving;
mod spread;
mod stage;
