//! Pops that wait. What is here is one attempt; a server parks the session and makes another when a key is ready.

use super::pop::{Many, ZMPOP, ZPOPMIN, first_set, pop};
use crate::{
    command::{Args, Command, Flags, KeyRange, PassedOn, Run, Wait},
    commands::passing,
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Direction, Txn, Type, View},
    types::timeout,
};

const FLAGS: Flags = Flags::WRITE.with(Flags::NOSCRIPT).with(Flags::BLOCKING).with(Flags::FAST);

pub(super) const BZPOPMIN: Command = Command {
    name: "BZPOPMIN",
    passed_on: PassedOn::As(passing::popped_min),
    arity: -3,
    keys: KeyRange::new(1, -2, 1),
    run: Run::Write(bzpopmin),
    wait: Some(wait_for_any),
    flags: FLAGS,
    complexity: "O(log(N)) where N is the number of members in the sorted set.",
    summary: "Pops the member with the lowest score; waits for one if there is none.",
    syntax: "key [key ...] timeout",
    ..ZPOPMIN
};

pub(super) const BZPOPMAX: Command = Command {
    name: "BZPOPMAX",
    passed_on: PassedOn::As(passing::popped_max),
    run: Run::Write(bzpopmax),
    summary: "Pops the member with the highest score; waits for one if there is none.",
    ..BZPOPMIN
};

pub(super) const BZMPOP: Command = Command {
    name: "BZMPOP",
    passed_on: PassedOn::As(passing::popped_members),
    arity: -5,
    keys: KeyRange::counted(2),
    run: Run::Write(bzmpop),
    wait: Some(wait_for_many),
    flags: Flags::WRITE.with(Flags::BLOCKING).with(Flags::MOVABLEKEYS),
    summary: "Pops members from an end of the first sorted set that is not empty; waits for one if there is none.",
    syntax: "timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
    ..ZMPOP
};

fn bzpopmin(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    pop_first(txn, args, Direction::Forward)
}

fn bzpopmax(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    pop_first(txn, args, Direction::Backward)
}

fn pop_first(txn: &mut Txn<'_>, args: &mut Args<'_>, end: Direction) -> Result<Reply> {
    let (timeout, keys) = args.rest().split_last().ok_or_else(ErrorReply::syntax)?;
    timeout::parse(timeout, txn.now())?;
    let Some((key, set)) = first_set(txn, keys)? else { return Ok(Reply::NilArray) };
    let taken = pop(txn, key, set, end, 1)?;
    let Some(taken) = taken.into_iter().next() else { return Ok(Reply::NilArray) };
    Ok(Reply::Array(vec![Reply::bulk(key), Reply::Bulk(taken.member.into()), Reply::Double(taken.score)]))
}

fn bzmpop(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let timeout = args.next_word()?;
    let many = Many::take(args)?;
    timeout::parse(timeout, txn.now())?;
    many.run(txn)
}

/// The keys that BZPOPMIN and BZPOPMAX wait for.
fn wait_for_any(view: &View<'_>, args: &mut Args<'_>) -> Result<Option<Wait>> {
    let (timeout, keys) = args.rest().split_last().ok_or_else(ErrorReply::syntax)?;
    let ms = timeout::parse(timeout, view.now())?;
    Wait::to_take(view, keys, Type::SortedSet, ms, Reply::NilArray)
}

fn wait_for_many(view: &View<'_>, args: &mut Args<'_>) -> Result<Option<Wait>> {
    let timeout = args.next_word()?;
    let call = Many::take(args)?;
    let ms = timeout::parse(timeout, view.now())?;
    Wait::to_take(view, call.keys, Type::SortedSet, ms, Reply::NilArray)
}
