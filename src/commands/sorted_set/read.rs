//! Scores, counts and ranks.

use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Direction, View},
    types::sorted_set::SortedSet,
};

use super::range::{lex_range, score_span};

const FLAGS: Flags = Flags::READONLY.with(Flags::FAST);

pub(super) const ZCARD: Command = Command {
    name: "ZCARD",
    access: &[Access::Look],
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(zcard),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::SortedSet,
    since: "1.2.0",
    summary: "Counts the members.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const ZSCORE: Command = Command {
    name: "ZSCORE",
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Read(zscore),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::SortedSet,
    since: "1.2.0",
    summary: "Returns a member's score.",
    syntax: "key member",
    ..Command::BASE
};

pub(super) const ZMSCORE: Command = Command {
    name: "ZMSCORE",
    arity: -3,
    run: Run::Read(zmscore),
    since: "6.2.0",
    complexity: "O(N) where N is the number of members asked for.",
    summary: "Returns the scores of several members.",
    syntax: "key member [member ...]",
    ..ZSCORE
};

pub(super) const ZCOUNT: Command = Command {
    name: "ZCOUNT",
    arity: 4,
    run: Run::Read(zcount),
    since: "2.0.0",
    complexity: "O(log(N)) where N is the number of members in the sorted set.",
    summary: "Counts the members whose scores lie in a range.",
    syntax: "key min max",
    ..ZSCORE
};

pub(super) const ZLEXCOUNT: Command = Command {
    name: "ZLEXCOUNT",
    run: Run::Read(zlexcount),
    since: "2.8.9",
    summary: "Counts the members within a range of members, where all scores are equal.",
    ..ZCOUNT
};

pub(super) const ZRANK: Command = Command {
    name: "ZRANK",
    arity: -3,
    run: Run::Read(zrank),
    since: "2.0.0",
    complexity: "O(log(N)) where N is the number of members in the sorted set.",
    summary: "Counts the members before one, lowest scores first.",
    syntax: "key member [WITHSCORE]",
    ..ZSCORE
};

pub(super) const ZREVRANK: Command = Command {
    name: "ZREVRANK",
    run: Run::Read(zrevrank),
    summary: "Counts the members before one, highest scores first.",
    ..ZRANK
};

fn zcard(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let set = SortedSet::open(view, args.next_word()?)?;
    Ok(Reply::count(set.map_or(0, |set| set.len())))
}

fn zscore(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let set = SortedSet::open(view, args.next_word()?)?;
    score_reply(view, set.as_ref(), args.next_word()?)
}

fn zmscore(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let set = SortedSet::open(view, args.next_word()?)?;
    let scores = args.rest().iter().map(|member| score_reply(view, set.as_ref(), member));
    Ok(Reply::Array(scores.collect::<Result<_>>()?))
}

fn score_reply(view: &View<'_>, set: Option<&SortedSet>, member: &[u8]) -> Result<Reply> {
    let score = set.map(|set| set.score_of(view, member)).transpose()?.flatten();
    Ok(score.map_or(Reply::Nil, Reply::Double))
}

fn zcount(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let span = score_span(args.next_word()?, args.next_word()?)?;
    let set = SortedSet::open(view, key)?;
    Ok(Reply::count(set.map_or(Ok(0), |set| set.count(view, &span))?))
}

fn zlexcount(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let range = lex_range(args.next_word()?, args.next_word()?)?;
    let set = SortedSet::open(view, key)?;
    Ok(Reply::count(set.map_or(Ok(0), |set| set.lex_count(view, &range))?))
}

fn zrank(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    rank(view, args, "zrank", Direction::Forward)
}

fn zrevrank(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    rank(view, args, "zrevrank", Direction::Backward)
}

fn rank(view: &View<'_>, args: &mut Args<'_>, name: &str, from: Direction) -> Result<Reply> {
    let (key, member) = (args.next_word()?, args.next_word()?);
    if args.remaining() > 1 {
        return Err(ErrorReply::wrong_arity(name).into());
    }
    let with_score = args.take("WITHSCORE");
    args.finish()?;
    let Some(set) = SortedSet::open(view, key)? else { return Ok(nothing(with_score)) };
    let Some((before, score)) = set.rank_of(view, member)? else { return Ok(nothing(with_score)) };
    let rank = Reply::count(match from {
        Direction::Forward => before,
        Direction::Backward => set.len().saturating_sub(before).saturating_sub(1),
    });
    Ok(if with_score { Reply::Array(vec![rank, Reply::Double(score)]) } else { rank })
}

fn nothing(with_score: bool) -> Reply {
    if with_score { Reply::NilArray } else { Reply::Nil }
}
