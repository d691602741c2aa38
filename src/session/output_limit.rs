//! `client-output-buffer-limit` of subscribers, for publishers on any thread.

use crate::config::OutputLimit;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The limit in force.
#[derive(Debug)]
pub struct SharedOutputLimit(ArcSwap<OutputLimit>);

impl Default for SharedOutputLimit {
    fn default() -> Self {
        SharedOutputLimit(ArcSwap::from_pointee(OutputLimit::PUBSUB))
    }
}

impl SharedOutputLimit {
    pub fn get(&self) -> OutputLimit {
        **self.0.load()
    }

    /// Sets it, if it differs.
    pub fn set(&self, limit: OutputLimit) {
        if self.get() != limit {
            self.0.store(Arc::new(limit));
        }
    }
}
