//! ZRANDMEMBER.

use super::members_reply;
use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Direction, View},
    types::{
        random::{self, Dice},
        sorted_set::{Scored, SortedSet, Span},
    },
};
use std::collections::BTreeSet;

/// Most members that a reply with repetitions may have; Redis continues until memory runs out.
const REPEATED_MAX: u64 = 16 * 1024 * 1024;

pub(super) const ZRANDMEMBER: Command = Command {
    name: "ZRANDMEMBER",
    tips: &["nondeterministic_output"],
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Read(zrandmember),
    flags: Flags::READONLY,
    group: Group::SortedSet,
    since: "6.2.0",
    complexity: "O(M*log(N)) where N is the number of members in the sorted set and M of those returned.",
    summary: "Returns random members, each as likely as any other.",
    syntax: "key [count [WITHSCORES]]",
    ..Command::BASE
};

fn zrandmember(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, count) = (args.next_word()?, args.next_opt());
    let mut dice = random::dice(view);
    let Some(word) = count else {
        let Some(set) = SortedSet::open(view, key)? else { return Ok(Reply::Nil) };
        let member =
            at(view, &set, below(&mut dice, set.len()))?.map(|scored| Reply::Bulk(scored.member.into()));
        return Ok(member.unwrap_or(Reply::Nil));
    };
    let count = parse_i64(word).ok_or_else(ErrorReply::not_integer)?;
    if count == i64::MIN {
        let why = format!("value is out of range, value must between {} and {}", -i64::MAX, i64::MAX);
        return Err(ErrorReply::err(why).into());
    }
    let with_scores = args.take("WITHSCORES");
    args.finish()?;
    if with_scores && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
        return Err(ErrorReply::err("value is out of range").into());
    }
    let Some(set) = SortedSet::open(view, key)? else { return Ok(Reply::Array(Vec::new())) };
    let members = match u64::try_from(count) {
        Ok(count) => distinct(view, &set, count, &mut dice)?,
        Err(_) => repeated(view, &set, count.unsigned_abs(), &mut dice)?,
    };
    Ok(members_reply(members, with_scores))
}

fn below(dice: Dice<'_>, end: u64) -> u64 {
    dice() % end.max(1)
}

fn at(view: &View<'_>, set: &SortedSet, rank: u64) -> Result<Option<Scored>> {
    Ok(set.page(view, &Span::ALL, Direction::Forward, rank, 1)?.pop())
}

fn distinct(view: &View<'_>, set: &SortedSet, count: u64, dice: Dice<'_>) -> Result<Vec<Scored>> {
    if count >= set.len() {
        return set.page(view, &Span::ALL, Direction::Backward, 0, u64::MAX);
    }
    // Floyd's way of choosing ranks that differ (Bentley, Floyd: A Sample of Brilliance, CACM 1987).
    let mut chosen = BTreeSet::new();
    for end in set.len().saturating_sub(count)..set.len() {
        let rank = below(dice, end.saturating_add(1));
        if !chosen.insert(rank) {
            chosen.insert(end);
        }
    }
    of_ranks(view, set, chosen.iter().copied().collect())
}

fn repeated(view: &View<'_>, set: &SortedSet, count: u64, dice: Dice<'_>) -> Result<Vec<Scored>> {
    if count > REPEATED_MAX {
        return Err(ErrorReply::err("value is out of range").into());
    }
    of_ranks(view, set, (0..count).map(|_| below(dice, set.len())).collect())
}

/// The members of these ranks: sought one by one if they are few, else among all.
fn of_ranks(view: &View<'_>, set: &SortedSet, ranks: Vec<u64>) -> Result<Vec<Scored>> {
    let wanted = u64::try_from(ranks.len()).unwrap_or(u64::MAX);
    if wanted > 1 && wanted.saturating_mul(64) > set.len() {
        let all = set.page(view, &Span::ALL, Direction::Forward, 0, u64::MAX)?;
        let member = |rank: u64| usize::try_from(rank).ok().and_then(|rank| all.get(rank)).cloned();
        return Ok(ranks.into_iter().filter_map(member).collect());
    }
    if wanted > 4 {
        view.may_take_long()?;
    }
    let mut found = Vec::new();
    for rank in ranks {
        found.extend(at(view, set, rank)?);
    }
    Ok(found)
}
