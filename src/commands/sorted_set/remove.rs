//! Members go: by name, or all of a range.

use super::{
    range::{lex_range, ranks, score_span},
    tell,
};
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, PassedOn, Run},
    error::Result,
    resp::Reply,
    store::{Direction, Txn},
    types::sorted_set::{LexEnd, Scored, SortedSet, Span},
};

pub(super) const ZREM: Command = Command {
    name: "ZREM",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Delete],
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Write(zrem),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(M*log(N)) where N is the number of members in the sorted set and M of those named.",
    summary: "Removes members and returns how many existed.",
    syntax: "key member [member ...]",
    ..Command::BASE
};

pub(super) const ZREMRANGEBYRANK: Command = Command {
    name: "ZREMRANGEBYRANK",
    passed_on: PassedOn::AsCalled,
    arity: 4,
    run: Run::Write(by_rank),
    cost: Cost::Data,
    flags: Flags::WRITE,
    since: "2.0.0",
    complexity: "O(M*log(N)) where N is the number of members in the sorted set and M of those removed.",
    summary: "Removes the members within a range of ranks.",
    syntax: "key start stop",
    ..ZREM
};

pub(super) const ZREMRANGEBYSCORE: Command = Command {
    name: "ZREMRANGEBYSCORE",
    run: Run::Write(by_score),
    since: "1.2.0",
    summary: "Removes the members whose scores lie in a range.",
    syntax: "key min max",
    ..ZREMRANGEBYRANK
};

pub(super) const ZREMRANGEBYLEX: Command = Command {
    name: "ZREMRANGEBYLEX",
    run: Run::Write(by_lex),
    since: "2.8.9",
    summary: "Removes the members between two, where all scores are equal.",
    syntax: "key min max",
    ..ZREMRANGEBYRANK
};

fn zrem(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let Some(mut set) = SortedSet::open(&txn.view(), key)? else { return Ok(Reply::Int(0)) };
    let mut removed = 0_i64;
    for member in args.rest() {
        removed = removed.saturating_add(i64::from(set.remove(txn, member)?));
    }
    if removed > 0 {
        let gone = set.save(txn, key)?;
        tell(txn, "zrem", key, gone);
    }
    Ok(Reply::Int(removed))
}

fn by_rank(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, start, stop) = (args.next_word()?, args.next_i64()?, args.next_i64()?);
    let Some(set) = SortedSet::open(&txn.view(), key)? else { return Ok(Reply::Int(0)) };
    let (first, count) = ranks(start, stop, set.len());
    let found = set.page(&txn.view(), &Span::ALL, Direction::Forward, first, count)?;
    let ends = (first == 0, first.saturating_add(count) == set.len());
    remove(txn, key, set, found, ends, "zremrangebyrank")
}

fn by_score(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let span = score_span(args.next_word()?, args.next_word()?)?;
    let Some(set) = SortedSet::open(&txn.view(), key)? else { return Ok(Reply::Int(0)) };
    let found = set.page(&txn.view(), &span, Direction::Forward, 0, u64::MAX)?;
    let ends = (span.is_from_the_first(), span.is_to_the_last());
    remove(txn, key, set, found, ends, "zremrangebyscore")
}

fn by_lex(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let range = lex_range(args.next_word()?, args.next_word()?)?;
    let Some(set) = SortedSet::open(&txn.view(), key)? else { return Ok(Reply::Int(0)) };
    let found = set.lex_page(&txn.view(), &range, Direction::Forward, 0, u64::MAX)?;
    let ends = (range.min == LexEnd::First, range.max == LexEnd::Last);
    remove(txn, key, set, found, ends, "zremrangebylex")
}

/// Removes consecutive members; `ends` tells whether they are the first or the last of the set.
fn remove(
    txn: &mut Txn<'_>,
    key: &[u8],
    mut set: SortedSet,
    members: Vec<Scored>,
    ends: (bool, bool),
    name: &'static str,
) -> Result<Reply> {
    let (Some(first), Some(last)) = (members.first(), members.last()) else { return Ok(Reply::Int(0)) };
    let count = u64::try_from(members.len()).unwrap_or(u64::MAX);
    if count == set.len() {
        txn.delete(key)?;
        tell(txn, name, key, true);
        return Ok(Reply::count(count));
    }
    if ends.0 {
        set.gone_beyond(last, Direction::Forward);
    }
    if ends.1 {
        set.gone_beyond(first, Direction::Backward);
    }
    set.take_run(txn, &members)?;
    set.save(txn, key)?;
    tell(txn, name, key, false);
    Ok(Reply::count(count))
}
