//! The Redis data structures on the store, and the pure helpers they need. They know keys, not sockets.

pub mod glob;
