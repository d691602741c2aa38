//! The start options of an edge node.

use crate::{config::EdgeSettings, peer::LocalIdentity};
use std::sync::Arc;

/// The options.
pub struct EdgeOptions {
    pub settings: EdgeSettings,
    pub identity: Arc<LocalIdentity>,
    /// Whether this node has never had all that the core had.
    pub is_partial: bool,
    /// Bytes per second at which to fetch a bootstrap snapshot; 0 = no limit.
    pub bootstrap_bytes_per_second: u64,
}
