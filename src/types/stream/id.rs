//! Ids of entries: milliseconds and a number within the millisecond.

use crate::resp::ErrorReply;
use std::fmt;

/// Longest text that is read as an id.
const TEXT_BYTES_MAX: usize = 127;

/// The id of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

/// The error for an invalid id.
pub fn invalid_id() -> ErrorReply {
    ErrorReply::err("Invalid stream ID specified as stream command argument")
}

impl StreamId {
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };
    /// Bytes of the encoded form.
    pub const LEN: usize = 16;

    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// Big-endian, so that byte order is id order.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// Reads what `to_bytes` wrote.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let both = u128::from_be_bytes(bytes);
        StreamId { ms: (both >> 64) as u64, seq: both as u64 }
    }

    /// The id right after this one.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id right before this one.
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// An id, or `-` and `+` for the least and the greatest. One without its second number gets `seq`.
    pub fn parse_bound(word: &[u8], seq: u64) -> Result<Self, ErrorReply> {
        match word {
            b"-" => Ok(StreamId::MIN),
            b"+" => Ok(StreamId::MAX),
            word => Self::parse(word, seq),
        }
    }

    /// An id of numbers alone. One without its second number gets `seq`.
    pub fn parse(word: &[u8], seq: u64) -> Result<Self, ErrorReply> {
        match Self::parse_numbers(word, seq)? {
            (id, true) => Ok(id),
            (_, false) => Err(invalid_id()),
        }
    }

    /// As `parse`, or `ms-*`; `false` = the second number is for the stream to choose.
    pub fn parse_for_new(word: &[u8]) -> Result<(Self, bool), ErrorReply> {
        Self::parse_numbers(word, 0)
    }

    fn parse_numbers(word: &[u8], default: u64) -> Result<(Self, bool), ErrorReply> {
        if word.len() > TEXT_BYTES_MAX {
            return Err(invalid_id());
        }
        let mut parts = word.splitn(2, |byte| *byte == b'-');
        let ms = parse_u64(parts.next().unwrap_or_default()).ok_or_else(invalid_id)?;
        match parts.next() {
            None => Ok((StreamId { ms, seq: default }, true)),
            Some(b"*") => Ok((StreamId { ms, seq: 0 }, false)),
            Some(seq) => Ok((StreamId { ms, seq: parse_u64(seq).ok_or_else(invalid_id)? }, true)),
        }
    }
}

/// Redis reads these numbers with C's strtoull where its own strict parser fails: leading blanks, zeros and a plus sign
/// are let pass.
fn parse_u64(word: &[u8]) -> Option<u64> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let word = word.get(word.iter().take_while(|byte| is_blank(byte)).count()..)?;
    let digits = word.strip_prefix(b"+").unwrap_or(word);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        for (word, id) in [
            ("1-2", StreamId::new(1, 2)),
            ("7", StreamId::new(7, 9)),
            ("007-01", StreamId::new(7, 1)),
            ("+3-+4", StreamId::new(3, 4)),
            (" 3", StreamId::new(3, 9)),
            ("18446744073709551615-18446744073709551615", StreamId::MAX),
        ] {
            assert_eq!(StreamId::parse(word.as_bytes(), 9), Ok(id), "{word}");
        }
        for word in ["", "-", "+", "a", "1-", "-1", "1-2-3", "1-x", "18446744073709551616", "1-*", "1 "] {
            assert_eq!(StreamId::parse(word.as_bytes(), 9), Err(invalid_id()), "{word}");
        }
        assert_eq!(StreamId::parse_bound(b"-", 9), Ok(StreamId::MIN));
        assert_eq!(StreamId::parse_bound(b"+", 9), Ok(StreamId::MAX));
        assert_eq!(StreamId::parse_bound(b"5", 9), Ok(StreamId::new(5, 9)));
        assert_eq!(StreamId::parse_bound(b"5-*", 9), Err(invalid_id()));
        assert_eq!(StreamId::parse_for_new(b"5-*"), Ok((StreamId::new(5, 0), false)));
        assert!(StreamId::parse(&[b'0'; 128], 0).is_err());
    }

    #[test]
    fn neighbours_and_bytes() {
        assert_eq!(StreamId::new(1, u64::MAX).next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::new(1, 0).previous(), Some(StreamId::new(0, u64::MAX)));
        assert_eq!(StreamId::MIN.previous(), None);
        let id = StreamId::new(0x0102, 3);
        assert_eq!(id.to_bytes(), [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(StreamId::from_bytes(id.to_bytes()), id);
        assert_eq!(id.to_string(), "258-3");
    }
}
