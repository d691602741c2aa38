//! How many entries a group has read and how many it lags behind: known exactly, worked out, or unknown, as Redis has it.
//!
//! A place in the stream is known to be the n-th entry ever added only if no XDEL has made a gap behind it.

use super::{GroupRecord, Stream, StreamId};

/// Whether an entry at this id or behind it was deleted, and not all that was before it trimmed since.
pub fn has_tombstones(stream: &Stream, from: StreamId) -> bool {
    let deleted = stream.meta.max_deleted_id;
    !stream.is_empty() && deleted != StreamId::MIN && deleted >= stream.meta.first_id && from <= deleted
}

/// How many entries were ever added up to this id; `None` = that cannot be told.
pub fn estimated_entries_read(stream: &Stream, id: StreamId) -> Option<i64> {
    let meta = &stream.meta;
    let added = to_i64(meta.entries_added);
    if meta.entries_added == 0 {
        return Some(0);
    }
    if stream.is_empty() && id <= meta.last_id {
        return Some(added);
    }
    if id == meta.last_id {
        return Some(added);
    }
    if id > meta.last_id {
        return None;
    }
    let is_whole = meta.max_deleted_id == StreamId::MIN || meta.max_deleted_id < meta.first_id;
    let before_first = added.saturating_sub(to_i64(stream.len()));
    match id.cmp(&meta.first_id) {
        std::cmp::Ordering::Less if is_whole => Some(before_first),
        std::cmp::Ordering::Equal if is_whole => Some(before_first.saturating_add(1)),
        _ => None,
    }
}

/// How many entries a group has still to read; `None` = that cannot be told.
pub fn lag(stream: &Stream, group: &GroupRecord) -> Option<i64> {
    if stream.meta.entries_added == 0 {
        return Some(0);
    }
    let read = match group.entries_read {
        Some(read) if !has_tombstones(stream, group.last_id) => read,
        _ => estimated_entries_read(stream, group.last_id)?,
    };
    Some(to_i64(stream.meta.entries_added).saturating_sub(read))
}

fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
