//! What the indexes of commands mean.

use std::ops::Range;

/// The positions that two indexes mean, the second one included; negative ones count from the end.
pub fn range(len: u64, start: i64, end: i64) -> Range<u64> {
    let from_end = |index: i64| {
        let index = i128::from(index);
        if index < 0 { index.saturating_add(i128::from(len)) } else { index }
    };
    let bound = |at: i128| u64::try_from(at.max(0)).unwrap_or(u64::MAX).min(len);
    let (start, end) = (bound(from_end(start)), bound(from_end(end).saturating_add(1)));
    start..end.max(start)
}

/// The position that an index means; negative ones count from the end.
pub fn position(len: u64, index: i64) -> Option<u64> {
    let from_end = || len.checked_sub(index.unsigned_abs());
    let at = if index < 0 { from_end() } else { u64::try_from(index).ok() };
    at.filter(|at| *at < len)
}
