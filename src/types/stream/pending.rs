//! A group's pending entries in the order of their ids, all of them or those of one consumer.

use super::{Pending, PendingBounds, StreamId, keys};
use crate::{
    error::{Result, StoreError},
    store::{CollectionId, Direction, SubKeys, View},
};
use std::ops::{Bound, ControlFlow};

/// Visits pending entries between two ids, these included, until the visitor breaks. `bounds` are those of the group, or of
/// the consumer if one is named.
#[expect(clippy::too_many_arguments, reason = "a range, what it is of, and what to do")]
pub fn scan_pending(
    view: &View<'_>,
    collection: &CollectionId,
    group: &[u8],
    consumer: Option<&[u8]>,
    bounds: &PendingBounds,
    (from, to): (StreamId, StreamId),
    direction: Direction,
    mut visit: impl FnMut(StreamId, Pending) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let (from, to) = (from.max(bounds.from), to.min(bounds.to));
    if bounds.count == 0 || from > to {
        return Ok(());
    }
    let of_group = keys::pending(group);
    let prefix = consumer.map_or_else(|| of_group.clone(), |name| keys::consumer_pending(group, name));
    let (from, to) = (keys::with_id(&prefix, from), keys::with_id(&prefix, to));
    let range = (Bound::Included(&from[..]), Bound::Included(&to[..]));
    view.scan_sub(SubKeys::Data, collection, range, direction, |sub, value| {
        let id = keys::id_of(sub)?;
        if consumer.is_none() {
            return visit(id, Pending::decode(value)?);
        }
        let stored = view.sub(SubKeys::Data, collection, &keys::with_id(&of_group, id))?;
        let stored =
            stored.ok_or_else(|| StoreError::corrupt("stream", "a consumer's entry that is not pending"))?;
        visit(id, Pending::decode(&stored)?)
    })
}
