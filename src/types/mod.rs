//! The Redis data structures on the store, and the pure helpers they need. They know keys, not sockets.

pub mod bitmap;
pub mod bounded;
pub mod collection;
pub mod cursor;
pub mod decimal;
pub mod encoding;
pub mod expiring;
pub mod expiry;
pub mod geo;
pub mod glob;
pub mod hash;
pub mod hyperloglog;
pub mod integer;
pub mod lcs;
pub mod list;
pub mod portable;
pub mod random;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod timeout;

#[cfg(test)]
mod tests;
