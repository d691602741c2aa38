//! openraft's storage suite, and the log replayed on a second replica.

mod holding;
mod inline;
mod replay;
pub(in crate::replication::consensus) mod runtime;
pub mod said;
mod storage;
mod transfer;
mod watch;
mod window;
