//! How current a connection's reads must be (CLIENT CONSISTENCY).

use std::fmt;

/// Highest promise first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// A read sees every write that was acknowledged, by any node, before it was sent.
    #[default]
    Linearizable,
    /// A read sees every write that this node has acknowledged.
    Session,
    /// A read may be this many milliseconds behind.
    Bounded(u64),
    /// A read uses the data that this node has applied; it needs no other node.
    Local,
    /// On an edge: a read sees every write that the core had acknowledged before it was sent. On the core as
    /// `Linearizable`.
    Core,
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Consistency::Linearizable => f.write_str("linearizable"),
            Consistency::Session => f.write_str("session"),
            Consistency::Bounded(ms) => write!(f, "bounded {ms}"),
            Consistency::Local => f.write_str("local"),
            Consistency::Core => f.write_str("core"),
        }
    }
}
