//! openraft's storage suite, and the log replayed on a second replica.

mod holding;
mod replay;
pub(in crate::log::raft) mod runtime;
pub(in crate::log) mod said;
mod storage;
mod transfer;
mod watch;
mod window;
