//! The write path as a whole: proposals through real raft, log and store, across restarts and crashes.

mod crash;
mod divergence;
mod groups;
mod restart;
mod simulation;
mod stalls;
mod support;
mod tls;
mod write_path;
