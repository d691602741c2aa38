//! Streams on a store: against a model in memory, and what they tell whom.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod events;
mod model;
mod producers;
mod random;
mod references;
mod support;
