//! A stretch of the order of (score, member).

use super::score::{SCORE_LEN, of_ordered, ordered};
use std::ops::Bound;

/// Sub-keys of `Score` from one up to, but not including, another; `None` = to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub(super) from: Vec<u8>,
    pub(super) to: Option<Vec<u8>>,
}

impl Span {
    /// Every member.
    pub const ALL: Span = Span { from: Vec::new(), to: None };

    /// Members with these scores.
    pub fn of_scores(min: Bound<f64>, max: Bound<f64>) -> Self {
        let at = |score: f64| ordered(score).to_be_bytes().to_vec();
        let behind = |score: f64| ordered(score).saturating_add(1).to_be_bytes().to_vec();
        let from = match min {
            Bound::Included(score) => at(score),
            Bound::Excluded(score) => behind(score),
            Bound::Unbounded => Vec::new(),
        };
        let to = match max {
            Bound::Included(score) => Some(behind(score)),
            Bound::Excluded(score) => Some(at(score)),
            Bound::Unbounded => None,
        };
        Span { from, to }
    }

    /// Whether nothing can be in it.
    pub fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| *to <= self.from)
    }

    /// Whether nothing can come before it, as far as scores go.
    pub fn is_from_the_first(&self) -> bool {
        self.from[..] <= ordered(f64::NEG_INFINITY).to_be_bytes()[..]
    }

    /// Whether nothing can come behind it, as far as scores go.
    pub fn is_to_the_last(&self) -> bool {
        self.to.as_ref().is_none_or(|to| to[..] > ordered(f64::INFINITY).to_be_bytes()[..])
    }
}

/// The sub-key of `Score`.
pub(super) fn sub_key(score: f64, member: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(SCORE_LEN.saturating_add(member.len()));
    out.extend_from_slice(&ordered(score).to_be_bytes());
    out.extend_from_slice(member);
    out
}

/// The value of a `Score` sub-key: the sign of its zero.
pub(super) fn sub_value(score: f64) -> &'static [u8] {
    if score == 0.0 && score.is_sign_negative() { b"-" } else { b"" }
}

/// Score and member of a sub-key of `Score`.
pub(super) fn parse_sub<'a>(sub: &'a [u8], value: &[u8]) -> (f64, &'a [u8]) {
    let number = sub.first_chunk::<SCORE_LEN>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let score = of_ordered(number);
    (if value.is_empty() { score } else { -score }, sub.get(SCORE_LEN..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_the_scores_they_name() {
        let scores = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, f64::MIN_POSITIVE, 1.0, f64::INFINITY];
        for (min, max) in scores.iter().flat_map(|min| scores.iter().map(move |max| (*min, *max))) {
            for range in [
                (Bound::Included(min), Bound::Included(max)),
                (Bound::Excluded(min), Bound::Included(max)),
                (Bound::Included(min), Bound::Excluded(max)),
                (Bound::Unbounded, Bound::Excluded(max)),
                (Bound::Excluded(min), Bound::Unbounded),
            ] {
                let span = Span::of_scores(range.0, range.1);
                for score in scores {
                    for member in [&b""[..], b"m", b"\xff\xff"] {
                        let key = sub_key(score, member);
                        let within = key >= span.from && span.to.as_ref().is_none_or(|to| key < *to);
                        assert_eq!(
                            within,
                            std::ops::RangeBounds::contains(&range, &score),
                            "{range:?} {score}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn sub_keys_come_back() {
        for score in [-0.0, 0.0, 1.5, f64::NEG_INFINITY, f64::INFINITY] {
            let (key, value) = (sub_key(score, b"member"), sub_value(score));
            let (back, member) = parse_sub(&key, value);
            assert_eq!((back.to_bits(), member), (score.to_bits(), &b"member"[..]));
        }
    }
}
