//! An object as Redis 7.0 writes it with its default settings.
//!
//! The thresholds are Redis's defaults and not settings: they only decide the encoding of the bytes.

use super::{
    compact::{canonical_integer, intset, listpack},
    encode_stream,
    object::{Field, Member, Object},
    output, score, types,
};
use std::cmp::Ordering;

const INTSET_MEMBERS_MAX: usize = 512;
const HASH_FIELDS_MAX: usize = 512;
const ZSET_MEMBERS_MAX: usize = 128;
/// A longer element makes a hash or sorted set a large one.
const ELEMENT_BYTES_MAX: usize = 64;
const LIST_NODE_BYTES_MAX: usize = 8192;
/// Bytes of an element in a list node beside its content, by Redis's estimate.
const LIST_ELEMENT_BYTES: usize = 8;
/// A longer element is a node of its own, because a listpack counts its bytes with 32 bits.
const LIST_PLAIN_BYTES: usize = 1 << 30;

/// Writes type and object; returns the version of RDB that they need.
pub fn object(out: &mut Vec<u8>, object: &Object) -> u16 {
    let at = out.len();
    let rdb_type = body(out, object);
    out.insert(at, rdb_type);
    version(object)
}

/// The version of RDB that an object needs.
pub fn version(object: &Object) -> u16 {
    match object {
        Object::Hash(fields) if expire(fields) => types::VERSION_FIELD_EXPIRY,
        _ => types::VERSION,
    }
}

/// Writes an object; returns its type.
pub fn body(out: &mut Vec<u8>, object: &Object) -> u8 {
    match object {
        Object::String(string) => {
            output::string(out, string);
            types::STRING
        }
        Object::List(list) => {
            quicklist(out, list);
            types::LIST_QUICKLIST_2
        }
        Object::Set(members) => set(out, members),
        Object::ExpiringSet(members) => expiring_set(out, members),
        Object::SortedSet(members) => sorted_set(out, members),
        Object::Hash(fields) if expire(fields) => expiring_hash(out, fields),
        Object::Hash(fields) => hash(out, fields),
        Object::Stream(stream) => {
            encode_stream::stream(out, stream);
            types::STREAM_LISTPACKS_2
        }
    }
}

fn expire(fields: &[Field]) -> bool {
    fields.iter().any(|field| field.expires_at_ms.is_some())
}

/// As if the elements had been pushed to the end one after the other.
fn quicklist(out: &mut Vec<u8>, list: &[Vec<u8>]) {
    let mut nodes: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut node = listpack::Writer::new();
    for element in list {
        let is_plain = element.len() >= LIST_PLAIN_BYTES;
        let grown = node.len().saturating_add(element.len()).saturating_add(LIST_ELEMENT_BYTES);
        if !node.is_empty() && (is_plain || grown > LIST_NODE_BYTES_MAX) {
            let full = std::mem::replace(&mut node, listpack::Writer::new());
            nodes.push((types::NODE_PACKED, full.finish()));
        }
        if is_plain {
            nodes.push((types::NODE_PLAIN, element.clone()));
        } else {
            node.push(element);
        }
    }
    if !node.is_empty() {
        nodes.push((types::NODE_PACKED, node.finish()));
    }
    output::count(out, nodes.len());
    for (kind, node) in nodes {
        output::number(out, kind);
        output::string(out, &node);
    }
}

fn set(out: &mut Vec<u8>, members: &[Vec<u8>]) -> u8 {
    let integers: Option<Vec<i64>> = if members.len() <= INTSET_MEMBERS_MAX {
        members.iter().map(|member| canonical_integer(member)).collect()
    } else {
        None
    };
    if let Some(mut integers) = integers {
        integers.sort_unstable();
        output::string(out, &intset::write(&integers));
        return types::SET_INTSET;
    }
    output::count(out, members.len());
    members.iter().for_each(|member| output::string(out, member));
    types::SET
}

fn by_score(a: &(Vec<u8>, f64), b: &(Vec<u8>, f64)) -> Ordering {
    a.1.partial_cmp(&b.1).unwrap_or(Ordering::Equal).then_with(|| a.0.cmp(&b.0))
}

fn sorted_set(out: &mut Vec<u8>, members: &[(Vec<u8>, f64)]) -> u8 {
    let mut members: Vec<&(Vec<u8>, f64)> = members.iter().collect();
    members.sort_by(|a, b| by_score(a, b));
    let is_small = |(member, _): &&(Vec<u8>, f64)| member.len() <= ELEMENT_BYTES_MAX;
    if members.len() <= ZSET_MEMBERS_MAX && members.iter().all(is_small) {
        let mut pack = listpack::Writer::new();
        for (member, score) in members {
            pack.push(member);
            pack.push(score::text(*score).as_bytes());
        }
        output::string(out, &pack.finish());
        return types::ZSET_LISTPACK;
    }
    output::count(out, members.len());
    // Highest first, so that a loader always inserts at the front.
    for (member, score) in members.iter().rev() {
        output::string(out, member);
        out.extend(score.to_le_bytes());
    }
    types::ZSET_2
}

fn is_small_hash(fields: &[Field]) -> bool {
    let is_small = |text: &[u8]| text.len() <= ELEMENT_BYTES_MAX;
    fields.len() <= HASH_FIELDS_MAX
        && fields.iter().all(|field| is_small(&field.name) && is_small(&field.value))
}

fn hash(out: &mut Vec<u8>, fields: &[Field]) -> u8 {
    if is_small_hash(fields) {
        let mut pack = listpack::Writer::new();
        for field in fields {
            pack.push(&field.name);
            pack.push(&field.value);
        }
        output::string(out, &pack.finish());
        return types::HASH_LISTPACK;
    }
    output::count(out, fields.len());
    for field in fields {
        output::string(out, &field.name);
        output::string(out, &field.value);
    }
    types::HASH
}

/// As `expiring_hash`, without values.
fn expiring_set(out: &mut Vec<u8>, members: &[Member]) -> u8 {
    let earliest = members.iter().filter_map(|member| member.expires_at_ms).min().unwrap_or(0);
    out.extend(earliest.to_le_bytes());
    output::count(out, members.len());
    for member in members {
        output::number(out, later(earliest, member.expires_at_ms));
        output::string(out, &member.name);
    }
    types::SET_METADATA
}

/// How an expiry is written behind the earliest one: how much later it is, plus one; 0 for never.
fn later(earliest: u64, expires_at_ms: Option<u64>) -> u64 {
    expires_at_ms.map_or(0, |at| at.saturating_sub(earliest).saturating_add(1))
}

/// Fields that expire: earliest time first, then for each field how much `later` it is.
fn expiring_hash(out: &mut Vec<u8>, fields: &[Field]) -> u8 {
    let earliest = fields.iter().filter_map(|field| field.expires_at_ms).min().unwrap_or(0);
    out.extend(earliest.to_le_bytes());
    if is_small_hash(fields) {
        return expiring_pack(out, fields);
    }
    output::count(out, fields.len());
    for field in fields {
        output::number(out, later(earliest, field.expires_at_ms));
        output::string(out, &field.name);
        output::string(out, &field.value);
    }
    types::HASH_METADATA
}

/// In order of expiry, fields without one last: Redis searches it in this order.
fn expiring_pack(out: &mut Vec<u8>, fields: &[Field]) -> u8 {
    let mut fields: Vec<&Field> = fields.iter().collect();
    fields.sort_by_key(|field| field.expires_at_ms.unwrap_or(u64::MAX));
    let mut pack = listpack::Writer::new();
    for field in fields {
        pack.push(&field.name);
        pack.push(&field.value);
        pack.push_integer(i64::try_from(field.expires_at_ms.unwrap_or(0)).unwrap_or(i64::MAX));
    }
    output::string(out, &pack.finish());
    types::HASH_LISTPACK_EX
}
