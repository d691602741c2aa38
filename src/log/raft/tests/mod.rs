//! openraft's storage suite, and the log replayed on a second replica.

mod replay;
mod storage;
mod transfer;
