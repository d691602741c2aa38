//! What a node of an edge site is started with.

use crate::{config::EdgeSettings, peer::LocalIdentity};
use std::sync::Arc;

/// See the module.
pub struct EdgeOptions {
    pub settings: EdgeSettings,
    pub identity: Arc<LocalIdentity>,
    /// Whether this node has never had all that the core had.
    pub is_partial: bool,
    /// How fast a bootstrap snapshot is fetched at most; 0 = no limit.
    pub seed_bytes_per_second: u64,
}
