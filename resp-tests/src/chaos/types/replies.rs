//! What replies say, where only one kind of reply is right.

use std::fmt;
use std::str::FromStr;

use crate::chaos::failure::Failure;
use crate::value::Value;

use super::streams::Id;

pub(super) fn odd(reply: &impl fmt::Debug) -> Failure {
    Failure::server(format!("an odd reply: {reply:?}"))
}

pub(super) fn list(reply: &Value) -> Result<&[Value], Failure> {
    match reply {
        Value::Array(items) => Ok(items),
        Value::NilArray | Value::NilBulk => Ok(&[]),
        other => Err(odd(other)),
    }
}

pub(super) fn first(reply: &Value) -> Result<&Value, Failure> {
    list(reply)?.first().ok_or_else(|| odd(reply))
}

fn parsed<T: FromStr>(text: &[u8]) -> Result<T, Failure> {
    let text = String::from_utf8_lossy(text);
    text.parse().map_err(|_| odd(&text))
}

/// 0 where there is none.
pub(super) fn number(reply: &Value) -> Result<u64, Failure> {
    match reply {
        Value::NilBulk => Ok(0),
        Value::Integer(number) => u64::try_from(*number).map_err(|_| odd(reply)),
        Value::Bulk(text) => parsed(text),
        other => Err(odd(other)),
    }
}

pub(super) fn numbers(reply: &Value) -> Result<Vec<u64>, Failure> {
    list(reply)?.iter().map(number).collect()
}

pub(super) fn id(reply: &Value) -> Result<Id, Failure> {
    let Value::Bulk(text) = reply else { return Err(odd(reply)) };
    let dash = text.iter().position(|byte| *byte == b'-').ok_or_else(|| odd(reply))?;
    Ok((parsed(&text[..dash])?, parsed(&text[dash + 1..])?))
}

/// Of XRANGE: ids and tokens.
pub(super) fn entries(reply: &Value) -> Result<Vec<(Id, u64)>, Failure> {
    let entry = |entry: &Value| {
        let [name, fields] = list(entry)? else { return Err(odd(entry)) };
        let token = list(fields)?.last().ok_or_else(|| odd(entry))?;
        Ok((id(name)?, number(token)?))
    };
    list(reply)?.iter().map(entry).collect()
}

/// Of XREADGROUP, of one stream.
pub(super) fn entries_read(reply: &Value) -> Result<Vec<(Id, u64)>, Failure> {
    match list(reply)? {
        [] => Ok(Vec::new()),
        [stream] => entries(list(stream)?.last().ok_or_else(|| odd(reply))?),
        _ => Err(odd(reply)),
    }
}
