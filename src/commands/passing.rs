//! The commands by which servers that follow by PSYNC repeat calls that they cannot repeat as they are: calls that
//! draw random members, look at several keys, read the clock, or count from elements which have expired here and not yet there.

use crate::{
    command::passed,
    error::Result,
    resp::Reply,
    store::{PassedCommand, View},
    types::stream::Stream,
};

type Outcome = Result<Option<Vec<PassedCommand>>>;

fn text(reply: &Reply) -> Option<&[u8]> {
    match reply {
        Reply::Bulk(text) => Some(text),
        _ => None,
    }
}

fn word<'a>(argv: &[&'a [u8]], at: usize) -> &'a [u8] {
    argv.get(at).copied().unwrap_or_default()
}

fn is(word: &[u8], other: &str) -> bool {
    word.eq_ignore_ascii_case(other.as_bytes())
}

/// LMOVE, BLMOVE.
pub(super) fn moved_element(_view: &View<'_>, argv: &[&[u8]], reply: &Reply) -> Outcome {
    let (from, to) = (is(word(argv, 3), "LEFT"), is(word(argv, 4), "LEFT"));
    Ok(moved(argv, reply, from, to))
}

/// RPOPLPUSH, BRPOPLPUSH.
pub(super) fn moved_from_right(_view: &View<'_>, argv: &[&[u8]], reply: &Reply) -> Outcome {
    Ok(moved(argv, reply, false, true))
}

fn moved(argv: &[&[u8]], reply: &Reply, from_left: bool, to_left: bool) -> Option<Vec<PassedCommand>> {
    let pop: &[u8] = if from_left { b"LPOP" } else { b"RPOP" };
    let push: &[u8] = if to_left { b"LPUSH" } else { b"RPUSH" };
    let element = text(reply)?;
    Some(vec![passed(&[pop, word(argv, 1)]), passed(&[push, word(argv, 2), element])])
}

/// BLPOP.
pub(super) fn popped_left(_view: &View<'_>, _argv: &[&[u8]], reply: &Reply) -> Outcome {
    Ok(popped(reply, b"LPOP"))
}
/// BRPOP.
pub(super) fn popped_right(_view: &View<'_>, _argv: &[&[u8]], reply: &Reply) -> Outcome {
    Ok(popped(reply, b"RPOP"))
}
/// BZPOPMIN.
pub(super) fn popped_min(_view: &View<'_>, _argv: &[&[u8]], reply: &Reply) -> Outcome {
    Ok(popped(reply, b"ZPOPMIN"))
}
/// BZPOPMAX.
pub(super) fn popped_max(_view: &View<'_>, _argv: &[&[u8]], reply: &Reply) -> Outcome {
    Ok(popped(reply, b"ZPOPMAX"))
}

fn popped(reply: &Reply, name: &[u8]) -> Option<Vec<PassedCommand>> {
    let Reply::Array(parts) = reply else { return None };
    Some(vec![passed(&[name, text(parts.first()?)?])])
}

/// LMPOP, BLMPOP.
pub(super) fn popped_elements(_view: &View<'_>, argv: &[&[u8]], reply: &Reply) -> Outcome {
    Ok(popped_many(argv, reply, [("LEFT", b"LPOP"), ("RIGHT", b"RPOP")]))
}
/// ZMPOP, BZMPOP.
pub(super) fn popped_members(_view: &View<'_>, argv: &[&[u8]], reply: &Reply) -> Outcome {
    Ok(popped_many(argv, reply, [("MIN", b"ZPOPMIN"), ("MAX", b"ZPOPMAX")]))
}

/// Keys may be called as an end is, but they are before it.
fn popped_many<const N: usize>(
    argv: &[&[u8]],
    reply: &Reply,
    ends: [(&str, &[u8; N]); 2],
) -> Option<Vec<PassedCommand>> {
    let Reply::Array(parts) = reply else { return None };
    let (Some(key), Some(Reply::Array(taken))) = (parts.first().and_then(text), parts.get(1)) else {
        return None;
    };
    let mut words = argv.iter().rev();
    let (_, name) = words.find_map(|word| ends.iter().find(|(end, _)| is(word, end)))?;
    Some(vec![passed(&[&name[..], key, taken.len().to_string().as_bytes()])])
}

/// SPOP.
pub(super) fn taken_members(_view: &View<'_>, argv: &[&[u8]], reply: &Reply) -> Outcome {
    let members: Vec<&[u8]> = match reply {
        Reply::Set(members) => members.iter().filter_map(text).collect(),
        other => text(other).into_iter().collect(),
    };
    let words = [&[&b"SREM"[..], word(argv, 1)], &members[..]].concat();
    Ok((!members.is_empty()).then(|| vec![passed(&words)]))
}

/// SMOVE.
pub(super) fn moved_member(_view: &View<'_>, argv: &[&[u8]], _reply: &Reply) -> Outcome {
    let (from, to, member) = (word(argv, 1), word(argv, 2), word(argv, 3));
    Ok(match from == to {
        true => Some(Vec::new()),
        false => Some(vec![passed(&[b"SREM", from, member]), passed(&[b"SADD", to, member])]),
    })
}

/// HINCRBY, HINCRBYFLOAT: the field had a number of before its expiry, there.
pub(super) fn new_field(_view: &View<'_>, argv: &[&[u8]], reply: &Reply) -> Outcome {
    let value = match reply {
        Reply::Int(number) => number.to_string().into_bytes(),
        Reply::Bulk(text) => text.to_vec(),
        _ => return Ok(None),
    };
    Ok(Some(vec![passed(&[b"HSET", word(argv, 1), word(argv, 2), &value])]))
}

/// HSETNX.
pub(super) fn set_field(_view: &View<'_>, argv: &[&[u8]], _reply: &Reply) -> Outcome {
    Ok(Some(vec![passed(&[b"HSET", word(argv, 1), word(argv, 2), word(argv, 3)])]))
}

/// XTRIM: what is approximate is not the same everywhere, the first entry that is left is.
pub(super) fn trimmed_stream(view: &View<'_>, argv: &[&[u8]], _reply: &Reply) -> Outcome {
    match touches_groups(argv.get(2..).unwrap_or_default()) {
        true => Ok(None),
        false => Ok(Some(vec![trim(view, word(argv, 1))?])),
    }
}

/// Entries that go take references of groups with them, or stay because of them.
fn touches_groups(words: &[&[u8]]) -> bool {
    words.iter().any(|word| is(word, "DELREF") || is(word, "ACKED"))
}

/// Trims a stream elsewhere to what it is here.
pub(super) fn trim(view: &View<'_>, key: &[u8]) -> Result<PassedCommand> {
    let stream = Stream::open(view, key)?.filter(|stream| !stream.is_empty());
    Ok(match stream {
        Some(stream) => passed(&[b"XTRIM", key, b"MINID", stream.meta.first_id.to_string().as_bytes()]),
        None => passed(&[b"XTRIM", key, b"MAXLEN", b"0"]),
    })
}

/// XREADGROUP of one stream: its key and its group.
pub(super) fn group_read(argv: &[&[u8]]) -> Option<(usize, usize)> {
    let streams = argv.iter().skip(4).position(|word| is(word, "STREAMS"))?.checked_add(4)?;
    let of_one = argv.len() == streams.checked_add(3)?;
    of_one.then_some((streams.checked_add(1)?, 2))
}

/// XCLAIM, XAUTOCLAIM.
pub(super) fn group_claimed(_argv: &[&[u8]]) -> Option<(usize, usize)> {
    Some((1, 2))
}

/// XADD: with its id, and trimmed to what is left here.
pub(super) fn added_entry(
    view: &View<'_>,
    (key, words): (&[u8], &[&[u8]]),
    reply: &Reply,
    is_trimmed: bool,
) -> Outcome {
    let Some(id) = text(reply) else { return Ok(None) };
    let mut commands = vec![passed(&[&[&b"XADD"[..], key, id], words].concat())];
    if is_trimmed {
        commands.push(trim(view, key)?);
    }
    Ok(Some(commands))
}
