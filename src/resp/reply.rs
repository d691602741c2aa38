//! A handler's reply.

use super::ErrorReply;
use crate::value::Value;
use bytes::Bytes;
use std::borrow::Cow;

/// The protocol version of a connection (HELLO).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

/// A reply in RESP3 terms; `encode` translates it for RESP2.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// `+OK`.
    Ok,
    /// No value.
    Nil,
    /// No value, where RESP2 clients expect an array.
    NilArray,
    Simple(Cow<'static, str>),
    Error(ErrorReply),
    Int(i64),
    Bulk(Value),
    Double(f64),
    /// A double whose text differs from that of `Double`.
    DoubleText(String),
    Bool(bool),
    /// Decimal digits of any length.
    BigNumber(String),
    /// Text with a three-letter format, such as `txt`.
    Verbatim(&'static str, Bytes),
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    /// Pairs in an order: RESP3 has an array of two for each, RESP2 one flat array.
    Pairs(Vec<(Reply, Reply)>),
    /// The values found under each key: RESP3 has a map, RESP2 an array of arrays of two.
    Keyed(Vec<(Reply, Reply)>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
    /// Several replies in a row (SUBSCRIBE answers once per channel).
    Several(Vec<Reply>),
    /// Nothing at all is sent.
    None,
}

impl Reply {
    /// A bulk string by copy.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Reply::Bulk(bytes.as_ref().to_vec().into())
    }

    /// A status line.
    pub fn simple(text: impl Into<Cow<'static, str>>) -> Self {
        Reply::Simple(text.into())
    }

    /// A non-negative number; more than i64 can hold is its maximum.
    pub fn count(n: impl TryInto<i64>) -> Self {
        Reply::Int(n.try_into().unwrap_or(i64::MAX))
    }

    /// An error.
    pub fn error(error: ErrorReply) -> Self {
        Reply::Error(error)
    }
}

impl From<bool> for Reply {
    /// 1 or 0, as most commands answer yes or no.
    fn from(yes: bool) -> Self {
        Reply::Int(i64::from(yes))
    }
}
