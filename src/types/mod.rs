//! The Redis data structures on the store, and the pure helpers they need. They know keys, not sockets.

pub mod collection;
pub mod cursor;
pub mod decimal;
pub mod encoding;
pub mod expiry;
pub mod glob;
pub mod integer;
pub mod lcs;
pub mod stream;
pub mod string;
