//! What this node says of itself to the nodes that share its log, for the status page, `flotilla top` and `flotilla admin doctor`:
//! JSON, written once a second beside all commands, and kept here until the next one.

use bytes::Bytes;
use parking_lot::RwLock;

/// See the module.
#[derive(Debug, Default)]
pub struct OwnReport(RwLock<Texts>);

#[derive(Debug, Default, Clone)]
struct Texts {
    now: Bytes,
    history: Bytes,
}

impl OwnReport {
    /// How it is now; empty: nothing was written yet.
    pub fn now(&self) -> Bytes {
        self.0.read().now.clone()
    }

    /// The last hour; empty: nothing was written yet.
    pub fn history(&self) -> Bytes {
        self.0.read().history.clone()
    }

    pub fn set_now(&self, text: Bytes) {
        self.0.write().now = text;
    }

    pub fn set_history(&self, text: Bytes) {
        self.0.write().history = text;
    }
}
