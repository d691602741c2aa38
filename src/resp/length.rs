//! How long a reply is when it is encoded, without encoding it.

use super::{Protocol, Reply, encode};
use bytes::BytesMut;

/// See the module.
pub fn encoded_len(reply: &Reply, protocol: Protocol) -> usize {
    let all = |replies: &[Reply]| of_all(replies.iter(), protocol);
    let sequence = |replies: &[Reply]| line(replies.len()).saturating_add(all(replies));
    let pairs = |pairs: &[(Reply, Reply)]| of_all(pairs.iter().flat_map(|(a, b)| [a, b]), protocol);
    let is_3 = protocol == Protocol::Resp3;
    match reply {
        Reply::Bulk(bytes) => line(bytes.len()).saturating_add(bytes.len()).saturating_add(2),
        Reply::Int(number) => itoa::Buffer::new().format(*number).len().saturating_add(3),
        Reply::Array(replies) | Reply::Set(replies) | Reply::Push(replies) => sequence(replies),
        Reply::Several(replies) => all(replies),
        Reply::Map(map) => {
            line(if is_3 { map.len() } else { map.len().saturating_mul(2) }).saturating_add(pairs(map))
        }
        // Each pair is an array of two in one of the protocols.
        Reply::Pairs(list) if is_3 => of_twos(list.len()).saturating_add(pairs(list)),
        Reply::Pairs(list) => line(list.len().saturating_mul(2)).saturating_add(pairs(list)),
        Reply::Keyed(list) if is_3 => line(list.len()).saturating_add(pairs(list)),
        Reply::Keyed(list) => of_twos(list.len()).saturating_add(pairs(list)),
        Reply::None => 0,
        Reply::Ok
        | Reply::Nil
        | Reply::NilArray
        | Reply::Simple(_)
        | Reply::Error(_)
        | Reply::Double(_)
        | Reply::DoubleText(_)
        | Reply::Bool(_)
        | Reply::BigNumber(_)
        | Reply::Verbatim(..) => {
            let mut out = BytesMut::new();
            encode(reply, protocol, &mut out);
            out.len()
        }
    }
}

fn of_all<'r>(replies: impl Iterator<Item = &'r Reply>, protocol: Protocol) -> usize {
    replies.fold(0, |sum, reply| {
        // Inside another reply something is always sent.
        let reply = if matches!(reply, Reply::None) { &Reply::Nil } else { reply };
        sum.saturating_add(encoded_len(reply, protocol))
    })
}

/// A line with one number.
fn line(number: usize) -> usize {
    itoa::Buffer::new().format(number).len().saturating_add(3)
}

/// The heads of a list of so many pairs.
fn of_twos(pairs: usize) -> usize {
    line(pairs).saturating_add(pairs.saturating_mul(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::ErrorReply;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn replies() -> impl Strategy<Value = Reply> {
        let leaf = prop_oneof![
            any::<Vec<u8>>().prop_map(Reply::bulk),
            any::<i64>().prop_map(Reply::Int),
            any::<f64>().prop_map(Reply::Double),
            any::<bool>().prop_map(Reply::Bool),
            "[a-z\r\n]{0,9}".prop_map(|text| Reply::Error(ErrorReply::err(text))),
            "[a-z]{0,9}".prop_map(|text| Reply::Verbatim("txt", Bytes::from(text))),
            prop::sample::select(vec![Reply::Ok, Reply::Nil, Reply::NilArray, Reply::None]),
        ];
        leaf.prop_recursive(3, 40, 6, |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..6);
            let pairs = proptest::collection::vec((inner.clone(), inner), 0..12);
            prop_oneof![
                list.clone().prop_map(Reply::Array),
                list.clone().prop_map(Reply::Set),
                list.prop_map(Reply::Several),
                pairs.clone().prop_map(Reply::Map),
                pairs.clone().prop_map(Reply::Pairs),
                pairs.prop_map(Reply::Keyed),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_what_encoding_says(reply in replies()) {
            for protocol in [Protocol::Resp2, Protocol::Resp3] {
                let mut out = BytesMut::new();
                encode(&reply, protocol, &mut out);
                prop_assert_eq!(encoded_len(&reply, protocol), out.len(), "{:?}", reply);
            }
        }
    }
}
