//! Replies: for any reply of a handler, another implementation's decoder reads exactly one frame.
//!
//! That decoder keeps sets and map keys in hash tables and push frames at the top level only, so replies are made as it
//! takes them.

use bytes::{Bytes, BytesMut};
use flotilla::resp::{ErrorReply, Protocol, Reply, encode};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use redis_protocol::{resp2, resp3};

const DEPTH_MAX: usize = 6;

pub fn run(data: &[u8]) {
    let Ok(reply) = reply(&mut Unstructured::new(data), 0) else { return };
    if reply == Reply::None {
        return;
    }
    let mut out = BytesMut::new();
    encode(&reply, Protocol::Resp2, &mut out);
    let (frame, used) = resp2::decode::decode(&out).expect("is RESP2").expect("is whole");
    assert_eq!(used, out.len(), "{reply:?} became {frame:?}");
    out.clear();
    encode(&reply, Protocol::Resp3, &mut out);
    let (frame, used) = resp3::decode::complete::decode(&out).expect("is RESP3").expect("is whole");
    assert_eq!(used, out.len(), "{reply:?} became {frame:?}");
}

fn reply(source: &mut Unstructured<'_>, depth: usize) -> Result<Reply> {
    let shapes = if depth < DEPTH_MAX { 15 } else { 12 };
    Ok(match source.int_in_range(0..=shapes - 1)? {
        shape @ 0..=4 => plain(source, shape)?,
        5 => Reply::Nil,
        6 => Reply::NilArray,
        7 => Reply::Error(ErrorReply::err(text(source)?)),
        8 => Reply::Double(source.arbitrary()?),
        9 => Reply::Bool(source.arbitrary()?),
        10 => Reply::Verbatim("txt", bytes(source)?),
        11 => Reply::None,
        12 => Reply::Array(replies(source, depth)?),
        13 => Reply::Set((0..source.int_in_range(0..=4)?).map(|_| any_plain(source)).collect::<Result<_>>()?),
        _ => {
            let values = replies(source, depth)?;
            Reply::Map(
                values.into_iter().map(|value| Ok((any_plain(source)?, value))).collect::<Result<_>>()?,
            )
        }
    })
}

/// A reply that can be a map's key.
fn any_plain(source: &mut Unstructured<'_>) -> Result<Reply> {
    let shape = source.int_in_range(0..=4)?;
    plain(source, shape)
}

fn plain(source: &mut Unstructured<'_>, shape: usize) -> Result<Reply> {
    Ok(match shape {
        0 => Reply::Ok,
        1 => Reply::Simple(text(source)?.into()),
        2 => Reply::Int(source.arbitrary()?),
        3 => Reply::Bulk(bytes(source)?.into()),
        _ => Reply::BigNumber(source.arbitrary::<i128>()?.to_string()),
    })
}

fn replies(source: &mut Unstructured<'_>, depth: usize) -> Result<Vec<Reply>> {
    (0..source.int_in_range(0..=4)?).map(|_| reply(source, depth + 1)).collect()
}

fn text(source: &mut Unstructured<'_>) -> Result<String> {
    source.arbitrary()
}

fn bytes(source: &mut Unstructured<'_>) -> Result<Bytes> {
    Ok(Bytes::from(source.arbitrary::<Vec<u8>>()?))
}
