//! The value stored under a field.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | tag: what comes before the value. 0 = nothing, 1 = the expiry, 2 = the number, 3 = the expiry and the number |
//! | 8 | only with tags 1 and 3: expires_at, ms since the epoch |
//! | 1–10 | only with tags 2 and 3: the field's number (`collection::put_number`) |
//! | rest | the value |

use crate::{
    error::StoreError,
    types::collection::{put_number, take_number},
    value::Value,
};

const PLAIN: u8 = 0;
const EXPIRING: u8 = 1;
const NUMBERED: u8 = 2;
const EXPIRING_NUMBERED: u8 = 3;

/// A field's value and when it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Milliseconds since the epoch; 0 = never.
    pub expires_at: u64,
    /// Among the fields of a small hash, in the order in which they were added; 0 = it has none.
    pub(super) number: u64,
    pub value: Value,
}

/// A field's bytes, parsed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parsed<'a> {
    pub(super) expires_at: u64,
    pub(super) number: u64,
    pub(super) value: &'a [u8],
}

impl Field {
    /// Reads one; the value shares the bytes handed in.
    pub(super) fn decode(stored: Value) -> Result<Self, StoreError> {
        let Parsed { expires_at, number, value } = parse(&stored)?;
        let head = stored.len().saturating_sub(value.len());
        Ok(Field { expires_at, number, value: stored.without_first(head) })
    }
}

/// Parses a field in place.
pub(super) fn parse(stored: &[u8]) -> Result<Parsed<'_>, StoreError> {
    let short = || StoreError::corrupt("field", "too short");
    let (tag, rest) = stored.split_first().ok_or_else(short)?;
    let (has_expiry, has_number) = match *tag {
        PLAIN => (false, false),
        EXPIRING => (true, false),
        NUMBERED => (false, true),
        EXPIRING_NUMBERED => (true, true),
        _ => return Err(StoreError::corrupt("field", "unknown tag")),
    };
    let (expires_at, rest) = match has_expiry {
        true => rest.split_first_chunk().map(|(time, rest)| (u64::from_be_bytes(*time), rest)),
        false => Some((0, rest)),
    }
    .ok_or_else(short)?;
    let (number, value) = if has_number { take_number(rest)? } else { (0, rest) };
    Ok(Parsed { expires_at, number, value })
}

/// The bytes to store; `expires_at` and `number` 0 = none.
pub(super) fn encode(value: &[u8], expires_at: u64, number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len().saturating_add(19));
    out.push(match (expires_at, number) {
        (0, 0) => PLAIN,
        (_, 0) => EXPIRING,
        (0, _) => NUMBERED,
        (_, _) => EXPIRING_NUMBERED,
    });
    if expires_at != 0 {
        out.extend_from_slice(&expires_at.to_be_bytes());
    }
    if number != 0 {
        put_number(&mut out, number);
    }
    out.extend_from_slice(value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden bytes: each of these tags must stay readable for ever.
    #[test]
    fn golden_bytes() {
        for (value, expires_at, number, golden) in [
            (&b"v"[..], 0, 0, &b"\0v"[..]),
            (b"", 0, 0, b"\0"),
            (b"v", 0x0102, 0, b"\x01\0\0\0\0\0\0\x01\x02v"),
            (b"v", 0, 1, b"\x02\x01v"),
            (b"", 0, 300, b"\x02\xac\x02"),
            (b"v", 0x0102, 7, b"\x03\0\0\0\0\0\0\x01\x02\x07v"),
        ] {
            assert_eq!(encode(value, expires_at, number), golden);
            let field = Field::decode(golden.to_vec().into()).unwrap();
            assert_eq!((field.expires_at, field.number, &field.value[..]), (expires_at, number, value));
        }
        for bad in [&b""[..], b"\x04v", b"\x01short", b"\x02", b"\x02\x80", b"\x03short", b"\x03longlong\x80"]
        {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
