//! The commands that make a key on a node: one RESTORE, or many commands for a large value. `flotilla import` sends them, and what
//! comes from a source that the data follow is made of them.
//!
//! A large value must not be one command: the node applies a command at once, and all clients wait meanwhile. It is built
//! piece by piece under a temporary name, and then renamed, which takes the same time however large it is.
//!
//! **Invariant.** A value under a temporary name expires by itself if its import does not continue: a killed import leaves
//! nothing for ever. So the commands of a piece set an expiry in the same transaction, and the last ones rename or delete
//! the value. (Exception: if the first element of a collection is larger than a transaction and the import is killed
//! between two commands sent together, that element may be left.)

use crate::rdb::{Consumer, Entry, Field, Group, Member, Object, Record, Stream, StreamId, dump};
use std::collections::BTreeMap;

/// A larger payload is not one command.
const RESTORE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// A value with more elements is not one command.
const RESTORE_ELEMENTS_MAX: usize = 10_000;
/// Elements and bytes of one piece.
const PIECE_ELEMENTS_MAX: usize = 1000;
const PIECE_BYTES_MAX: usize = 1024 * 1024;

/// Lifetime of an unfinished value: a killed import leaves nothing for ever.
const UNFINISHED_SECONDS: &[u8] = b"3600";

pub type Argv = Vec<Vec<u8>>;

/// How to make one key.
pub enum Plan {
    Restore(Argv),
    /// Commands that build the value under a temporary name, in this order.
    Pieces(Vec<Argv>),
}

/// Plans the commands for a record; `under` is a temporary name for a large one.
pub fn plan(record: &Record, under: &[u8], replace: bool) -> Plan {
    let at = record.expires_at_ms.unwrap_or(0).to_string();
    if let Object::String(value) = &record.object
        && value.len() > RESTORE_BYTES_MAX
    {
        return Plan::Pieces(vec![argv(&[b"SET", under, value, b"EX", UNFINISHED_SECONDS])]);
    }
    if record.object.elements() <= RESTORE_ELEMENTS_MAX {
        let payload = dump(&record.object);
        if payload.len() <= RESTORE_BYTES_MAX {
            let mut restore = argv(&[b"RESTORE", &record.key, at.as_bytes(), &payload, b"ABSTTL"]);
            if replace {
                restore.push(b"REPLACE".to_vec());
            }
            return Plan::Restore(restore);
        }
    }
    Plan::Pieces(pieces(&record.object, under))
}

/// The commands that make a record under its own key, where nobody looks before all of them are done: each is a bounded part.
pub fn build(record: &Record) -> Vec<Argv> {
    match plan(record, &record.key, true) {
        Plan::Restore(argv) => vec![argv],
        Plan::Pieces(_) => {
            let mut commands = pieces(&record.object, &record.key);
            if let Some(at) = record.expires_at_ms {
                commands.push(argv(&[b"PEXPIREAT", &record.key, at.to_string().as_bytes()]));
            }
            commands
        }
    }
}

/// Commands that give a complete large value its key and its expiry, and delete it if the key exists. They run as one
/// transaction, so the key never appears with the temporary expiry or without any, and the temporary name never lasts.
pub fn finish(record: &Record, under: &[u8], replace: bool) -> [Argv; 3] {
    let expire = match record.expires_at_ms {
        Some(at) => argv(&[b"PEXPIREAT", under, at.to_string().as_bytes()]),
        None => argv(&[b"PERSIST", under]),
    };
    let rename: &[u8] = if replace { b"RENAME" } else { b"RENAMENX" };
    [expire, argv(&[rename, under, &record.key]), argv(&[b"DEL", under])]
}

/// Asks whether the value built so far still exists. Sent before each piece.
pub fn is_there(under: &[u8]) -> Argv {
    argv(&[b"EXISTS", under])
}

/// Lets a value expire that nobody continues to build. Sent after each piece.
pub fn vanish(under: &[u8]) -> Argv {
    argv(&[b"EXPIRE", under, UNFINISHED_SECONDS])
}

/// Takes away the fields and members that had expired at this time. `false` = the value has no element left.
pub fn without_expired(object: &mut Object, now_ms: u64) -> bool {
    let is_left = |expires_at_ms: Option<u64>| expires_at_ms.is_none_or(|at| at > now_ms);
    match object {
        Object::Hash(fields) => fields.retain(|field| is_left(field.expires_at_ms)),
        Object::ExpiringSet(members) => members.retain(|member| is_left(member.expires_at_ms)),
        Object::String(_) | Object::List(_) | Object::Set(_) | Object::SortedSet(_) | Object::Stream(_) => {
            return true;
        }
    }
    object.elements() > 0
}

/// Whether a value may disappear while it is built: it or all its elements may expire.
pub fn may_expire(record: &Record) -> bool {
    let all_elements_may = match &record.object {
        Object::Hash(fields) => fields.iter().all(|field| field.expires_at_ms.is_some()),
        Object::ExpiringSet(members) => members.iter().all(|member| member.expires_at_ms.is_some()),
        Object::String(_) | Object::List(_) | Object::Set(_) | Object::SortedSet(_) | Object::Stream(_) => {
            false
        }
    };
    all_elements_may || record.expires_at_ms.is_some()
}

/// Words of a command.
pub(super) fn argv(words: &[&[u8]]) -> Argv {
    words.iter().map(|word| word.to_vec()).collect()
}

fn pieces(object: &Object, key: &[u8]) -> Vec<Argv> {
    match object {
        Object::String(value) => vec![argv(&[b"SET", key, value])],
        Object::List(elements) => chunks(b"RPUSH", key, elements.iter().map(|element| vec![element.clone()])),
        Object::Set(members) => chunks(b"SADD", key, members.iter().map(|member| vec![member.clone()])),
        Object::ExpiringSet(members) => expiring_set(members, key),
        Object::SortedSet(members) => {
            let pair = |(member, score): &(Vec<u8>, f64)| vec![score_text(*score), member.clone()];
            chunks(b"ZADD", key, members.iter().map(pair))
        }
        Object::Hash(fields) => hash(fields, key),
        Object::Stream(stream) => stream_pieces(stream, key),
    }
}

/// Commands with a key and many items of some words each.
fn chunks(name: &[u8], key: &[u8], items: impl Iterator<Item = Argv>) -> Vec<Argv> {
    let mut commands = Vec::new();
    let (mut command, mut elements, mut bytes) = (argv(&[name, key]), 0_usize, 0_usize);
    for item in items {
        let size = item.iter().map(Vec::len).fold(0, usize::saturating_add);
        if elements > 0 && (elements >= PIECE_ELEMENTS_MAX || bytes.saturating_add(size) > PIECE_BYTES_MAX) {
            commands.push(std::mem::replace(&mut command, argv(&[name, key])));
            (elements, bytes) = (0, 0);
        }
        command.extend(item);
        elements = elements.saturating_add(1);
        bytes = bytes.saturating_add(size);
    }
    if elements > 0 {
        commands.push(command);
    }
    commands
}

fn score_text(score: f64) -> Vec<u8> {
    // The shortest text that is read as the same number.
    format!("{score:?}").into_bytes()
}

fn hash(fields: &[Field], key: &[u8]) -> Vec<Argv> {
    let pair = |field: &Field| vec![field.name.clone(), field.value.clone()];
    let mut commands = chunks(b"HSET", key, fields.iter().map(pair));
    let expiries = fields.iter().filter_map(|field| Some((&field.name[..], field.expires_at_ms?)));
    commands.extend(expire(b"HPEXPIREAT", key, b"FIELDS", expiries));
    commands
}

fn expiring_set(members: &[Member], key: &[u8]) -> Vec<Argv> {
    let mut commands = chunks(b"SADD", key, members.iter().map(|member| vec![member.name.clone()]));
    let expiries = members.iter().filter_map(|member| Some((&member.name[..], member.expires_at_ms?)));
    commands.extend(expire(b"SPEXPIREAT", key, b"MEMBERS", expiries));
    commands
}

/// Commands that let elements expire, those of one time together.
fn expire<'a>(
    name: &[u8],
    key: &[u8],
    elements: &[u8],
    expiries: impl Iterator<Item = (&'a [u8], u64)>,
) -> Vec<Argv> {
    let mut by_expiry: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
    expiries.for_each(|(element, at)| by_expiry.entry(at).or_default().push(element));
    let mut commands = Vec::new();
    for (at, names) in by_expiry {
        for names in names.chunks(PIECE_ELEMENTS_MAX) {
            let (at, count) = (at.to_string(), names.len().to_string());
            let mut expire = argv(&[name, key, at.as_bytes(), elements, count.as_bytes()]);
            expire.extend(argv(names));
            commands.push(expire);
        }
    }
    commands
}

fn id_text(id: StreamId) -> Vec<u8> {
    format!("{}-{}", id.ms, id.seq).into_bytes()
}

fn stream_pieces(stream: &Stream, key: &[u8]) -> Vec<Argv> {
    let add = |entry: &Entry| {
        let mut add = argv(&[b"XADD", key, &id_text(entry.id)]);
        add.extend(entry.fields.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
        add
    };
    let mut commands: Vec<Argv> = stream.entries.iter().map(add).collect();
    let added = stream.entries_added.to_string();
    commands.push(argv(&[
        b"XSETID",
        key,
        &id_text(stream.last_id),
        b"ENTRIESADDED",
        added.as_bytes(),
        b"MAXDELETEDID",
        &id_text(stream.max_deleted_id),
    ]));
    stream.groups.iter().for_each(|group| commands.extend(group_pieces(group, key)));
    commands
}

fn group_pieces(group: &Group, key: &[u8]) -> Vec<Argv> {
    let mut create = argv(&[b"XGROUP", b"CREATE", key, &group.name, &id_text(group.last_id)]);
    if let Some(read) = group.entries_read {
        create.extend(argv(&[b"ENTRIESREAD", read.to_string().as_bytes()]));
    }
    let join = |consumer: &Consumer| argv(&[b"XGROUP", b"CREATECONSUMER", key, &group.name, &consumer.name]);
    let claim = |pending: &crate::rdb::Pending| {
        let consumer = group.consumers.get(pending.consumer)?;
        let (time, deliveries) = (pending.delivered_at_ms.to_string(), pending.deliveries.to_string());
        let words: [&[u8]; 12] = [
            b"XCLAIM",
            key,
            &group.name,
            &consumer.name,
            b"0",
            &id_text(pending.id),
            b"TIME",
            time.as_bytes(),
            b"RETRYCOUNT",
            deliveries.as_bytes(),
            b"FORCE",
            b"JUSTID",
        ];
        Some(argv(&words))
    };
    let joins = group.consumers.iter().map(join);
    std::iter::once(create).chain(joins).chain(group.pending.iter().filter_map(claim)).collect()
}
