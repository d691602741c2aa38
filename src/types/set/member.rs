//! The value stored under a member.
//!
//! | bytes | only |
//! |---|---|
//! | 1 | if it expires: 0, which no number begins with |
//! | 8 | if it expires: expires_at, ms since the epoch |
//! | 1–10 | if it was added to a listpack: its number (`collection::put_number`), 1 or more |

use crate::{
    error::StoreError,
    types::collection::{put_number, take_number},
};

const EXPIRES: u8 = 0;

/// What is known of a member beside its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Member {
    /// Milliseconds since the epoch; 0 = never.
    pub(super) expires_at: u64,
    /// Among the members of a listpack, in the order in which they were added; 0 = it has none.
    pub(super) number: u64,
}

impl Member {
    pub(super) fn decode(stored: &[u8]) -> Result<Self, StoreError> {
        let (expires_at, rest) = match stored.split_first() {
            Some((&EXPIRES, rest)) => {
                let cut_off = || StoreError::corrupt("expiry of a member", "cut off");
                let (time, rest) = rest.split_first_chunk().ok_or_else(cut_off)?;
                (u64::from_be_bytes(*time), rest)
            }
            Some(_) | None => (0, stored),
        };
        let number = if rest.is_empty() { 0 } else { take_number(rest)?.0 };
        Ok(Member { expires_at, number })
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.expires_at != 0 {
            out.push(EXPIRES);
            out.extend_from_slice(&self.expires_at.to_be_bytes());
        }
        if self.number != 0 {
            put_number(&mut out, self.number);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden bytes: what is on disk must stay readable for ever.
    #[test]
    fn golden_bytes() {
        for (expires_at, number, golden) in [
            (0, 0, &b""[..]),
            (0, 1, b"\x01"),
            (0, 300, b"\xac\x02"),
            (0x0102, 0, b"\0\0\0\0\0\0\0\x01\x02"),
            (0x0102, 300, b"\0\0\0\0\0\0\0\x01\x02\xac\x02"),
        ] {
            let member = Member { expires_at, number };
            assert_eq!(member.encode(), golden);
            assert_eq!(Member::decode(golden).unwrap(), member);
        }
        for bad in [&b"\0"[..], b"\0seven77", b"\x80", b"\0\0\0\0\0\0\0\x01\x02\x80"] {
            assert!(Member::decode(bad).is_err(), "{bad:?}");
        }
    }
}
