//! Members taken from an end.

use super::{members_reply, number_from, tell};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, PassedOn, Run},
    commands::passing,
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Direction, Txn},
    types::sorted_set::{Scored, SortedSet, Span},
};

pub(super) const ZPOPMIN: Command = Command {
    name: "ZPOPMIN",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Take],
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Write(zpopmin),
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::SortedSet,
    since: "5.0.0",
    complexity: "O(M*log(N)) where N is the number of members in the sorted set and M of those taken.",
    summary: "Pops the members with the lowest scores.",
    syntax: "key [count]",
    ..Command::BASE
};

pub(super) const ZPOPMAX: Command = Command {
    name: "ZPOPMAX",
    run: Run::Write(zpopmax),
    summary: "Pops the members with the highest scores.",
    ..ZPOPMIN
};

pub(super) const ZMPOP: Command = Command {
    name: "ZMPOP",
    passed_on: PassedOn::As(passing::popped_members),
    arity: -4,
    keys: KeyRange::counted(1),
    run: Run::Write(zmpop),
    flags: Flags::WRITE.with(Flags::MOVABLEKEYS),
    since: "7.0.0",
    complexity: "O(K+M*log(N)) where K is the number of keys, N of the members in the sorted set and M of those taken.",
    summary: "Pops members from an end of the first sorted set that is not empty.",
    syntax: "numkeys key [key ...] <MIN | MAX> [COUNT count]",
    ..ZPOPMIN
};

/// Takes up to `count` members from an end of a sorted set that is not empty.
pub(super) fn pop(
    txn: &mut Txn<'_>,
    key: &[u8],
    mut set: SortedSet,
    end: Direction,
    count: u64,
) -> Result<Vec<Scored>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let (taken, gone) = if count >= set.len() {
        (set.page(&txn.view(), &Span::ALL, end, 0, count)?, txn.delete(key)?)
    } else {
        let taken = set.take_from_end(txn, end, count)?;
        (taken, set.save(txn, key)?)
    };
    tell(txn, if end == Direction::Forward { "zpopmin" } else { "zpopmax" }, key, gone);
    Ok(taken)
}

/// The first of these keys that holds a sorted set; another type before it is WRONGTYPE.
pub(super) fn first_set<'a>(txn: &Txn<'_>, keys: &[&'a [u8]]) -> Result<Option<(&'a [u8], SortedSet)>> {
    for key in keys {
        if let Some(set) = SortedSet::open(&txn.view(), key)? {
            return Ok(Some((key, set)));
        }
    }
    Ok(None)
}

fn zpopmin(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    pop_one_key(txn, args, Direction::Forward)
}

fn zpopmax(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    pop_one_key(txn, args, Direction::Backward)
}

fn pop_one_key(txn: &mut Txn<'_>, args: &mut Args<'_>, end: Direction) -> Result<Reply> {
    let (key, count) = (args.next_word()?, args.next_opt());
    args.finish()?;
    let wanted =
        count.map_or(Ok(1), |word| number_from(word, 0, "value is out of range, must be positive"))?;
    let set = SortedSet::open(&txn.view(), key)?;
    let taken = match set {
        Some(set) => pop(txn, key, set, end, u64::try_from(wanted).unwrap_or(0))?,
        None => Vec::new(),
    };
    if count.is_some() {
        return Ok(members_reply(taken, true));
    }
    let words =
        taken.into_iter().flat_map(|taken| [Reply::Bulk(taken.member.into()), Reply::Double(taken.score)]);
    Ok(Reply::Array(words.collect()))
}

/// The arguments of ZMPOP and BZMPOP from the number of keys on.
pub(super) struct Many<'a> {
    pub(super) keys: &'a [&'a [u8]],
    pub(super) end: Direction,
    pub(super) count: u64,
}

impl<'a> Many<'a> {
    pub(super) fn take(args: &mut Args<'a>) -> Result<Self> {
        let numkeys = number_from(args.next_word()?, 1, "numkeys should be greater than 0")?;
        let numkeys = usize::try_from(numkeys).unwrap_or(usize::MAX);
        let keys = args.next_words(numkeys)?;
        let end = if args.take("MIN") {
            Direction::Forward
        } else if args.take("MAX") {
            Direction::Backward
        } else {
            return Err(ErrorReply::syntax().into());
        };
        let mut count = 1;
        if args.remaining() > 1 && args.take("COUNT") {
            count = number_from(args.next_word()?, 1, "count should be greater than 0")?;
        }
        args.finish()?;
        Ok(Many { keys, end, count: u64::try_from(count).unwrap_or(1) })
    }

    /// The popped members with the key; nothing = a null array.
    pub(super) fn run(&self, txn: &mut Txn<'_>) -> Result<Reply> {
        let Some((key, set)) = first_set(txn, self.keys)? else { return Ok(Reply::NilArray) };
        let taken = pop(txn, key, set, self.end, self.count)?;
        let pair =
            |taken: Scored| Reply::Array(vec![Reply::Bulk(taken.member.into()), Reply::Double(taken.score)]);
        let pairs = taken.into_iter().map(pair).collect();
        Ok(Reply::Array(vec![Reply::bulk(key), Reply::Array(pairs)]))
    }
}

fn zmpop(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Many::take(args)?.run(txn)
}
