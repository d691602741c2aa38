//! Messages between nodes about scripts that run on them.

use prost::Message;

/// Ends scripts, or functions, that run on the receiver outside the log.
#[derive(Clone, PartialEq, Message)]
pub struct KillScripts {
    #[prost(bool, tag = "1")]
    pub of_functions: bool,
}

/// How many runs it has met.
#[derive(Clone, PartialEq, Message)]
pub struct KillScriptsAnswer {
    #[prost(uint32, tag = "1")]
    pub killed: u32,
    #[prost(uint32, tag = "2")]
    pub in_log: u32,
    #[prost(uint32, tag = "3")]
    pub of_other_kind: u32,
}
