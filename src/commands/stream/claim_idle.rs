//! XREADGROUP's CLAIM: entries that have been pending for long, before those that nobody has read. There is no order by time on
//! disk, so a call looks at all that is pending in the group.

use super::{
    allowance::Allowance,
    id_reply, idle_reply,
    read_group::{Asking, note_active},
};
use crate::{
    error::Result,
    resp::Reply,
    store::{Direction, Txn, View},
    types::stream::{Group, Pending, Stream, StreamId, fields, scan_pending},
};
use std::{collections::BinaryHeap, ops::ControlFlow};

/// An entry as CLAIM shows it: how long it was pending, ms (-1: it was released), and how often it had been delivered; zeros for
/// one that is new.
pub(super) fn reply(id: StreamId, bytes: &[u8], idle_ms: Option<u64>, deliveries: u64) -> Result<Reply> {
    let words = fields(bytes)?.into_iter().map(Reply::bulk).collect();
    Ok(Reply::Array(vec![id_reply(id), Reply::Array(words), idle_reply(idle_ms), Reply::count(deliveries)]))
}

/// Where a pending entry stands among those that may be claimed.
type Found = ((bool, u64), StreamId);

/// Gives the consumer what has been pending for so long, the longest first, up to the count asked for.
pub(super) fn claim_idle(
    txn: &mut Txn<'_>,
    stream: &Stream,
    group: &mut Group<'_>,
    asking: &Asking<'_>,
    min_idle_ms: u64,
    allowance: &mut Allowance,
) -> Result<Vec<Reply>> {
    let now = txn.now();
    let found = longest_pending(&txn.view(), stream, group, allowance.at_most(asking.count), min_idle_ms)?;
    let mut replies = Vec::with_capacity(found.len());
    for (_, id) in found {
        if allowance.is_used_up() {
            break;
        }
        let Some(bytes) = stream.get(&txn.view(), id)? else { continue };
        let Some(before) = group.pending(&txn.view(), id)? else { continue };
        allowance.take(id, Some(&bytes))?;
        replies.push(reply(id, &bytes, before.idle_ms(now), before.deliveries)?);
        let deliveries = before.deliveries.saturating_add(1);
        let claimed = Pending { delivered_at: now, deliveries, consumer: Some(asking.consumer.to_vec()) };
        group.deliver(txn, id, Some(&before), &claimed)?;
    }
    if !replies.is_empty() {
        note_active(txn, group, asking.consumer)?;
    }
    Ok(replies)
}

/// Of pending entries their place and id, if they are still in the stream: released ones first, then those that were delivered
/// earliest.
fn longest_pending(
    view: &View<'_>,
    stream: &Stream,
    group: &Group<'_>,
    count: Option<u64>,
    min_idle_ms: u64,
) -> Result<Vec<Found>> {
    let most = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    // The latest of those found so far is on top.
    let mut found: BinaryHeap<Found> = BinaryHeap::new();
    each_pending(view, stream, group, |id, pending| {
        let place = (pending.place(), id);
        let is_wanted = pending.is_claimable(view.now(), min_idle_ms)
            && (found.len() < most || found.peek().is_some_and(|top| place < *top));
        if is_wanted && stream.has(view, id)? {
            if found.len() < most {
                view.keep(1, size_of::<(u64, StreamId)>())?;
            } else {
                found.pop();
            }
            found.push(place);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found.into_sorted_vec())
}

/// When a call finds something to claim, ms since the epoch: `Some(0)`: at once; `None`: not by waiting alone.
pub(super) fn claimable_at(
    view: &View<'_>,
    stream: &Stream,
    group: &Group<'_>,
    min_idle_ms: u64,
) -> Result<Option<u64>> {
    let mut earliest = None;
    each_pending(view, stream, group, |id, pending| {
        let at = pending.delivered_at.saturating_add(min_idle_ms);
        let is_due = pending.is_claimable(view.now(), min_idle_ms);
        if is_due && stream.has(view, id)? {
            earliest = Some(0);
            return Ok(ControlFlow::Break(()));
        }
        if !is_due {
            earliest = Some(earliest.map_or(at, |earliest: u64| earliest.min(at)));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(earliest)
}

fn each_pending(
    view: &View<'_>,
    stream: &Stream,
    group: &Group<'_>,
    mut visit: impl FnMut(StreamId, &Pending) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let (pending, whole) = (&group.record.pending, (StreamId::MIN, StreamId::MAX));
    let (id, name, forward) = (stream.collection_id(), group.name(), Direction::Forward);
    scan_pending(&view.in_passing(), id, name, None, pending, whole, forward, |id, pending| {
        visit(id, &pending)
    })
}
