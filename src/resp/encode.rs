//! Replies to bytes.
//!
//! In RESP2 a map is a flat array of twice the length, a set or push an array, a double its text as a bulk string, a
//! boolean 1 or 0, a verbatim string or big number a bulk string, and nil `$-1` or `*-1`.

use super::{ErrorReply, Protocol, Reply};
use bytes::{Bytes, BytesMut};
use redis_protocol::{
    resp2::{encode as resp2, types::BorrowedFrame as Frame2},
    resp3::{
        encode::complete as resp3,
        types::{BorrowedFrame as Frame3, VerbatimStringFormat},
    },
};

/// Appends a reply to `out`.
pub fn encode(reply: &Reply, protocol: Protocol, out: &mut BytesMut) {
    match reply {
        Reply::Ok => out.extend_from_slice(b"+OK\r\n"),
        Reply::Bulk(bytes) => bulk(bytes, out),
        Reply::Int(n) => line(b':', *n, out),
        Reply::Nil => null(protocol, b"$-1\r\n", out),
        Reply::NilArray => null(protocol, b"*-1\r\n", out),
        Reply::Simple(text) => simple(text, out),
        Reply::Error(error) => self::error(error, out),
        Reply::Array(items) => sequence(b'*', items, protocol, out),
        Reply::Set(items) => match protocol {
            Protocol::Resp2 => sequence(b'*', items, protocol, out),
            Protocol::Resp3 => sequence(b'~', items, protocol, out),
        },
        Reply::Push(items) => match protocol {
            Protocol::Resp2 => sequence(b'*', items, protocol, out),
            Protocol::Resp3 => sequence(b'>', items, protocol, out),
        },
        Reply::Map(pairs) => map(pairs, protocol, out),
        Reply::Double(_) | Reply::Bool(_) | Reply::BigNumber(_) | Reply::Verbatim(..) => match protocol {
            Protocol::Resp2 => downgrade(reply, out),
            Protocol::Resp3 => scalar3(reply, out),
        },
        Reply::None => {}
    }
}

fn bulk(bytes: &[u8], out: &mut BytesMut) {
    out.reserve(bytes.len().saturating_add(32));
    line(b'$', bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn line(kind: u8, n: impl itoa::Integer, out: &mut BytesMut) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(&[kind]);
    out.extend_from_slice(digits.format(n).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn null(protocol: Protocol, resp2: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(match protocol {
        Protocol::Resp2 => resp2,
        Protocol::Resp3 => b"_\r\n",
    });
}

/// One line only: a line break would let its author forge further replies.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

fn simple(text: &str, out: &mut BytesMut) {
    let text = one_line(text);
    let _ = resp2::extend_encode_borrowed(out, &Frame2::SimpleString(text.as_bytes()), false);
}

fn error(error: &ErrorReply, out: &mut BytesMut) {
    let text = one_line(&error.to_string());
    let _ = resp2::extend_encode_borrowed(out, &Frame2::Error(&text), false);
}

fn sequence(kind: u8, items: &[Reply], protocol: Protocol, out: &mut BytesMut) {
    line(kind, items.len(), out);
    for item in items {
        encode(item, protocol, out);
    }
}

fn map(pairs: &[(Reply, Reply)], protocol: Protocol, out: &mut BytesMut) {
    match protocol {
        Protocol::Resp2 => line(b'*', pairs.len().saturating_mul(2), out),
        Protocol::Resp3 => line(b'%', pairs.len(), out),
    }
    for (key, value) in pairs {
        encode(key, protocol, out);
        encode(value, protocol, out);
    }
}

fn downgrade(reply: &Reply, out: &mut BytesMut) {
    match reply {
        Reply::Double(number) => bulk(double(*number).as_bytes(), out),
        Reply::Bool(yes) => line(b':', u8::from(*yes), out),
        Reply::BigNumber(digits) => bulk(digits.as_bytes(), out),
        Reply::Verbatim(_, bytes) => bulk(bytes, out),
        _ => {}
    }
}

fn scalar3(reply: &Reply, out: &mut BytesMut) {
    let verbatim: Bytes;
    let frame = match reply {
        Reply::Double(number) => {
            // The crate writes exponents differently from Redis.
            out.extend_from_slice(b",");
            out.extend_from_slice(double(*number).as_bytes());
            out.extend_from_slice(b"\r\n");
            return;
        }
        Reply::Bool(yes) => Frame3::Boolean { data: *yes, attributes: None },
        Reply::BigNumber(digits) => Frame3::BigNumber { data: digits.as_bytes(), attributes: None },
        Reply::Verbatim(format, bytes) => {
            verbatim = bytes.clone();
            let format =
                if *format == "mkd" { VerbatimStringFormat::Markdown } else { VerbatimStringFormat::Text };
            Frame3::VerbatimString { data: &verbatim, format, attributes: None }
        }
        _ => return,
    };
    let _ = resp3::extend_encode_borrowed(out, &frame, false);
}

/// The shortest text that reads back as the same number; integers without a fraction.
fn double(number: f64) -> String {
    if number.is_nan() {
        "nan".into()
    } else if number.is_infinite() {
        if number > 0.0 { "inf".into() } else { "-inf".into() }
    } else if number.fract() == 0.0 && number.abs() < 1e17 {
        format!("{number:.0}")
    } else {
        let mut digits = ryu::Buffer::new();
        digits.format_finite(number).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(reply: &Reply, protocol: Protocol) -> Vec<u8> {
        let mut out = BytesMut::new();
        encode(reply, protocol, &mut out);
        out.to_vec()
    }

    #[test]
    fn shapes_in_both_protocols() {
        let map = Reply::Map(vec![(Reply::bulk("k"), Reply::Bool(true))]);
        for (reply, two, three) in [
            (Reply::Ok, &b"+OK\r\n"[..], &b"+OK\r\n"[..]),
            (Reply::Nil, b"$-1\r\n", b"_\r\n"),
            (Reply::NilArray, b"*-1\r\n", b"_\r\n"),
            (Reply::Int(-3), b":-3\r\n", b":-3\r\n"),
            (Reply::bulk("a\0"), b"$2\r\na\0\r\n", b"$2\r\na\0\r\n"),
            (map, b"*2\r\n$1\r\nk\r\n:1\r\n", b"%1\r\n$1\r\nk\r\n#t\r\n"),
            (Reply::Set(vec![Reply::Int(1)]), b"*1\r\n:1\r\n", b"~1\r\n:1\r\n"),
            (Reply::Push(vec![]), b"*0\r\n", b">0\r\n"),
            (Reply::Double(3.5), b"$3\r\n3.5\r\n", b",3.5\r\n"),
            (Reply::Double(10.0), b"$2\r\n10\r\n", b",10\r\n"),
            (Reply::Double(f64::INFINITY), b"$3\r\ninf\r\n", b",inf\r\n"),
            (Reply::BigNumber("12".into()), b"$2\r\n12\r\n", b"(12\r\n"),
            (Reply::Verbatim("txt", Bytes::from_static(b"hi")), b"$2\r\nhi\r\n", b"=6\r\ntxt:hi\r\n"),
            (Reply::None, b"", b""),
        ] {
            assert_eq!(bytes(&reply, Protocol::Resp2), two, "{reply:?}");
            assert_eq!(bytes(&reply, Protocol::Resp3), three, "{reply:?}");
        }
    }

    #[test]
    fn line_breaks_cannot_forge_replies() {
        let error = Reply::Error(ErrorReply::err("bad 'x\r\n+OK\r\n'"));
        assert_eq!(bytes(&error, Protocol::Resp2), b"-ERR bad 'x  +OK  '\r\n");
        assert_eq!(bytes(&Reply::simple("a\nb"), Protocol::Resp3), b"+a b\r\n");
    }

    proptest! {
        /// The crate's own decoder is the independent judge of what we write.
        #[test]
        fn an_independent_decoder_reads_it(words in proptest::collection::vec(any::<Vec<u8>>(), 0..5), n in any::<i64>()) {
            use redis_protocol::resp2::{decode::decode, types::OwnedFrame};
            let mut items: Vec<Reply> = words.iter().map(Reply::bulk).collect();
            items.push(Reply::Int(n));
            items.push(Reply::Nil);
            let encoded = bytes(&Reply::Array(items), Protocol::Resp2);
            let (frame, used) = decode(&encoded).unwrap().unwrap();
            prop_assert_eq!(used, encoded.len());
            let mut expected: Vec<OwnedFrame> = words.into_iter().map(OwnedFrame::BulkString).collect();
            expected.push(OwnedFrame::Integer(n));
            expected.push(OwnedFrame::Null);
            prop_assert_eq!(frame, OwnedFrame::Array(expected));
        }
    }
}
