//! Keys of a view as commands that a Redis 7.0 understands.
//!
//! Its hashes and sets have no elements that expire. Such elements are sent without their expiry, and go when the log deletes them,
//! as a replica's keys go when its source says so.

use super::pending::Dirty;
use crate::{
    error::{Error, Result},
    limits::PASSED_VALUE_BYTES_MAX,
    rdb::{self, Object},
    resp::put_request,
    store::{Replies, Row, View},
    types::portable,
};
use foldhash::HashSet;

/// Takes bytes of the stream.
pub trait Sink {
    /// `Err`: nobody wants them any more.
    fn put(&mut self, bytes: Vec<u8>) -> Result<(), Stopped>;
    /// A value lost something that cannot be carried.
    fn lost_expiries(&mut self);
}

/// Why a unit of the stream, or a copy, ended before its end.
#[derive(Debug)]
pub enum Stopped {
    Unwanted,
    /// The value of this key is larger than may be held in memory.
    TooLarge(Vec<u8>),
    Failed(String),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Failed(error.to_string())
    }
}

/// A command.
pub fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    put_request(&mut out, words);
    out
}

/// The value of a key, and when it expires (0 = never), without what cannot be carried; `None`: there is none.
pub fn read(view: &View<'_>, key: &[u8]) -> Result<Option<Carried>, Stopped> {
    let Some(Row { expires_at, .. }) = view.get(key)? else { return Ok(None) };
    let room = Replies::of_one(PASSED_VALUE_BYTES_MAX);
    let object = match portable::read(&view.replying(&room), key) {
        Err(Error::Client(_)) if room.is_over() => return Err(Stopped::TooLarge(key.to_vec())),
        read => read?,
    };
    Ok(object.map(|object| {
        let (object, lost) = object.without_element_expiries();
        Carried { object, expires_at, lost }
    }))
}

/// See `read`.
pub struct Carried {
    pub object: Object,
    pub expires_at: u64,
    /// Elements were to expire.
    pub lost: bool,
}

/// Sends what is dirty of a key.
pub fn put(view: &View<'_>, key: &[u8], dirty: &Dirty, out: &mut impl Sink) -> Result<(), Stopped> {
    match dirty {
        Dirty::Value => value(view, key, out),
        Dirty::Expiry => expiry(view, key, out),
        Dirty::Groups(names) => match groups(view, key, names)? {
            Some(commands) => {
                commands.into_iter().try_for_each(|command| out.put(command))?;
                expiry(view, key, out)
            }
            None => value(view, key, out),
        },
    }
}

fn value(view: &View<'_>, key: &[u8], out: &mut impl Sink) -> Result<(), Stopped> {
    let Some(Carried { object, expires_at, lost }) = read(view, key)? else {
        return out.put(command(&[b"DEL", key]));
    };
    if lost {
        out.lost_expiries();
    }
    let at = expires_at.to_string();
    match object {
        Object::String(value) if expires_at == 0 => out.put(command(&[b"SET", key, &value])),
        Object::String(value) => out.put(command(&[b"SET", key, &value, b"PXAT", at.as_bytes()])),
        object => {
            let payload = rdb::dump(&object);
            drop(object);
            out.put(command(&[b"RESTORE", key, at.as_bytes(), &payload, b"REPLACE", b"ABSTTL"]))
        }
    }
}

fn expiry(view: &View<'_>, key: &[u8], out: &mut impl Sink) -> Result<(), Stopped> {
    out.put(match view.get(key)? {
        None => command(&[b"DEL", key]),
        Some(Row { expires_at: 0, .. }) => command(&[b"PERSIST", key]),
        Some(Row { expires_at, .. }) => command(&[b"PEXPIREAT", key, expires_at.to_string().as_bytes()]),
    })
}

/// Makes groups of a stream anew; `None`: they cannot be made without the stream, because entries are pending that were deleted.
fn groups(view: &View<'_>, key: &[u8], names: &HashSet<Vec<u8>>) -> Result<Option<Vec<Vec<u8>>>, Stopped> {
    // What was made of the key meanwhile has told of itself.
    if !view.get(key)?.is_some_and(|row| row.kind == crate::store::Type::Stream) {
        return Ok(Some(Vec::new()));
    }
    let room = Replies::of_one(PASSED_VALUE_BYTES_MAX);
    let mut commands = Vec::new();
    for name in names {
        let found = match portable::read_group(&view.replying(&room), key, name) {
            Err(Error::Client(_)) if room.is_over() => return Err(Stopped::TooLarge(key.to_vec())),
            found => found?,
        };
        commands.push(command(&[b"XGROUP", b"DESTROY", key, name]));
        let Some((group, has_all)) = found else { continue };
        if !has_all {
            return Ok(None);
        }
        let last = id(group.last_id);
        let read = group.entries_read.map(|read| read.to_string());
        let mut create: Vec<&[u8]> = vec![b"XGROUP", b"CREATE", key, name, last.as_bytes()];
        if let Some(read) = &read {
            create.extend([&b"ENTRIESREAD"[..], read.as_bytes()]);
        }
        commands.push(command(&create));
        for consumer in &group.consumers {
            commands.push(command(&[b"XGROUP", b"CREATECONSUMER", key, name, &consumer.name]));
        }
        for pending in &group.pending {
            let Some(consumer) = group.consumers.get(pending.consumer) else { continue };
            let (at, time, count) =
                (id(pending.id), pending.delivered_at_ms.to_string(), pending.deliveries.to_string());
            let words: [&[u8]; 14] = [
                b"XCLAIM",
                key,
                name,
                &consumer.name,
                b"0",
                at.as_bytes(),
                b"TIME",
                time.as_bytes(),
                b"RETRYCOUNT",
                count.as_bytes(),
                b"FORCE",
                b"JUSTID",
                b"LASTID",
                last.as_bytes(),
            ];
            commands.push(command(&words));
        }
    }
    Ok(Some(commands))
}

fn id(id: rdb::StreamId) -> String {
    format!("{}-{}", id.ms, id.seq)
}
