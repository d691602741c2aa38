//! ZRANGE and its older forms: members by rank, score or name.

use super::members_reply;
use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Direction, View},
    types::sorted_set::{LexEnd, LexRange, Scored, SortedSet, Span, parse_lenient},
};
use std::ops::Bound;

pub(super) const ZRANGE: Command = Command {
    name: "ZRANGE",
    arity: -4,
    keys: KeyRange::ONE,
    run: Run::Read(zrange),
    flags: Flags::READONLY,
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(log(N)+M) where N is the number of members in the sorted set and M of those returned.",
    summary: "Returns the members within a range of ranks, scores or names.",
    syntax: "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
    ..Command::BASE
};

pub(super) const ZREVRANGE: Command = Command {
    name: "ZREVRANGE",
    run: Run::Read(zrevrange),
    summary: "Returns the members within a range of ranks, highest scores first.",
    syntax: "key start stop [WITHSCORES]",
    ..ZRANGE
};

pub(super) const ZRANGEBYSCORE: Command = Command {
    name: "ZRANGEBYSCORE",
    run: Run::Read(zrangebyscore),
    since: "1.0.5",
    summary: "Returns the members whose scores lie in a range.",
    syntax: "key min max [WITHSCORES] [LIMIT offset count]",
    ..ZRANGE
};

pub(super) const ZREVRANGEBYSCORE: Command = Command {
    name: "ZREVRANGEBYSCORE",
    run: Run::Read(zrevrangebyscore),
    since: "2.2.0",
    summary: "Returns the members whose scores lie in a range, highest first.",
    syntax: "key max min [WITHSCORES] [LIMIT offset count]",
    ..ZRANGE
};

pub(super) const ZRANGEBYLEX: Command = Command {
    name: "ZRANGEBYLEX",
    run: Run::Read(zrangebylex),
    since: "2.8.9",
    summary: "Returns the members between two, where all scores are equal.",
    syntax: "key min max [LIMIT offset count]",
    ..ZRANGE
};

pub(super) const ZREVRANGEBYLEX: Command = Command {
    name: "ZREVRANGEBYLEX",
    run: Run::Read(zrevrangebylex),
    since: "2.8.9",
    summary: "Returns the members between two, where all scores are equal, last first.",
    syntax: "key max min [LIMIT offset count]",
    ..ZRANGE
};

/// The kind of a range's two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// Options that the command's name fixes; `None` = the call's options decide.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Preset {
    pub(super) by: Option<By>,
    pub(super) direction: Option<Direction>,
    /// The members are stored: WITHSCORES makes no sense.
    pub(super) stores: bool,
}

enum Ends<'a> {
    Rank(i64, i64),
    Score(Span),
    Lex(LexRange<'a>),
}

/// A range, as asked for.
pub(super) struct Query<'a> {
    ends: Ends<'a>,
    direction: Direction,
    offset: i64,
    limit: i64,
    with_scores: bool,
}

/// A range of scores.
pub(super) fn score_span(min: &[u8], max: &[u8]) -> Result<Span> {
    let end = |word: &[u8]| {
        let (excluded, number) = word.strip_prefix(b"(").map_or((false, word), |number| (true, number));
        let score = parse_lenient(number).ok_or_else(|| ErrorReply::err("min or max is not a float"))?;
        Ok::<_, ErrorReply>(if excluded { Bound::Excluded(score) } else { Bound::Included(score) })
    };
    Ok(Span::of_scores(end(min)?, end(max)?))
}

/// A range of members.
pub(super) fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>> {
    let wrong = || ErrorReply::err("min or max not valid string range item");
    let end = |word| LexEnd::parse(word).ok_or_else(wrong);
    Ok(LexRange { min: end(min)?, max: end(max)? })
}

/// The first rank and the number of ranks that two indexes mean; negative ones count from the end.
pub(super) fn ranks(start: i64, stop: i64, len: u64) -> (u64, u64) {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from_end = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (start, stop) = (from_end(start).max(0), from_end(stop).min(len.saturating_sub(1)));
    if start > stop {
        return (0, 0);
    }
    let count = stop.saturating_sub(start).saturating_add(1);
    (u64::try_from(start).unwrap_or(0), u64::try_from(count).unwrap_or(0))
}

impl<'a> Query<'a> {
    /// Reads the two ends and the options.
    pub(super) fn take(args: &mut Args<'a>, preset: Preset) -> Result<Self> {
        let (start, stop) = (args.next_word()?, args.next_word()?);
        let (mut by, mut direction) = (preset.by, preset.direction);
        let (mut offset, mut limit, mut with_scores) = (0, -1, false);
        while !args.is_empty() {
            if !preset.stores && args.take("WITHSCORES") {
                with_scores = true;
            } else if args.remaining() > 2 && args.take("LIMIT") {
                (offset, limit) = (args.next_i64()?, args.next_i64()?);
            } else if direction.is_none() && args.take("REV") {
                direction = Some(Direction::Backward);
            } else if by.is_none() && args.take("BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && args.take("BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(ErrorReply::syntax().into());
            }
        }
        let (by, direction) = (by.unwrap_or(By::Rank), direction.unwrap_or(Direction::Forward));
        if limit != -1 && by == By::Rank {
            let why = "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
            return Err(ErrorReply::err(why).into());
        }
        if with_scores && by == By::Lex {
            let why = "syntax error, WITHSCORES not supported in combination with BYLEX";
            return Err(ErrorReply::err(why).into());
        }
        let (min, max) = match direction {
            Direction::Backward if by != By::Rank => (stop, start),
            Direction::Forward | Direction::Backward => (start, stop),
        };
        let ends = match by {
            By::Rank => {
                let index = |word| parse_i64(word).ok_or_else(ErrorReply::not_integer);
                Ends::Rank(index(min)?, index(max)?)
            }
            By::Score => Ends::Score(score_span(min, max)?),
            By::Lex => Ends::Lex(lex_range(min, max)?),
        };
        Ok(Query { ends, direction, offset, limit, with_scores })
    }

    /// Whether the number of members is known before they are.
    pub(super) fn is_by_rank(&self) -> bool {
        matches!(self.ends, Ends::Rank(..))
    }

    /// The members in the range.
    pub(super) fn run(&self, view: &View<'_>, set: &SortedSet) -> Result<Vec<Scored>> {
        let offset = match &self.ends {
            Ends::Rank(start, stop) => {
                let (first, count) = ranks(*start, *stop, set.len());
                return set.page(view, &Span::ALL, self.direction, first, count);
            }
            // Redis steps over members until there are none.
            Ends::Score(_) | Ends::Lex(_) => u64::try_from(self.offset).unwrap_or(u64::MAX),
        };
        let limit = u64::try_from(self.limit).unwrap_or(u64::MAX);
        match &self.ends {
            Ends::Lex(range) => set.lex_page(view, range, self.direction, offset, limit),
            Ends::Score(span) => set.page(view, span, self.direction, offset, limit),
            Ends::Rank(..) => Ok(Vec::new()),
        }
    }
}

fn range(
    view: &View<'_>,
    args: &mut Args<'_>,
    by: Option<By>,
    direction: Option<Direction>,
) -> Result<Reply> {
    let key = args.next_word()?;
    let query = Query::take(args, Preset { by, direction, stores: false })?;
    let set = SortedSet::open(view, key)?;
    let found = set.map_or(Ok(Vec::new()), |set| query.run(view, &set))?;
    Ok(members_reply(found, query.with_scores))
}

fn zrange(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    range(view, args, None, None)
}

fn zrevrange(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    range(view, args, Some(By::Rank), Some(Direction::Backward))
}

fn zrangebyscore(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    range(view, args, Some(By::Score), Some(Direction::Forward))
}

fn zrevrangebyscore(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    range(view, args, Some(By::Score), Some(Direction::Backward))
}

fn zrangebylex(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    range(view, args, Some(By::Lex), Some(Direction::Forward))
}

fn zrevrangebylex(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    range(view, args, Some(By::Lex), Some(Direction::Backward))
}
