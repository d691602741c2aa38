//! Commands on streams.

mod ack;
mod add;
mod allowance;
mod claim;
mod claim_idle;
mod claim_options;
mod config;
mod delete;
mod delete_with;
mod group;
mod info;
mod info_full;
mod nack;
mod pending;
mod range;
mod read;
mod read_group;
mod read_options;
mod trim;

use crate::{
    command::Command,
    error::Result,
    resp::{ErrorReply, Reply},
    types::stream::{Pending, StreamId, fields},
};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    ack::XACK,
    add::XADD,
    claim::XAUTOCLAIM,
    claim::XCLAIM,
    config::XCFGSET,
    delete::XDEL,
    delete::XSETID,
    delete_with::XACKDEL,
    delete_with::XDELEX,
    group::XGROUP,
    info::XINFO,
    nack::XNACK,
    pending::XPENDING,
    range::XLEN,
    range::XRANGE,
    range::XREVRANGE,
    read::XREAD,
    read_group::XREADGROUP,
    trim::XTRIM,
];

fn id_reply(id: StreamId) -> Reply {
    Reply::bulk(id.to_string())
}

/// An entry: its id, and an array of its fields and values.
fn entry_reply(id: StreamId, bytes: &[u8]) -> Result<Reply> {
    let words = fields(bytes)?.into_iter().map(Reply::bulk).collect();
    Ok(Reply::Array(vec![id_reply(id), Reply::Array(words)]))
}

/// How long ago a pending entry was delivered, ms; -1: it was released.
fn idle_reply(idle_ms: Option<u64>) -> Reply {
    idle_ms.map_or(Reply::Int(-1), Reply::count)
}

/// The consumer of a pending entry; without a name: it was released.
fn consumer_reply(pending: &Pending) -> Reply {
    Reply::bulk(pending.consumer.as_deref().unwrap_or_default())
}

fn number_or_nil(number: Option<i64>) -> Reply {
    number.map_or(Reply::Nil, Reply::Int)
}

/// The group that a command is about does not exist, or its key does not.
fn no_group(key: &[u8], group: &[u8]) -> ErrorReply {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    ErrorReply::new("NOGROUP", format!("No such key '{key}' or consumer group '{group}'"))
}

/// The key exists, the group does not.
fn no_group_of_key(key: &[u8], group: &[u8]) -> ErrorReply {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    ErrorReply::new("NOGROUP", format!("No such consumer group '{group}' for key name '{key}'"))
}

fn bad_start() -> ErrorReply {
    ErrorReply::err("invalid start ID for the interval")
}

/// The first id of an interval; `(` leaves the id itself out.
fn interval_start(word: &[u8]) -> Result<StreamId, ErrorReply> {
    match exclusive(word) {
        Some(id) => StreamId::parse(id, 0)?.next().ok_or_else(bad_start),
        None => StreamId::parse_bound(word, 0),
    }
}

/// The last id of an interval.
fn interval_end(word: &[u8]) -> Result<StreamId, ErrorReply> {
    let bad_end = || ErrorReply::err("invalid end ID for the interval");
    match exclusive(word) {
        Some(id) => StreamId::parse(id, u64::MAX)?.previous().ok_or_else(bad_end),
        None => StreamId::parse_bound(word, u64::MAX),
    }
}

fn exclusive(word: &[u8]) -> Option<&[u8]> {
    word.strip_prefix(b"(").filter(|id| !id.is_empty())
}
