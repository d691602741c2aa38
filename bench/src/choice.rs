//! What the command line chose for the scenarios of several nodes.

use std::path::PathBuf;

/// See the module.
#[derive(Debug, Clone)]
pub struct Choice {
    pub program: PathBuf,
    /// More arguments for every node of a core.
    pub node_args: Vec<String>,
    pub rounds: usize,
    pub seconds: f64,
    pub keys: u64,
    pub clients: usize,
}
