//! Errors in bytes that should be RDB, and their position.

use std::io;

/// An error in an RDB file or payload.
#[derive(Debug, thiserror::Error)]
#[error("byte {at}: {fault}")]
pub struct RdbError {
    /// Offset of the part that cannot be read.
    pub at: u64,
    pub fault: Fault,
}

/// The kind of error.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the data ends here, in the middle of something")]
    Truncated,
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("not an RDB file: it begins with neither REDIS nor VALKEY and a version")]
    NotRdb,
    #[error("too short for a payload of DUMP")]
    NotPayload,
    #[error("RDB version {0} is not known")]
    Version(u16),
    #[error("checksum {stored:016x} is written, but the data has {computed:016x}")]
    Checksum { stored: u64, computed: u64 },
    #[error("{0}")]
    Corrupt(&'static str),
    #[error("damaged {0}: {1}")]
    Packed(&'static str, &'static str),
    #[error("type {0} is not known")]
    UnknownType(u8),
    #[error("a value of the module {0}; modules are not supported")]
    Module(String),
    #[error("an empty collection")]
    Empty,
    #[error("larger than {0} bytes in memory")]
    TooLarge(u64),
    #[error("data follows the end of the file's RDB part")]
    Trailing,
}

pub type Result<T, E = RdbError> = std::result::Result<T, E>;
