//! What is stored under a field.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | tag: 0 = the value follows, 1 = the expiry comes first |
//! | 8 | only with tag 1: expires_at, ms since the epoch |
//! | rest | the value |

use crate::{error::StoreError, value::Value};

const PLAIN: u8 = 0;
const EXPIRING: u8 = 1;

/// A field's value and when it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Milliseconds since the epoch; 0 = never.
    pub expires_at: u64,
    pub value: Value,
}

impl Field {
    /// Reads one; the value shares the bytes handed in.
    pub(super) fn decode(stored: Value) -> Result<Self, StoreError> {
        let (expires_at, value) = parse(&stored)?;
        let head = stored.len().saturating_sub(value.len());
        Ok(Field { expires_at, value: stored.without_first(head) })
    }
}

/// Reads one in place: its expiry and its value.
pub(super) fn parse(stored: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    match stored {
        [PLAIN, value @ ..] => Ok((0, value)),
        [EXPIRING, rest @ ..] => {
            let (time, value) =
                rest.split_first_chunk().ok_or_else(|| StoreError::corrupt("field", "too short"))?;
            Ok((u64::from_be_bytes(*time), value))
        }
        _ => Err(StoreError::corrupt("field", "unknown tag")),
    }
}

/// The bytes to store; `expires_at` 0 = never.
pub(super) fn encode(value: &[u8], expires_at: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len().saturating_add(9));
    if expires_at == 0 {
        out.push(PLAIN);
    } else {
        out.push(EXPIRING);
        out.extend_from_slice(&expires_at.to_be_bytes());
    }
    out.extend_from_slice(value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        for (value, expires_at, golden) in
            [(&b"v"[..], 0, &b"\0v"[..]), (b"", 0, b"\0"), (b"v", 0x0102, b"\x01\0\0\0\0\0\0\x01\x02v")]
        {
            assert_eq!(encode(value, expires_at), golden);
            let field = Field::decode(golden.to_vec().into()).unwrap();
            assert_eq!((field.expires_at, &field.value[..]), (expires_at, value));
        }
        for bad in [&b""[..], b"\x02v", b"\x01short"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
