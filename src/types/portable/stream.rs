//! Streams.

use crate::{
    error::Result,
    rdb::{self, Object},
    store::{Direction, Txn, View},
    types::stream::{
        ConsumerRecord, Group, GroupRecord, Pending, PendingBounds, Stream, StreamId, fields, put_group,
        scan_consumers, scan_groups, scan_pending,
    },
};
use std::{collections::BTreeMap, ops::ControlFlow};

fn outer(id: StreamId) -> rdb::StreamId {
    rdb::StreamId { ms: id.ms, seq: id.seq }
}

fn inner(id: rdb::StreamId) -> StreamId {
    StreamId::new(id.ms, id.seq)
}

pub(super) fn read(view: &View<'_>, key: &[u8]) -> Result<Object> {
    let Some(stream) = Stream::open(view, key)? else { return Ok(Object::Stream(rdb::Stream::default())) };
    let mut entries = Vec::new();
    stream.visit(view, StreamId::MIN, StreamId::MAX, Direction::Forward, |id, bytes| {
        let words = fields(bytes)?;
        let (pairs, _) = words.as_chunks::<2>();
        let fields = pairs.iter().map(|[name, value]| (name.to_vec(), value.to_vec())).collect();
        entries.push(rdb::Entry { id: outer(id), fields });
        Ok(ControlFlow::Continue(()))
    })?;
    let mut groups = Vec::new();
    scan_groups(view, &stream, |name, record| {
        groups.push((name.to_vec(), record));
        Ok(())
    })?;
    let group = |(name, record): (Vec<u8>, GroupRecord)| read_group(view, &stream, name, &record);
    Ok(Object::Stream(rdb::Stream {
        last_id: outer(stream.meta.last_id),
        // Kept for an emptied stream; Redis tells 0-0.
        first_id: entries.first().map(|entry| entry.id).unwrap_or_default(),
        entries,
        max_deleted_id: outer(stream.meta.max_deleted_id),
        entries_added: stream.meta.entries_added,
        groups: groups.into_iter().map(group).collect::<Result<_>>()?,
    }))
}

pub(super) fn read_one_group(view: &View<'_>, key: &[u8], name: &[u8]) -> Result<Option<(rdb::Group, bool)>> {
    let Some(stream) = Stream::open(view, key)? else { return Ok(None) };
    let Some(group) = Group::open(view, &stream, name)? else { return Ok(None) };
    let group = read_group(view, &stream, name.to_vec(), &group.record)?;
    let mut has_all = true;
    for pending in &group.pending {
        has_all &= stream.has(view, inner(pending.id))?;
    }
    Ok(Some((group, has_all)))
}

fn read_group(view: &View<'_>, stream: &Stream, name: Vec<u8>, record: &GroupRecord) -> Result<rdb::Group> {
    let (mut consumers, mut places) = (Vec::new(), BTreeMap::new());
    scan_consumers(view, stream.collection_id(), &name, |consumer, record| {
        places.insert(consumer.to_vec(), consumers.len());
        consumers.push(rdb::Consumer {
            name: consumer.to_vec(),
            seen_at_ms: record.seen_at,
            active_at_ms: record.active_at,
        });
        Ok(())
    })?;
    // Elsewhere no entry is pending with nobody: released ones are with a consumer without a name.
    let (nobody, mut has_released) = (places.get(&b""[..]).copied().unwrap_or(consumers.len()), false);
    let mut pending = Vec::new();
    let all = (StreamId::MIN, StreamId::MAX);
    scan_pending(
        view,
        stream.collection_id(),
        &name,
        None,
        &record.pending,
        all,
        Direction::Forward,
        |id, one| {
            has_released |= one.consumer.is_none();
            let (place, delivered_at_ms) = match &one.consumer {
                Some(consumer) => (places.get(consumer).copied(), one.delivered_at),
                None => (Some(nobody), 0),
            };
            pending.extend(place.map(|consumer| rdb::Pending {
                id: outer(id),
                delivered_at_ms,
                deliveries: one.deliveries,
                consumer,
            }));
            Ok(ControlFlow::Continue(()))
        },
    )?;
    if has_released && nobody == consumers.len() {
        consumers.push(rdb::Consumer { name: Vec::new(), seen_at_ms: 0, active_at_ms: None });
    }
    let entries_read = record.entries_read.and_then(|read| u64::try_from(read).ok());
    Ok(rdb::Group { name, last_id: outer(record.last_id), entries_read, pending, consumers })
}

pub(super) fn write(txn: &mut Txn<'_>, key: &[u8], from: &rdb::Stream) -> Result<()> {
    let mut stream = Stream::create(txn);
    for entry in &from.entries {
        let words: Vec<&[u8]> =
            entry.fields.iter().flat_map(|(name, value)| [name.as_slice(), value.as_slice()]).collect();
        stream.append(txn, inner(entry.id), &words);
    }
    stream.meta.last_id = inner(from.last_id);
    stream.meta.max_deleted_id = inner(from.max_deleted_id);
    stream.meta.entries_added = from.entries_added;
    stream.meta.groups = from.groups.len() as u64;
    for group in &from.groups {
        write_group(txn, &stream, group)?;
    }
    stream.save(txn, key)
}

fn write_group(txn: &mut Txn<'_>, stream: &Stream, from: &rdb::Group) -> Result<()> {
    let read = from.entries_read.filter(|read| *read <= stream.meta.entries_added);
    let record = GroupRecord {
        last_id: inner(from.last_id),
        entries_read: read.and_then(|read| i64::try_from(read).ok()),
        pending: PendingBounds::default(),
        consumers: 0,
    };
    put_group(txn, stream.collection_id(), &from.name, &record);
    let Some(mut group) = Group::open(&txn.view(), stream, &from.name)? else { return Ok(()) };
    for consumer in &from.consumers {
        let record = ConsumerRecord {
            seen_at: consumer.seen_at_ms,
            active_at: consumer.active_at_ms,
            pending: PendingBounds::default(),
        };
        group.add_consumer(&consumer.name, record);
    }
    for pending in &from.pending {
        let Some(consumer) = from.consumers.get(pending.consumer) else { continue };
        let now = Pending {
            delivered_at: pending.delivered_at_ms,
            deliveries: pending.deliveries,
            consumer: Some(consumer.name.clone()),
        };
        group.deliver(txn, inner(pending.id), None, &now)?;
    }
    group.save(txn);
    Ok(())
}
