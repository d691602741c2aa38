//! Pops and moves that wait until there is something. A handler makes one attempt, as inside MULTI; a server parks the
//! session and makes another when a key is ready.

use super::{
    moves::{LMOVE, LMOVEM, Move, MoveMany, RPOPLPUSH},
    pop::{LMPOP, LPOP, MultiPop, pop_first, pop_from},
};
use crate::{
    command::{Args, Command, Finds, Flags, KeyRange, PassedOn, Run, Wait},
    commands::passing,
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Txn, Type, View},
    types::{
        list::{End, List},
        timeout,
    },
};

const MOVES: Flags = Flags::WRITE.with(Flags::DENYOOM).with(Flags::NOSCRIPT).with(Flags::BLOCKING);

pub(super) const BLPOP: Command = Command {
    name: "BLPOP",
    passed_on: PassedOn::As(passing::popped_left),
    arity: -3,
    keys: KeyRange::new(1, -2, 1),
    run: Run::Write(blpop),
    wait: Some(wait_to_pop),
    flags: Flags::WRITE.with(Flags::NOSCRIPT).with(Flags::BLOCKING),
    since: "2.0.0",
    complexity: "O(N) where N is the number of keys.",
    summary: "Pops the first element of the first list that is not empty; waits for one if need be.",
    syntax: "key [key ...] timeout",
    ..LPOP
};

pub(super) const BRPOP: Command = Command {
    name: "BRPOP",
    passed_on: PassedOn::As(passing::popped_right),
    run: Run::Write(brpop),
    summary: "Pops the last element of the first list that is not empty; waits for one if need be.",
    ..BLPOP
};

pub(super) const BLMPOP: Command = Command {
    name: "BLMPOP",
    passed_on: PassedOn::As(passing::popped_elements),
    arity: -5,
    keys: KeyRange::counted(2),
    run: Run::Write(blmpop),
    wait: Some(wait_to_pop_many),
    flags: Flags::WRITE.with(Flags::BLOCKING).with(Flags::MOVABLEKEYS),
    summary: "Pops elements from an end of the first list that is not empty; waits for one if need be.",
    syntax: "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
    ..LMPOP
};

pub(super) const BLMOVE: Command = Command {
    name: "BLMOVE",
    passed_on: PassedOn::As(passing::moved_element),
    arity: 6,
    run: Run::Write(blmove),
    wait: Some(wait_to_move),
    flags: MOVES,
    summary: "Moves an element from one list to another and returns it; waits for it if need be.",
    syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
    ..LMOVE
};

pub(super) const BRPOPLPUSH: Command = Command {
    name: "BRPOPLPUSH",
    passed_on: PassedOn::As(passing::moved_from_right),
    arity: 4,
    run: Run::Write(brpoplpush),
    wait: Some(wait_to_move_plainly),
    flags: MOVES,
    since: "2.2.0",
    summary: "Moves the last element of a list to the front of another and returns it; waits for it if need be.",
    syntax: "source destination timeout",
    ..RPOPLPUSH
};

pub(super) const BLMOVEM: Command = Command {
    name: "BLMOVEM",
    arity: -6,
    run: Run::Write(blmovem),
    wait: Some(wait_to_move_many),
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::BLOCKING),
    summary: "Moves elements from one list to another and returns them; waits until there are enough if need be.",
    syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout [<COUNT count | EXACTLY exactly> <OBO | BULK>]",
    ..LMOVEM
};

fn blpop(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    pop_any(txn, args, End::Left)
}

fn brpop(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    pop_any(txn, args, End::Right)
}

fn pop_any(txn: &mut Txn<'_>, args: &mut Args<'_>, end: End) -> Result<Reply> {
    let (timeout, keys) = args.rest().split_last().ok_or_else(ErrorReply::syntax)?;
    timeout::parse(timeout, txn.now())?;
    for key in keys {
        if let Some(element) = pop_from(txn, key, end, 1)?.and_then(|mut popped| popped.pop()) {
            return Ok(Reply::Array(vec![Reply::bulk(key), Reply::Bulk(element)]));
        }
    }
    Ok(Reply::NilArray)
}

fn blmpop(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let timeout = args.next_word()?;
    let call = MultiPop::read(args)?;
    timeout::parse(timeout, txn.now())?;
    pop_first(txn, &call)
}

fn blmove(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let call = Move::read(args)?;
    timeout::parse(args.next_word()?, txn.now())?;
    call.run(txn)
}

fn brpoplpush(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let call = Move::read_plain(args)?;
    timeout::parse(args.next_word()?, txn.now())?;
    call.run(txn)
}

fn blmovem(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let now = txn.now();
    let (call, _) = MoveMany::read(args, |args| timeout::parse(args.next_word()?, now))?;
    Ok(call.run(txn)?.map_or(Reply::NilArray, MoveMany::reply))
}

/// The keys that BLPOP and BRPOP wait for.
fn wait_to_pop(view: &View<'_>, args: &mut Args<'_>) -> Result<Option<Wait>> {
    let (timeout, keys) = args.rest().split_last().ok_or_else(ErrorReply::syntax)?;
    let ms = timeout::parse(timeout, view.now())?;
    Wait::to_take(view, keys, Type::List, ms, Reply::NilArray)
}

fn wait_to_pop_many(view: &View<'_>, args: &mut Args<'_>) -> Result<Option<Wait>> {
    let timeout = args.next_word()?;
    let call = MultiPop::read(args)?;
    let ms = timeout::parse(timeout, view.now())?;
    Wait::to_take(view, call.keys, Type::List, ms, Reply::NilArray)
}

fn wait_to_move(view: &View<'_>, args: &mut Args<'_>) -> Result<Option<Wait>> {
    let call = Move::read(args)?;
    wait_for_source(view, args, &call)
}

fn wait_to_move_plainly(view: &View<'_>, args: &mut Args<'_>) -> Result<Option<Wait>> {
    let call = Move::read_plain(args)?;
    wait_for_source(view, args, &call)
}

fn wait_for_source(view: &View<'_>, args: &mut Args<'_>, call: &Move<'_>) -> Result<Option<Wait>> {
    let ms = timeout::parse(args.next_word()?, view.now())?;
    Wait::to_take(view, &[call.source], Type::List, ms, Reply::Nil)
}

/// A list that is not long enough for this call may be so for the next one.
fn wait_to_move_many(view: &View<'_>, args: &mut Args<'_>) -> Result<Option<Wait>> {
    let (call, ms) = MoveMany::read(args, |args| timeout::parse(args.next_word()?, view.now()))?;
    let source = call.way.source;
    let mut wait = Wait::to_take(view, &[source], Type::List, ms, Reply::NilArray)?;
    if let Some(wait) = &mut wait
        && wait.finds == Finds::Something
        && !List::open(view, source)?.is_some_and(|list| call.is_enough(list.len()))
    {
        wait.finds = Finds::Other;
    }
    Ok(wait)
}
