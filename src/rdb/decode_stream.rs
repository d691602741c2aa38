//! A stream: its entries in listpacks, then its own fields, then its consumer groups.
//!
//! ```text
//! stream   nodes, (first id: 16 bytes, listpack)…, length, last id, [first id, largest deleted id, entries added], groups
//! group    name, last id, [entries read], pending, (id: 16 bytes, time, deliveries)…, consumers
//! consumer name, seen, [active], pending, (id: 16 bytes)…
//! listpack live, deleted, fields, field…, 0, then entries: flags, ms and seq above the first id, [fields, field and value… |
//!          value…], number of elements
//! ```

use super::{
    compact::{Element, listpack},
    decode,
    error::Result,
    input::Input,
    object::{Consumer, Entry, Group, Pending, Stream, StreamId},
};
use std::{collections::BTreeMap, io::Read};

/// The parts in brackets were added by 7.0 (two) and 7.2 (three).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamVersion {
    One,
    Two,
    Three,
}

pub const FLAG_DELETED: i64 = 1;
pub const FLAG_SAME_FIELDS: i64 = 2;

pub fn stream<R: Read>(input: &mut Input<R>, version: StreamVersion) -> Result<Stream> {
    let mut entries = Vec::new();
    for _ in 0..input.number()? {
        node(input, &mut entries)?;
    }
    if !entries.is_sorted_by(|a: &Entry, b| a.id < b.id) {
        return Err(input.corrupt("the ids of a stream do not ascend"));
    }
    let _length = input.number()?;
    let mut stream = Stream { last_id: id(input)?, ..Stream::default() };
    let first_id = entries.first().map(|entry| entry.id).unwrap_or_default();
    if version >= StreamVersion::Two {
        let _first_id = id(input)?;
        stream.max_deleted_id = id(input)?;
        stream.entries_added = input.number()?;
    } else {
        stream.entries_added = entries.len() as u64;
    }
    stream.first_id = first_id;
    stream.entries = entries;
    if stream.entries.last().is_some_and(|entry| entry.id > stream.last_id) {
        return Err(input.corrupt("an entry of a stream has a larger id than its last"));
    }
    let mut groups = Vec::new();
    for _ in 0..input.number()? {
        groups.push(group(input, version, &stream)?);
    }
    if !decode::are_distinct(groups.iter().map(|group: &Group| group.name.as_slice())) {
        return Err(input.corrupt("a stream has a group twice"));
    }
    stream.groups = groups;
    Ok(stream)
}

/// An id as two numbers.
fn id<R: Read>(input: &mut Input<R>) -> Result<StreamId> {
    Ok(StreamId { ms: input.number()?, seq: input.number()? })
}

/// An id as sixteen bytes.
fn raw_id<R: Read>(input: &mut Input<R>) -> Result<StreamId> {
    Ok(StreamId { ms: u64::from_be_bytes(input.array()?), seq: u64::from_be_bytes(input.array()?) })
}

fn node<R: Read>(input: &mut Input<R>, entries: &mut Vec<Entry>) -> Result<()> {
    let key = input.string()?;
    let ids = key.split_first_chunk::<8>().and_then(|(ms, seq)| Some((*ms, seq.try_into().ok()?)));
    let Some((ms, seq)) = ids else { return Err(input.corrupt("a node of a stream has no id")) };
    let first = StreamId { ms: u64::from_be_bytes(ms), seq: u64::from_be_bytes(seq) };
    let blob = input.string()?;
    let elements = listpack::read(&blob, input.elements_left())
        .map_err(|what| decode::packed(input, "listpack", what))?;
    input.charge(elements.len() as u64, 0)?;
    let mut node =
        Node { elements: elements.iter(), first, same: Vec::new(), bytes: 0, bytes_max: input.room() };
    let before = entries.len();
    match node.entries(entries) {
        Some(()) => {
            let added = entries.len().saturating_sub(before);
            input.charge(added as u64, node.bytes)
        }
        None if node.bytes > node.bytes_max => Err(input.too_large()),
        None => Err(input.corrupt("a node of a stream is malformed")),
    }
}

/// The elements of a listpack that were not read yet.
struct Node<'a> {
    elements: std::slice::Iter<'a, Element<'a>>,
    first: StreamId,
    same: Vec<Vec<u8>>,
    /// Bytes of field names that are once in the node and, in memory, in each entry.
    bytes: u64,
    /// More than this is too much: the reader stops.
    bytes_max: u64,
}

impl Node<'_> {
    fn integer(&mut self) -> Option<i64> {
        self.elements.next()?.integer()
    }

    fn count(&mut self) -> Option<u64> {
        u64::try_from(self.integer()?).ok()
    }

    fn text(&mut self) -> Option<Vec<u8>> {
        self.elements.next().map(|element| element.to_bytes())
    }

    fn entries(&mut self, entries: &mut Vec<Entry>) -> Option<()> {
        let (live, deleted) = (self.count()?, self.count()?);
        let fields = self.count()?;
        self.same = (0..fields).map(|_| self.text()).collect::<Option<_>>()?;
        (self.count()? == 0).then_some(())?;
        let (mut found_live, mut found_deleted) = (0_u64, 0_u64);
        while !self.elements.as_slice().is_empty() {
            match self.entry()? {
                Some(entry) => {
                    entries.push(entry);
                    found_live = found_live.checked_add(1)?;
                }
                None => found_deleted = found_deleted.checked_add(1)?,
            }
        }
        (found_live == live && found_deleted == deleted).then_some(())
    }

    /// `Some(None)`: a deleted one.
    fn entry(&mut self) -> Option<Option<Entry>> {
        let before = self.elements.len();
        let flags = self.integer()?;
        // Differences of 64-bit numbers, so they may wrap; that the ids ascend is checked later.
        let (ms, seq) = (self.integer()?, self.integer()?);
        let id = StreamId {
            ms: self.first.ms.wrapping_add_signed(ms),
            seq: self.first.seq.wrapping_add_signed(seq),
        };
        let mut fields = Vec::new();
        if flags & FLAG_SAME_FIELDS != 0 {
            for field in 0..self.same.len() {
                let name = self.same.get(field)?;
                self.bytes = self.bytes.saturating_add(name.len() as u64);
                if self.bytes > self.bytes_max {
                    return None;
                }
                fields.push((name.clone(), self.text()?));
            }
        } else {
            for _ in 0..self.count()? {
                fields.push((self.text()?, self.text()?));
            }
        }
        let elements = before.checked_sub(self.elements.len())?;
        if usize::try_from(self.count()?).ok()? != elements || fields.is_empty() {
            return None;
        }
        Some((flags & FLAG_DELETED == 0).then_some(Entry { id, fields }))
    }
}

fn group<R: Read>(input: &mut Input<R>, version: StreamVersion, stream: &Stream) -> Result<Group> {
    let name = input.string()?;
    let last_id = id(input)?;
    let entries_read = if version >= StreamVersion::Two {
        // -1 means not known.
        let read = input.number()?;
        i64::try_from(read).is_ok().then_some(read)
    } else {
        entries_before(stream, last_id)
    };
    let mut pending = BTreeMap::new();
    for _ in 0..input.number()? {
        input.charge(1, 0)?;
        let id = raw_id(input)?;
        let delivered = (input.time_ms()?, input.number()?, None);
        if pending.insert(id, delivered).is_some() {
            return Err(input.corrupt("an entry is pending twice"));
        }
    }
    let mut consumers = Vec::new();
    for place in 0..input.number()? {
        let name = input.string()?;
        let seen_at_ms = input.time_ms()?;
        let active_at_ms = match version {
            // Not known then: the best guess.
            StreamVersion::One | StreamVersion::Two => Some(seen_at_ms),
            StreamVersion::Three => u64::try_from(i64::from_le_bytes(input.array()?)).ok(),
        };
        consumers.push(Consumer { name, seen_at_ms, active_at_ms });
        for _ in 0..input.number()? {
            let id = raw_id(input)?;
            match pending.get_mut(&id) {
                Some((_, _, owner @ None)) => *owner = usize::try_from(place).ok(),
                Some(_) => return Err(input.corrupt("an entry is pending for two consumers")),
                None => return Err(input.corrupt("a consumer has an entry that is not pending in its group")),
            }
        }
    }
    if !decode::are_distinct(consumers.iter().map(|consumer| consumer.name.as_slice())) {
        return Err(input.corrupt("a group has a consumer twice"));
    }
    let owned = |(id, (delivered_at_ms, deliveries, owner)): (StreamId, (u64, u64, Option<usize>))| {
        Some(Pending { id, delivered_at_ms, deliveries, consumer: owner? })
    };
    let pending: Option<Vec<Pending>> = pending.into_iter().map(owned).collect();
    let pending = pending.ok_or_else(|| input.corrupt("an entry is pending for no consumer"))?;
    Ok(Group { name, last_id, entries_read, pending, consumers })
}

/// The number of entries added up to this id, if it is certain although Redis before 7.0 did not count.
fn entries_before(stream: &Stream, id: StreamId) -> Option<u64> {
    if stream.entries_added == 0 {
        return Some(0);
    }
    if id == stream.last_id {
        return Some(stream.entries_added);
    }
    if id < stream.first_id {
        return Some(0);
    }
    (id == stream.first_id).then_some(1)
}
