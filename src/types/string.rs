//! Strings: reading one as a string, as a number, in part.

use crate::{
    error::Result,
    limits::STRING_BYTES_MAX,
    resp::ErrorReply,
    store::{Encoding, Row, Type},
    types::integer::parse_i64,
};

/// The row if it is a string; another type is WRONGTYPE.
pub fn expect_string(row: Option<Row>) -> Result<Option<Row>> {
    match row {
        Some(row) if row.kind != Type::String => Err(ErrorReply::wrong_type().into()),
        row => Ok(row),
    }
}

/// Refuses a string that would be too long.
pub fn check_length(bytes: usize) -> Result<()> {
    if bytes > STRING_BYTES_MAX { Err(ErrorReply::string_too_long().into()) } else { Ok(()) }
}

/// What OBJECT ENCODING says of a string.
pub fn encoding_name(row: &Row) -> &'static str {
    match row.encoding {
        Encoding::Natural if parse_i64(&row.body).is_some() => "int",
        Encoding::Natural if row.body.len() <= 44 => "embstr",
        _ => "raw",
    }
}

/// The part of a string that GETRANGE's two indexes mean; negative ones count from the end.
pub fn range(len: usize, start: i64, end: i64) -> std::ops::Range<usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_end = |index: i64| {
        if index < 0 { index.saturating_add(len).max(0) } else { index }
    };
    let (start, end) = (from_end(start), from_end(end).min(len.saturating_sub(1)));
    if start > end || len == 0 {
        return 0..0;
    }
    let bound = |index: i64| usize::try_from(index).unwrap_or(0);
    bound(start)..bound(end).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (start, end, expected) in [
            (0, 3, 0..4),
            (-3, -1, 2..5),
            (0, -1, 0..5),
            (10, 100, 0..0),
            (3, 1, 0..0),
            (-100, 100, 0..5),
            (i64::MIN, i64::MAX, 0..5),
            (-1, -5, 0..0),
            (0, -100, 0..1),
        ] {
            assert_eq!(range(5, start, end), expected, "{start} {end}");
        }
        assert_eq!(range(0, 0, -1), 0..0);
    }
}
