//! A stream as Redis 7.0 writes it, nodes filled as if the entries had been added one after the other.
//!
//! The layout is described in `decode_stream`.

use super::{
    compact::listpack,
    decode_stream::FLAG_SAME_FIELDS,
    object::{Entry, Group, Stream, StreamId},
    output,
};

const NODE_ENTRIES_MAX: u8 = 100;
const NODE_BYTES_MAX: usize = 4096;

pub fn stream(out: &mut Vec<u8>, stream: &Stream) {
    let nodes = nodes(&stream.entries);
    output::count(out, nodes.len());
    for node in nodes {
        let mut key = Vec::new();
        raw_id(&mut key, node.first);
        output::raw(out, &key);
        output::string(out, &node.pack.finish());
    }
    output::count(out, stream.entries.len());
    for at in [stream.last_id, stream.first_id, stream.max_deleted_id] {
        id(out, at);
    }
    output::number(out, stream.entries_added);
    output::count(out, stream.groups.len());
    stream.groups.iter().for_each(|one| group(out, one));
}

fn id(out: &mut Vec<u8>, id: StreamId) {
    output::number(out, id.ms);
    output::number(out, id.seq);
}

fn raw_id(out: &mut Vec<u8>, id: StreamId) {
    out.extend(id.ms.to_be_bytes());
    out.extend(id.seq.to_be_bytes());
}

fn time(out: &mut Vec<u8>, ms: u64) {
    out.extend(i64::try_from(ms).unwrap_or(i64::MAX).to_le_bytes());
}

struct Node<'a> {
    first: StreamId,
    fields: Vec<&'a [u8]>,
    entries: u8,
    pack: listpack::Writer,
}

fn nodes(entries: &[Entry]) -> Vec<Node<'_>> {
    let mut nodes: Vec<Node> = Vec::new();
    for entry in entries {
        let bytes = |(name, value): &(Vec<u8>, Vec<u8>)| name.len().saturating_add(value.len());
        let size: usize = entry.fields.iter().map(bytes).fold(0, usize::saturating_add);
        let has_room = |node: &&mut Node| {
            node.entries < NODE_ENTRIES_MAX && node.pack.len().saturating_add(size) < NODE_BYTES_MAX
        };
        match nodes.last_mut().filter(has_room) {
            Some(node) => node.push(entry),
            None => nodes.push(Node::new(entry)),
        }
    }
    nodes
}

impl<'a> Node<'a> {
    fn new(entry: &'a Entry) -> Self {
        let fields: Vec<&[u8]> = entry.fields.iter().map(|(name, _)| name.as_slice()).collect();
        let mut pack = listpack::Writer::new();
        pack.push_integer(0);
        pack.push_integer(0);
        push_count(&mut pack, fields.len());
        fields.iter().for_each(|name| pack.push(name));
        pack.push_integer(0);
        let mut node = Node { first: entry.id, fields, entries: 0, pack };
        node.push(entry);
        node
    }

    fn push(&mut self, entry: &Entry) {
        let names = || entry.fields.iter().map(|(name, _)| name.as_slice());
        let is_same = names().eq(self.fields.iter().copied());
        self.pack.push_integer(if is_same { FLAG_SAME_FIELDS } else { 0 });
        self.pack.push_integer(difference(entry.id.ms, self.first.ms));
        self.pack.push_integer(difference(entry.id.seq, self.first.seq));
        if !is_same {
            push_count(&mut self.pack, entry.fields.len());
        }
        for (name, value) in &entry.fields {
            if !is_same {
                self.pack.push(name);
            }
            self.pack.push(value);
        }
        let fields = entry.fields.len();
        let elements = if is_same { fields } else { fields.saturating_mul(2).saturating_add(1) };
        push_count(&mut self.pack, elements.saturating_add(3));
        self.entries = self.entries.saturating_add(1);
        self.pack.set_first(self.entries);
    }
}

fn push_count(pack: &mut listpack::Writer, count: usize) {
    pack.push_integer(i64::try_from(count).unwrap_or(i64::MAX));
}

/// The sequence may be below the first's when the time is later: it wraps.
fn difference(here: u64, first: u64) -> i64 {
    here.wrapping_sub(first).cast_signed()
}

fn group(out: &mut Vec<u8>, group: &Group) {
    output::string(out, &group.name);
    id(out, group.last_id);
    // Not known is -1.
    output::number(out, group.entries_read.unwrap_or(u64::MAX));
    output::count(out, group.pending.len());
    for pending in &group.pending {
        raw_id(out, pending.id);
        time(out, pending.delivered_at_ms);
        output::number(out, pending.deliveries);
    }
    let mut own: Vec<Vec<StreamId>> = vec![Vec::new(); group.consumers.len()];
    for pending in &group.pending {
        if let Some(own) = own.get_mut(pending.consumer) {
            own.push(pending.id);
        }
    }
    output::count(out, group.consumers.len());
    for (consumer, own) in group.consumers.iter().zip(own) {
        output::string(out, &consumer.name);
        time(out, consumer.seen_at_ms);
        output::count(out, own.len());
        own.into_iter().for_each(|id| raw_id(out, id));
    }
}
