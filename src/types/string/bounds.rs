//! How long a string may be, and what the indexes of a range mean.

use crate::{error::Result, limits::STRING_BYTES_MAX, resp::ErrorReply};

/// Refuses a string that would be too long.
pub fn check_length(bytes: usize) -> Result<()> {
    if bytes > STRING_BYTES_MAX { Err(ErrorReply::string_too_long().into()) } else { Ok(()) }
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
