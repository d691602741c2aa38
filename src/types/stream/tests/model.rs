//! A model of a stream, made of maps.

use crate::{
    resp::Reply,
    store::{ALL, Direction, SubKeys, View},
    types::stream::{Group, Stream, StreamId, lag, scan_consumers, scan_groups, scan_pending},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Bound, ControlFlow},
};

/// Pending entries: with whom, and how often delivered.
#[derive(Clone, Default, Debug)]
pub struct ModelGroup {
    pub last_id: StreamId,
    pub consumers: BTreeSet<String>,
    pub pending: BTreeMap<StreamId, (String, u64)>,
}

#[derive(Clone, Default, Debug)]
pub struct ModelStream {
    pub entries: BTreeMap<StreamId, u64>,
    pub last_id: StreamId,
    pub groups: BTreeMap<String, ModelGroup>,
}

/// The ids in an array of entries.
pub fn ids_of(reply: &Reply) -> Vec<StreamId> {
    let Reply::Array(entries) = reply else { return Vec::new() };
    let id = |entry: &Reply| match entry {
        Reply::Array(parts) => id_of(&parts[0]),
        id => id_of(id),
    };
    entries.iter().map(id).collect()
}

fn id_of(reply: &Reply) -> StreamId {
    let Reply::Bulk(text) = reply else { panic!("{reply:?}") };
    StreamId::parse(text, 0).unwrap()
}

/// Whether what is stored is the model, and nothing besides.
pub fn compare(view: &View<'_>, key: &[u8], model: Option<&ModelStream>) {
    let stream = Stream::open(view, key).unwrap();
    let (Some(stream), Some(model)) = (&stream, model) else {
        assert_eq!(stream.is_some(), model.is_some());
        return;
    };
    let mut ids: Vec<StreamId> = model.entries.keys().copied().collect();
    assert_eq!(stream.len(), ids.len() as u64);
    assert_eq!(stream.meta.last_id, model.last_id);
    assert_eq!(stream.meta.first_id, ids.first().copied().unwrap_or_default());
    assert_eq!(stream.last_entry(view).unwrap(), ids.last().copied());
    assert_eq!(visited(view, stream, Direction::Forward), ids);
    ids.reverse();
    assert_eq!(visited(view, stream, Direction::Backward), ids);

    let mut names = Vec::new();
    scan_groups(view, stream, |name, _| {
        names.push(String::from_utf8(name.to_vec()).unwrap());
        Ok(())
    })
    .unwrap();
    assert_eq!(names, model.groups.keys().cloned().collect::<Vec<_>>());
    assert_eq!(stream.meta.groups, names.len() as u64);
    let mut rows = ids.len() + names.len();
    for (name, group) in &model.groups {
        let ahead = model.entries.range((Bound::Excluded(group.last_id), Bound::Unbounded)).count();
        compare_group(view, stream, name, group, ahead);
        rows += group.consumers.len() + 2 * group.pending.len();
    }
    let mut stored = 0;
    view.scan_sub(SubKeys::Data, stream.collection_id(), ALL, Direction::Forward, |_, _| {
        stored += 1;
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    assert_eq!(stored, rows, "sub-keys that belong to nothing");
}

fn visited(view: &View<'_>, stream: &Stream, direction: Direction) -> Vec<StreamId> {
    let mut found = Vec::new();
    stream
        .visit(view, StreamId::MIN, StreamId::MAX, direction, |id, _| {
            found.push(id);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    found
}

/// `ahead`: entries that the group has not had.
fn compare_group(view: &View<'_>, stream: &Stream, name: &str, model: &ModelGroup, ahead: usize) {
    let group = Group::open(view, stream, name.as_bytes()).unwrap().unwrap();
    let record = group.record;
    assert_eq!(record.last_id, model.last_id);
    if let Some(lag) = lag(stream, &record) {
        assert_eq!(lag, ahead as i64, "{record:?} {:?}", stream.meta);
    }
    assert_eq!(
        (record.pending.count, record.consumers),
        (model.pending.len() as u64, model.consumers.len() as u64)
    );
    let whole = (StreamId::MIN, StreamId::MAX);
    for direction in [Direction::Forward, Direction::Backward] {
        let mut found = Vec::new();
        scan_pending(
            view,
            stream.collection_id(),
            name.as_bytes(),
            None,
            &record.pending,
            whole,
            direction,
            |id, one| {
                found.push((
                    id,
                    (String::from_utf8(one.consumer.unwrap_or_default()).unwrap(), one.deliveries),
                ));
                Ok(ControlFlow::Continue(()))
            },
        )
        .unwrap();
        if direction == Direction::Backward {
            found.reverse();
        }
        let pending: Vec<_> = model.pending.iter().map(|(id, one)| (*id, one.clone())).collect();
        assert_eq!(found, pending);
    }
    let mut consumers = BTreeSet::new();
    scan_consumers(view, stream.collection_id(), name.as_bytes(), |consumer, record| {
        let consumer = String::from_utf8(consumer.to_vec()).unwrap();
        let theirs: Vec<StreamId> =
            model.pending.iter().filter(|(_, (with, _))| *with == consumer).map(|(id, _)| *id).collect();
        let mut found = Vec::new();
        let (collection, with) = (stream.collection_id(), Some(consumer.as_bytes()));
        scan_pending(
            view,
            collection,
            name.as_bytes(),
            with,
            &record.pending,
            whole,
            Direction::Forward,
            |id, _| {
                found.push(id);
                Ok(ControlFlow::Continue(()))
            },
        )?;
        assert_eq!((record.pending.count, found), (theirs.len() as u64, theirs));
        consumers.insert(consumer);
        Ok(())
    })
    .unwrap();
    assert_eq!(consumers, model.consumers);
}
