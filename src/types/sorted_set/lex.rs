//! Ranges by member, for sets whose members all have one score.
//!
//! With different scores such a range has no meaning, and Redis promises nothing. We do what Redis does with small sets:
//! start at the first member that is not before the range, and stop at the first that is behind it.

use super::{
    set::{Scored, SortedSet},
    span::{Span, sub_key},
};
use crate::{
    error::Result,
    store::{Direction, View},
};
use std::{ops::Bound, ops::ControlFlow};

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LexEnd<'a> {
    /// `-`: before every member.
    First,
    /// `+`: behind every member.
    Last,
    /// `[member` or `(member`.
    At(&'a [u8], bool),
}

impl<'a> LexEnd<'a> {
    /// Reads `-`, `+`, `[member` or `(member`.
    pub fn parse(word: &'a [u8]) -> Option<Self> {
        match word {
            b"-" => Some(LexEnd::First),
            b"+" => Some(LexEnd::Last),
            [b'[', member @ ..] => Some(LexEnd::At(member, true)),
            [b'(', member @ ..] => Some(LexEnd::At(member, false)),
            _ => None,
        }
    }
}

/// A range by member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LexRange<'a> {
    pub min: LexEnd<'a>,
    pub max: LexEnd<'a>,
}

impl LexRange<'_> {
    fn is_not_before(&self, member: &[u8]) -> bool {
        match self.min {
            LexEnd::First => true,
            LexEnd::Last => false,
            LexEnd::At(min, included) => {
                if included {
                    member >= min
                } else {
                    member > min
                }
            }
        }
    }

    fn is_not_behind(&self, member: &[u8]) -> bool {
        match self.max {
            LexEnd::First => false,
            LexEnd::Last => true,
            LexEnd::At(max, included) => {
                if included {
                    member <= max
                } else {
                    member < max
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        match (self.min, self.max) {
            (LexEnd::Last, _) | (_, LexEnd::First) => true,
            (LexEnd::First, _) | (_, LexEnd::Last) => false,
            (LexEnd::At(min, first), LexEnd::At(max, last)) => min > max || (min == max && !(first && last)),
        }
    }

    /// Its members, if all have this score.
    fn span(&self, score: f64) -> Span {
        let all = Span::of_scores(Bound::Included(score), Bound::Included(score));
        let behind = |member: &[u8]| [&sub_key(score, member)[..], &[0]].concat();
        let from = match self.min {
            LexEnd::First => all.from,
            LexEnd::Last => all.to.clone().unwrap_or_default(),
            LexEnd::At(min, true) => sub_key(score, min),
            LexEnd::At(min, false) => behind(min),
        };
        let to = match self.max {
            LexEnd::Last => all.to,
            LexEnd::First => Some(Vec::new()),
            LexEnd::At(max, true) => Some(behind(max)),
            LexEnd::At(max, false) => Some(sub_key(score, max)),
        };
        Span { from, to }
    }
}

impl SortedSet {
    /// Up to `limit` members of a range, after `offset` others.
    pub fn lex_page(
        &self,
        view: &View<'_>,
        range: &LexRange<'_>,
        direction: Direction,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<Scored>> {
        match self.lex_span(view, range)? {
            Some(span) => self.page(view, &span, direction, offset, limit),
            None => self.mixed(view, range, direction, offset, limit),
        }
    }

    /// The number of members in a range.
    pub fn lex_count(&self, view: &View<'_>, range: &LexRange<'_>) -> Result<u64> {
        match self.lex_span(view, range)? {
            Some(span) => self.count(view, &span),
            None => {
                let found = self.mixed(view, range, Direction::Forward, 0, u64::MAX)?;
                Ok(u64::try_from(found.len()).unwrap_or(u64::MAX))
            }
        }
    }

    /// The span that a range is; `None` = there are several scores.
    fn lex_span(&self, view: &View<'_>, range: &LexRange<'_>) -> Result<Option<Span>> {
        let nothing = Span { from: Vec::new(), to: Some(Vec::new()) };
        if range.is_empty() {
            return Ok(Some(nothing));
        }
        let (first, last) = (self.end(view, Direction::Forward)?, self.end(view, Direction::Backward)?);
        let (Some(first), Some(last)) = (first, last) else { return Ok(Some(nothing)) };
        if !range.is_not_before(&last.member) || !range.is_not_behind(&first.member) {
            return Ok(Some(nothing));
        }
        Ok((first.score == last.score).then(|| range.span(first.score)))
    }

    fn mixed(
        &self,
        view: &View<'_>,
        range: &LexRange<'_>,
        direction: Direction,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<Scored>> {
        let (mut found, mut begun, mut skip) = (Vec::new(), false, offset);
        self.scan_span(view, &Span::ALL, direction, |member, score| {
            let (enters, stays) = match direction {
                Direction::Forward => (range.is_not_before(member), range.is_not_behind(member)),
                Direction::Backward => (range.is_not_behind(member), range.is_not_before(member)),
            };
            if !begun && !enters {
                return Ok(ControlFlow::Continue(()));
            }
            let is_first = !std::mem::replace(&mut begun, true);
            if is_first && !stays {
                return Ok(ControlFlow::Break(()));
            }
            if skip > 0 {
                skip = skip.saturating_sub(1);
                return Ok(ControlFlow::Continue(()));
            }
            if !stays || u64::try_from(found.len()).unwrap_or(u64::MAX) >= limit {
                return Ok(ControlFlow::Break(()));
            }
            found.push(Scored { member: member.to_vec(), score });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}
