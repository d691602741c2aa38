//! The write path as a whole: proposals through real raft, log and store, across restarts and crashes.

mod restart;
mod support;
mod write_path;
