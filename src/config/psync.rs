//! Servers that follow by PSYNC: parameters and what they mean.

use super::{
    Values,
    parameter::{Change, Kind, Parameter},
    table::{INT, row},
};

const BUFFER: Kind = Kind::Bytes { min: 1 << 20, max: 1 << 40 };

pub(super) static PARAMETERS: &[Parameter] = &[
    row(
        "psync-replicas-max",
        Kind::Number { min: 0, max: 64 },
        "4",
        Change::Start,
        "How many Redis or Valkey servers, or tools, may follow this node by PSYNC (`REPLICAOF` there); 0 = none.",
    ),
    row(
        "psync-backlog-bytes",
        BUFFER,
        "16mb",
        Change::Start,
        "Bytes of the stream of changes that a node keeps for followers by PSYNC that come back after a cut. One that misses more gets \
         all data again.",
    ),
    row(
        "psync-buffer-bytes",
        BUFFER,
        "256mb",
        Change::Start,
        "Bytes of that stream that may wait for the slowest follower, which may be loading its copy of the data; one that is farther \
         behind is disconnected. All followers of a node share them.",
    ),
    row(
        "psync-backlog-ttl",
        INT,
        "3600",
        Change::Start,
        "Seconds without a follower by PSYNC after which a node makes no stream any more.",
    ),
];

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PsyncSettings {
    pub replicas_max: usize,
    pub backlog_bytes: u64,
    pub buffer_bytes: u64,
    pub backlog_ttl_seconds: u64,
}

impl PsyncSettings {
    pub(super) fn new(values: &Values) -> Result<Self, String> {
        Ok(PsyncSettings {
            replicas_max: values.number("psync-replicas-max")?,
            backlog_bytes: values.number("psync-backlog-bytes")?,
            buffer_bytes: values.number("psync-buffer-bytes")?,
            backlog_ttl_seconds: values.number("psync-backlog-ttl")?,
        })
    }
}
