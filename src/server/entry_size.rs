//! How much of a log entry a call takes, and whether it fits into one.

use crate::{limits, resp::ErrorReply, store::LogPosition};

/// Bytes that a call takes in an entry, at most.
pub(super) fn encoded_len(argv: &[&[u8]]) -> usize {
    argv.iter().fold(LogPosition::LEN, |sum, word| sum.saturating_add(word.len()).saturating_add(4))
}

/// Whether a call does not fit into one entry.
pub(super) fn is_too_large(argv: &[&[u8]]) -> bool {
    encoded_len(argv).saturating_add(1024) > limits::ENTRY_BYTES_MAX
}

/// A call too large for one entry: definitely not done.
pub(super) fn too_large() -> ErrorReply {
    ErrorReply::err("command is larger than one log entry may be; nothing was changed")
}
