//! Bounds on the first and the last member.
//!
//! Popped members leave tombstones in the store until compaction, and a seek from the very beginning would step over all of
//! them. A queue is popped from one end for ever, so the row remembers how far it has come.
//!
//! Invariant: no member is before `low`, and all are before `high`. Both may be further out than necessary.

use super::span::Span;
use crate::{
    error::StoreError,
    store::{SubRange, successor},
};
use std::ops::Bound;

/// Longest bound kept; a longer one is cut, outwards.
const BOUND_BYTES_MAX: usize = 40;

/// The bounds. `None` = unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ends {
    low: Option<Vec<u8>>,
    high: Option<Vec<u8>>,
}

impl Ends {
    /// A member has come.
    pub(super) fn added(&mut self, sub: &[u8]) {
        if self.low.as_ref().is_some_and(|low| sub < &low[..]) {
            self.low = Some(not_behind(sub));
        }
        if self.high.as_ref().is_some_and(|high| sub >= &high[..]) {
            self.high = behind(sub);
        }
    }

    /// This is the first member, or the last that went of those before it.
    pub(super) fn begin_at(&mut self, sub: &[u8]) {
        self.low = Some(not_behind(sub));
    }

    /// This is the last member.
    pub(super) fn end_with(&mut self, sub: &[u8]) {
        self.high = behind(sub);
    }

    /// All members from this one on were removed.
    pub(super) fn gone_from(&mut self, sub: &[u8]) {
        self.high = if sub.len() <= BOUND_BYTES_MAX { Some(sub.to_vec()) } else { behind(sub) };
    }

    /// The part of a span where members can be; `None` = nowhere.
    pub(super) fn within<'a>(&'a self, span: &'a Span) -> Option<SubRange<'a>> {
        let low = self.low.as_deref().unwrap_or_default();
        let from = low.max(&span.from[..]);
        let to = match (&self.high, &span.to) {
            (Some(high), Some(to)) => Some(high.min(to).as_slice()),
            (high, to) => high.as_deref().or(to.as_deref()),
        };
        to.is_none_or(|to| from < to)
            .then(|| (Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded)))
    }

    /// Appends both.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        for bound in [&self.low, &self.high] {
            let bound = bound.as_deref().unwrap_or_default();
            out.push(u8::try_from(bound.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(bound);
        }
    }

    /// Reads what `put` wrote.
    pub(super) fn take(bytes: &[u8]) -> Result<Self, StoreError> {
        let (low, rest) = take_bound(bytes)?;
        let (high, _) = take_bound(rest)?;
        Ok(Ends { low, high })
    }
}

/// A bound that is the sub-key or before it.
fn not_behind(sub: &[u8]) -> Vec<u8> {
    sub.get(..sub.len().min(BOUND_BYTES_MAX)).unwrap_or_default().to_vec()
}

/// A bound behind the sub-key.
fn behind(sub: &[u8]) -> Option<Vec<u8>> {
    if sub.len() < BOUND_BYTES_MAX { Some([sub, &[0]].concat()) } else { successor(&not_behind(sub)) }
}

fn take_bound(bytes: &[u8]) -> Result<(Option<Vec<u8>>, &[u8]), StoreError> {
    let short = || StoreError::corrupt("sorted set", "a bound is cut off");
    let (len, rest) = bytes.split_first().ok_or_else(short)?;
    let (bound, rest) = rest.split_at_checked(usize::from(*len)).ok_or_else(short)?;
    Ok(((!bound.is_empty()).then(|| bound.to_vec()), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(ends: &Ends) -> (Vec<u8>, Option<Vec<u8>>) {
        match ends.within(&Span::ALL).unwrap() {
            (Bound::Included(from), Bound::Excluded(to)) => (from.to_vec(), Some(to.to_vec())),
            (Bound::Included(from), _) => (from.to_vec(), None),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bounds_follow_pops_and_additions() {
        let mut ends = Ends::default();
        ends.added(b"scoresm5");
        assert_eq!(range(&ends), (vec![], None));
        ends.begin_at(b"scoresm3");
        ends.gone_from(b"scoresm9");
        assert_eq!(range(&ends), (b"scoresm3".to_vec(), Some(b"scoresm9".to_vec())));
        ends.added(b"scoresm1");
        ends.added(b"scoresm9");
        assert_eq!(range(&ends), (b"scoresm1".to_vec(), Some(b"scoresm9\0".to_vec())));
        let mut bytes = Vec::new();
        ends.put(&mut bytes);
        assert_eq!(Ends::take(&bytes).unwrap(), ends);
        assert!(Ends::take(&bytes[..bytes.len() - 1]).is_err());
        let nowhere = Span { from: b"scoresm95".to_vec(), to: None };
        assert_eq!(ends.within(&nowhere), None);
    }

    #[test]
    fn long_bounds_are_cut_outwards() {
        let long = |last: u8| [vec![b'm'; 100], vec![last]].concat();
        let mut ends = Ends::default();
        ends.begin_at(&long(5));
        ends.gone_from(&long(9));
        let (low, high) = range(&ends);
        let high = high.unwrap();
        assert!(low.len() <= BOUND_BYTES_MAX && high.len() <= BOUND_BYTES_MAX);
        assert!(low <= long(6) && long(8) < high);
        ends.added(&[b'z'; 200]);
        assert!(range(&ends).1.unwrap() > vec![b'z'; 200]);
    }
}
