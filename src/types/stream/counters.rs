//! The number of entries that a group has read, and its lag: exact, derived, or unknown, as in Redis 8.
//!
//! A position in the stream is known to be the n-th entry ever added only if no XDEL has made a gap behind it.
//!
//! **Invariants.** A lag is the number of entries that the group has still to read, or unknown, as long as no client gave a
//! wrong ENTRIESREAD or ENTRIESADDED. It is never negative, even then.

use super::{GroupRecord, Stream, StreamId};

/// Whether an entry at this id or behind it was deleted.
fn has_tombstones(stream: &Stream, from: StreamId) -> bool {
    let deleted = stream.meta.max_deleted_id;
    !stream.is_empty() && deleted != StreamId::MIN && from <= deleted
}

/// Whether nothing was deleted between the remaining entries.
fn is_whole(stream: &Stream) -> bool {
    let deleted = stream.meta.max_deleted_id;
    deleted == StreamId::MIN || deleted < stream.meta.first_id
}

/// The number of entries ever added up to this id; `None` = unknown.
pub fn estimated_entries_read(stream: &Stream, id: StreamId) -> Option<i64> {
    let meta = &stream.meta;
    let added = to_i64(meta.entries_added);
    if meta.entries_added == 0 {
        return Some(0);
    }
    if stream.is_empty() && id <= meta.last_id {
        return Some(added);
    }
    if id != StreamId::MIN && id < meta.max_deleted_id {
        return None;
    }
    if id == meta.last_id {
        return Some(added);
    }
    if id > meta.last_id || !is_whole(stream) {
        return None;
    }
    let before_first = to_i64(meta.entries_added.saturating_sub(stream.len()));
    match id.cmp(&meta.first_id) {
        std::cmp::Ordering::Less => Some(before_first),
        std::cmp::Ordering::Equal => Some(before_first.saturating_add(1)),
        std::cmp::Ordering::Greater => None,
    }
}

/// The number of entries ever added up to this one, which the group reads next.
pub fn entries_read_with(stream: &Stream, group: &GroupRecord, id: StreamId) -> Option<i64> {
    let added = to_i64(stream.meta.entries_added);
    match group.entries_read {
        Some(read)
            if read < added
                && group.last_id >= stream.meta.first_id
                && !has_tombstones(stream, group.last_id) =>
        {
            Some(read.saturating_add(1))
        }
        read if added == 0 => read,
        _ => estimated_entries_read(stream, id),
    }
}

/// The number of entries that a group has still to read; `None` = unknown.
pub fn lag(stream: &Stream, group: &GroupRecord) -> Option<i64> {
    if stream.meta.entries_added == 0 || stream.is_empty() {
        return Some(0);
    }
    if group.last_id < stream.meta.first_id && is_whole(stream) {
        return Some(to_i64(stream.len()));
    }
    let added = to_i64(stream.meta.entries_added);
    let read = match group.entries_read {
        Some(read) if read <= added && !has_tombstones(stream, group.last_id) => read,
        _ => estimated_entries_read(stream, group.last_id)?,
    };
    Some(added.saturating_sub(read))
}

fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
