//! The heart is deterministic: whatever a node does beside applying, the same entries make the same state and replies.

mod batches;
mod follow;
mod hashes;
mod order;
mod panics;
mod savepoints;
mod support;
mod sweep;
