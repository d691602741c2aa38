//! Replies between nodes: a follower that forwarded a write gets the leader's reply and encodes it for its own client.
//!
//! `tag u8` and its content: integers little-endian, bytes with a u32 length before them, containers with a u32 count.
//! Not persisted; both ends have negotiated the same peer protocol version.

use super::{ErrorReply, Reply};
use crate::value::Value;

/// Containers within containers that a reply may have; handlers produce far fewer.
const DEPTH_MAX: usize = 32;

/// Appends a reply.
pub fn put_reply(reply: &Reply, out: &mut Vec<u8>) {
    match reply {
        Reply::Ok => out.push(0),
        Reply::Nil => out.push(1),
        Reply::NilArray => out.push(2),
        Reply::None => out.push(3),
        Reply::Simple(text) => put_bytes(4, text.as_bytes(), out),
        Reply::Error(error) => {
            put_bytes(5, error.code().as_bytes(), out);
            put_count(error.text().len(), out);
            out.extend_from_slice(error.text().as_bytes());
        }
        Reply::Int(n) => {
            out.push(6);
            out.extend_from_slice(&n.to_le_bytes());
        }
        Reply::Bulk(bytes) => put_bytes(7, bytes, out),
        Reply::Double(n) => {
            out.push(8);
            out.extend_from_slice(&n.to_bits().to_le_bytes());
        }
        Reply::DoubleText(text) => put_bytes(18, text.as_bytes(), out),
        Reply::Bool(yes) => out.extend_from_slice(&[9, u8::from(*yes)]),
        Reply::BigNumber(digits) => put_bytes(10, digits.as_bytes(), out),
        Reply::Verbatim(_, bytes) => put_bytes(11, bytes, out),
        Reply::Array(items) => put_items(12, items, out),
        Reply::Set(items) => put_items(13, items, out),
        Reply::Push(items) => put_items(14, items, out),
        Reply::Several(items) => put_items(16, items, out),
        Reply::Map(pairs) => put_pairs(15, pairs, out),
        Reply::Pairs(pairs) => put_pairs(17, pairs, out),
        Reply::Keyed(pairs) => put_pairs(19, pairs, out),
    }
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    put_count(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn put_items(tag: u8, items: &[Reply], out: &mut Vec<u8>) {
    out.push(tag);
    put_count(items.len(), out);
    items.iter().for_each(|item| put_reply(item, out));
}

fn put_pairs(tag: u8, pairs: &[(Reply, Reply)], out: &mut Vec<u8>) {
    out.push(tag);
    put_count(pairs.len(), out);
    for (key, value) in pairs {
        put_reply(key, out);
        put_reply(value, out);
    }
}

/// Takes a reply off the front; `None` if it is not one.
pub fn take_reply(bytes: &mut &[u8]) -> Option<Reply> {
    take(bytes, DEPTH_MAX)
}

fn take(bytes: &mut &[u8], depth: usize) -> Option<Reply> {
    let depth = depth.checked_sub(1)?;
    let [tag] = take_array(bytes)?;
    Some(match tag {
        0 => Reply::Ok,
        1 => Reply::Nil,
        2 => Reply::NilArray,
        3 => Reply::None,
        4 => Reply::Simple(take_text(bytes)?.into()),
        5 => {
            let code = take_text(bytes)?;
            Reply::Error(ErrorReply::named(&code, take_text(bytes)?))
        }
        6 => Reply::Int(i64::from_le_bytes(take_array(bytes)?)),
        7 => Reply::Bulk(Value::from(take_bytes(bytes)?.to_vec())),
        8 => Reply::Double(f64::from_bits(u64::from_le_bytes(take_array(bytes)?))),
        18 => Reply::DoubleText(take_text(bytes)?),
        9 => Reply::Bool(take_array::<1>(bytes)? != [0]),
        10 => Reply::BigNumber(take_text(bytes)?),
        11 => Reply::Verbatim("txt", take_bytes(bytes)?.to_vec().into()),
        12 => Reply::Array(take_items(bytes, depth)?),
        13 => Reply::Set(take_items(bytes, depth)?),
        14 => Reply::Push(take_items(bytes, depth)?),
        16 => Reply::Several(take_items(bytes, depth)?),
        15 => Reply::Map(take_pairs(bytes, depth)?),
        17 => Reply::Pairs(take_pairs(bytes, depth)?),
        19 => Reply::Keyed(take_pairs(bytes, depth)?),
        _ => return None,
    })
}

fn take_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn take_count(bytes: &mut &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(take_array(bytes)?)).ok()
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_count(bytes)?;
    let (head, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(head)
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    String::from_utf8(take_bytes(bytes)?.to_vec()).ok()
}

fn take_pairs(bytes: &mut &[u8], depth: usize) -> Option<Vec<(Reply, Reply)>> {
    let count = take_count(bytes)?;
    (0..count).map(|_| Some((take(bytes, depth)?, take(bytes, depth)?))).collect()
}

fn take_items(bytes: &mut &[u8], depth: usize) -> Option<Vec<Reply>> {
    let count = take_count(bytes)?;
    // An announced count must not size an allocation.
    (0..count).map(|_| take(bytes, depth)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Reply> {
        let text = |text: &str| Reply::Bulk(text.as_bytes().to_vec().into());
        vec![
            Reply::Ok,
            Reply::Nil,
            Reply::NilArray,
            Reply::None,
            Reply::simple("QUEUED"),
            Reply::Error(ErrorReply::wrong_type()),
            Reply::Error(ErrorReply::err("no")),
            Reply::Int(-7),
            text(""),
            text("bytes\0\r\n"),
            Reply::Double(-0.5),
            Reply::DoubleText("0.50".into()),
            Reply::Bool(true),
            Reply::BigNumber("123456789012345678901234567890".into()),
            Reply::Verbatim("txt", b"words"[..].into()),
            Reply::Array(vec![Reply::Int(1), Reply::Array(vec![]), Reply::Set(vec![text("a")])]),
            Reply::Push(vec![Reply::Nil]),
            Reply::Map(vec![(text("key"), Reply::Map(vec![]))]),
            Reply::Pairs(vec![(text("member"), Reply::Double(1.5))]),
            Reply::Keyed(vec![(text("key"), Reply::Array(vec![Reply::Int(1)]))]),
        ]
    }

    #[test]
    fn replies_come_back_as_they_were() {
        let mut bytes = Vec::new();
        samples().iter().for_each(|reply| put_reply(reply, &mut bytes));
        let mut rest = &bytes[..];
        for reply in samples() {
            assert_eq!(take_reply(&mut rest), Some(reply));
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn cuts_wrong_tags_and_depth_are_refused() {
        for reply in samples() {
            let mut bytes = Vec::new();
            put_reply(&reply, &mut bytes);
            for cut in 0..bytes.len() {
                assert_eq!(take_reply(&mut &bytes[..cut]), None, "{reply:?} cut at {cut}");
            }
        }
        assert_eq!(take_reply(&mut &[99][..]), None);
        assert_eq!(take_reply(&mut &[12, 255, 255, 255, 255][..]), None);
        let deep = [12, 1, 0, 0, 0].repeat(100_000);
        assert_eq!(take_reply(&mut &deep[..]), None);
    }
}
