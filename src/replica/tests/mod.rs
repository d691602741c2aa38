//! The heart is deterministic: whatever a node does beside applying, the same entries make the same state and replies.

mod awaited;
mod batches;
mod budgets;
mod eviction;
mod follow;
mod hashes;
mod levels;
mod order;
mod panics;
mod savepoints;
mod scripts;
mod sets;
mod source;
mod strings;
mod support;
mod sweep;
mod undo;
mod users;
