//! XINFO STREAM … FULL: entries, groups, consumers and pending entries.

use super::{consumer_reply, id_reply, info::pair, number_or_nil, range::entries};
use crate::{
    error::Result,
    resp::Reply,
    store::{Direction, View},
    types::stream::{
        ConsumerRecord, GroupRecord, Pending, PendingBounds, Stream, StreamId, lag, scan_consumers,
        scan_groups, scan_pending,
    },
};
use std::ops::ControlFlow;

/// The fields that FULL adds. `count` limits entries and pending entries; 0 = all.
pub(super) fn full(view: &View<'_>, stream: &Stream, count: u64) -> Result<Vec<(Reply, Reply)>> {
    let limit = Some(count).filter(|count| *count > 0);
    let entries = entries(view, stream, StreamId::MIN, StreamId::MAX, Direction::Forward, limit)?;
    let mut groups = Vec::new();
    scan_groups(view, stream, |name, record| {
        groups.push(group(view, stream, name, &record, limit)?);
        Ok(())
    })?;
    Ok(vec![pair("entries", entries), pair("groups", Reply::Array(groups))])
}

fn group(
    view: &View<'_>,
    stream: &Stream,
    name: &[u8],
    record: &GroupRecord,
    limit: Option<u64>,
) -> Result<Reply> {
    let mut consumers = Vec::new();
    scan_consumers(view, stream.collection_id(), name, |consumer_name, of_consumer| {
        consumers.push(consumer(view, stream, name, consumer_name, &of_consumer, limit)?);
        Ok(())
    })?;
    let pending = pending(view, stream, name, None, &record.pending, limit, |id, pending| {
        vec![
            id_reply(id),
            consumer_reply(pending),
            Reply::count(pending.consumer.as_ref().map_or(0, |_| pending.delivered_at)),
            Reply::count(pending.deliveries),
        ]
    })?;
    Ok(Reply::Map(vec![
        pair("name", Reply::bulk(name)),
        pair("last-delivered-id", id_reply(record.last_id)),
        pair("entries-read", number_or_nil(record.entries_read)),
        pair("lag", number_or_nil(lag(stream, record))),
        pair("pel-count", Reply::count(record.pending.count)),
        pair("pending", pending),
        pair("consumers", Reply::Array(consumers)),
    ]))
}

fn consumer(
    view: &View<'_>,
    stream: &Stream,
    group: &[u8],
    name: &[u8],
    record: &ConsumerRecord,
    limit: Option<u64>,
) -> Result<Reply> {
    let pending = pending(view, stream, group, Some(name), &record.pending, limit, |id, pending| {
        vec![id_reply(id), Reply::count(pending.delivered_at), Reply::count(pending.deliveries)]
    })?;
    Ok(Reply::Map(vec![
        pair("name", Reply::bulk(name)),
        pair("seen-time", Reply::count(record.seen_at)),
        pair("active-time", record.active_at.map_or(Reply::Int(-1), Reply::count)),
        pair("pel-count", Reply::count(record.pending.count)),
        pair("pending", pending),
    ]))
}

fn pending(
    view: &View<'_>,
    stream: &Stream,
    group: &[u8],
    consumer: Option<&[u8]>,
    bounds: &PendingBounds,
    limit: Option<u64>,
    told: impl Fn(StreamId, &Pending) -> Vec<Reply>,
) -> Result<Reply> {
    let (mut found, whole) = (Vec::new(), (StreamId::MIN, StreamId::MAX));
    scan_pending(
        view,
        stream.collection_id(),
        group,
        consumer,
        bounds,
        whole,
        Direction::Forward,
        |id, pending| {
            found.push(Reply::Array(told(id, &pending)));
            let is_full = limit.is_some_and(|limit| found.len() as u64 >= limit);
            Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        },
    )?;
    Ok(Reply::Array(found))
}
