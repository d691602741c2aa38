//! Replies to bytes.
//!
//! In RESP2 a map, and a list of pairs, is a flat array of twice the length, a set or push an array, a double its text as a bulk string, a
//! boolean 1 or 0, a verbatim string or big number a bulk string, and nil `$-1` or `*-1`.

use super::{ErrorReply, Protocol, Reply, double::format_double};
use crate::limits;
use bytes::{Bytes, BytesMut};
use redis_protocol::{
    resp2::{encode as resp2, types::BorrowedFrame as Frame2},
    resp3::{
        encode::complete as resp3,
        types::{BorrowedFrame as Frame3, VerbatimStringFormat},
    },
};
use std::borrow::Cow;

/// Appends a reply to `out`. A part nested deeper than `REPLY_DEPTH_MAX` is replaced by an error.
pub fn encode(reply: &Reply, protocol: Protocol, out: &mut BytesMut) {
    if !matches!(reply, Reply::None) {
        Encoder { protocol, out }.value(reply, 0);
    }
}

struct Encoder<'a> {
    protocol: Protocol,
    out: &'a mut BytesMut,
}

impl Encoder<'_> {
    fn value(&mut self, reply: &Reply, depth: usize) {
        match reply {
            Reply::Ok => self.out.extend_from_slice(b"+OK\r\n"),
            Reply::Bulk(bytes) => bulk(bytes, self.out),
            Reply::Int(n) => line(b':', *n, self.out),
            // Inside another reply, nothing must be encoded as null, or the count before it is wrong.
            Reply::Nil | Reply::None => self.null(b"$-1\r\n"),
            Reply::NilArray => self.null(b"*-1\r\n"),
            Reply::Simple(text) => simple(text, self.out),
            Reply::Error(error) => self::error(error, self.out),
            Reply::Double(_)
            | Reply::DoubleText(_)
            | Reply::Bool(_)
            | Reply::BigNumber(_)
            | Reply::Verbatim(..) => match self.protocol {
                Protocol::Resp2 => downgrade(reply, self.out),
                Protocol::Resp3 => scalar3(reply, self.out),
            },
            Reply::Array(_)
            | Reply::Set(_)
            | Reply::Push(_)
            | Reply::Map(_)
            | Reply::Pairs(_)
            | Reply::Keyed(_)
            | Reply::Several(_)
                if depth >= limits::REPLY_DEPTH_MAX =>
            {
                self::error(&ErrorReply::err("reply is nested too deeply"), self.out);
            }
            Reply::Array(items) => self.sequence(b'*', items, depth),
            Reply::Set(items) => self.sequence(b'~', items, depth),
            Reply::Push(items) => self.sequence(b'>', items, depth),
            Reply::Map(pairs) => self.map(pairs, depth),
            Reply::Pairs(pairs) => self.pairs(pairs, depth),
            Reply::Keyed(pairs) => self.keyed(pairs, depth),
            Reply::Several(items) => items.iter().for_each(|item| self.value(item, depth.saturating_add(1))),
        }
    }

    fn null(&mut self, resp2: &[u8]) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => resp2,
            Protocol::Resp3 => b"_\r\n",
        });
    }

    fn sequence(&mut self, resp3: u8, items: &[Reply], depth: usize) {
        let kind = match self.protocol {
            Protocol::Resp2 => b'*',
            Protocol::Resp3 => resp3,
        };
        line(kind, items.len(), self.out);
        for item in items {
            self.value(item, depth.saturating_add(1));
        }
    }

    fn map(&mut self, pairs: &[(Reply, Reply)], depth: usize) {
        match self.protocol {
            Protocol::Resp2 => line(b'*', pairs.len().saturating_mul(2), self.out),
            Protocol::Resp3 => line(b'%', pairs.len(), self.out),
        }
        for (key, value) in pairs {
            self.value(key, depth.saturating_add(1));
            self.value(value, depth.saturating_add(1));
        }
    }

    fn pairs(&mut self, pairs: &[(Reply, Reply)], depth: usize) {
        if self.protocol == Protocol::Resp2 {
            return self.map(pairs, depth);
        }
        line(b'*', pairs.len(), self.out);
        for (first, second) in pairs {
            self.out.extend_from_slice(b"*2\r\n");
            self.value(first, depth.saturating_add(2));
            self.value(second, depth.saturating_add(2));
        }
    }
}

impl Encoder<'_> {
    fn keyed(&mut self, pairs: &[(Reply, Reply)], depth: usize) {
        if self.protocol == Protocol::Resp3 {
            return self.map(pairs, depth);
        }
        line(b'*', pairs.len(), self.out);
        for (key, value) in pairs {
            line(b'*', 2, self.out);
            self.value(key, depth.saturating_add(2));
            self.value(value, depth.saturating_add(2));
        }
    }
}

fn bulk(bytes: &[u8], out: &mut BytesMut) {
    out.reserve(bytes.len().saturating_add(32));
    bulk_head(bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// What goes before a bulk string of this length.
pub fn bulk_head(len: usize, out: &mut BytesMut) {
    line(b'$', len, out);
}

fn line(kind: u8, n: impl itoa::Integer, out: &mut BytesMut) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(&[kind]);
    out.extend_from_slice(digits.format(n).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// One line only: a line break would let its author forge further replies.
fn one_line(text: &str) -> Cow<'_, str> {
    match memchr::memchr2(b'\r', b'\n', text.as_bytes()) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.replace(['\r', '\n'], " ")),
    }
}

/// By hand as well: every PING and every queued command is answered with one.
fn simple(text: &str, out: &mut BytesMut) {
    let text = one_line(text);
    out.reserve(text.len().saturating_add(3));
    out.extend_from_slice(b"+");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn error(error: &ErrorReply, out: &mut BytesMut) {
    let text = error.to_string();
    let _ = resp2::extend_encode_borrowed(out, &Frame2::Error(&one_line(&text)), false);
}

fn downgrade(reply: &Reply, out: &mut BytesMut) {
    match reply {
        Reply::Double(number) => bulk(format_double(*number).as_bytes(), out),
        Reply::DoubleText(text) => bulk(text.as_bytes(), out),
        Reply::Bool(yes) => line(b':', u8::from(*yes), out),
        Reply::BigNumber(digits) => bulk(digits.as_bytes(), out),
        Reply::Verbatim(_, bytes) => bulk(bytes, out),
        _ => {}
    }
}

fn double(text: &str, out: &mut BytesMut) {
    out.extend_from_slice(b",");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn scalar3(reply: &Reply, out: &mut BytesMut) {
    let (verbatim, number): (Bytes, Cow<'_, str>);
    let frame = match reply {
        // The crate writes exponents differently from Redis.
        Reply::Double(number) => return double(&format_double(*number), out),
        Reply::DoubleText(text) => return double(&one_line(text), out),
        Reply::Bool(yes) => Frame3::Boolean { data: *yes, attributes: None },
        Reply::BigNumber(digits) => {
            number = one_line(digits);
            Frame3::BigNumber { data: number.as_bytes(), attributes: None }
        }
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
        let pairs = Reply::Pairs(vec![(Reply::bulk("k"), Reply::Int(1)), (Reply::bulk("l"), Reply::Nil)]);
        for (reply, two, three) in [
            (Reply::Ok, &b"+OK\r\n"[..], &b"+OK\r\n"[..]),
            (Reply::Nil, b"$-1\r\n", b"_\r\n"),
            (Reply::NilArray, b"*-1\r\n", b"_\r\n"),
            (Reply::Int(-3), b":-3\r\n", b":-3\r\n"),
            (Reply::bulk("a\0"), b"$2\r\na\0\r\n", b"$2\r\na\0\r\n"),
            (map, b"*2\r\n$1\r\nk\r\n:1\r\n", b"%1\r\n$1\r\nk\r\n#t\r\n"),
            (
                pairs,
                b"*4\r\n$1\r\nk\r\n:1\r\n$1\r\nl\r\n$-1\r\n",
                b"*2\r\n*2\r\n$1\r\nk\r\n:1\r\n*2\r\n$1\r\nl\r\n_\r\n",
            ),
            (Reply::Pairs(vec![]), b"*0\r\n", b"*0\r\n"),
            (Reply::Set(vec![Reply::Int(1)]), b"*1\r\n:1\r\n", b"~1\r\n:1\r\n"),
            (Reply::Push(vec![]), b"*0\r\n", b">0\r\n"),
            (Reply::Double(3.5), b"$3\r\n3.5\r\n", b",3.5\r\n"),
            (Reply::Double(10.0), b"$2\r\n10\r\n", b",10\r\n"),
            (Reply::Double(f64::INFINITY), b"$3\r\ninf\r\n", b",inf\r\n"),
            (Reply::DoubleText("0.50".into()), b"$4\r\n0.50\r\n", b",0.50\r\n"),
            (Reply::BigNumber("12".into()), b"$2\r\n12\r\n", b"(12\r\n"),
            (Reply::Verbatim("txt", Bytes::from_static(b"hi")), b"$2\r\nhi\r\n", b"=6\r\ntxt:hi\r\n"),
            (Reply::None, b"", b""),
            (
                Reply::Keyed(vec![(Reply::bulk("k"), Reply::Int(1)), (Reply::bulk("l"), Reply::Nil)]),
                b"*2\r\n*2\r\n$1\r\nk\r\n:1\r\n*2\r\n$1\r\nl\r\n$-1\r\n",
                b"%2\r\n$1\r\nk\r\n:1\r\n$1\r\nl\r\n_\r\n",
            ),
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

    #[test]
    fn nothing_inside_a_reply_still_counts() {
        let reply = Reply::Array(vec![Reply::None, Reply::Int(1)]);
        assert_eq!(bytes(&reply, Protocol::Resp2), b"*2\r\n$-1\r\n:1\r\n");
        assert_eq!(bytes(&reply, Protocol::Resp3), b"*2\r\n_\r\n:1\r\n");
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth| (0..depth).fold(Reply::Int(1), |inner, _| Reply::Array(vec![inner]));
        let whole = bytes(&nested(limits::REPLY_DEPTH_MAX), Protocol::Resp3);
        assert_eq!(whole, [b"*1\r\n".repeat(limits::REPLY_DEPTH_MAX), b":1\r\n".to_vec()].concat());
        let cut = bytes(&nested(limits::REPLY_DEPTH_MAX + 5), Protocol::Resp3);
        let error = b"-ERR reply is nested too deeply\r\n".to_vec();
        assert_eq!(cut, [b"*1\r\n".repeat(limits::REPLY_DEPTH_MAX), error].concat());
    }

    proptest! {
        /// The crate's own decoder checks our encoder independently.
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
