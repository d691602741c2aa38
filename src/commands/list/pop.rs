//! Elements off the ends of a list.

use super::{next_end, pop_event, save_less};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, PassedOn, Run, parse_i64},
    commands::passing,
    error::Result,
    resp::{ErrorReply, Reply},
    store::Txn,
    types::list::{End, List},
    value::Value,
};

pub(super) const LPOP: Command = Command {
    name: "LPOP",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Take],
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Write(lpop),
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the number of elements returned.",
    summary: "Pops elements from the left end of a list.",
    syntax: "key [count]",
    ..Command::BASE
};

pub(super) const RPOP: Command = Command {
    name: "RPOP",
    run: Run::Write(rpop),
    summary: "Pops elements from the right end of a list.",
    ..LPOP
};

pub(super) const LMPOP: Command = Command {
    name: "LMPOP",
    passed_on: PassedOn::As(passing::popped_elements),
    access: &[Access::Take],
    arity: -4,
    keys: KeyRange::counted(1),
    run: Run::Write(lmpop),
    flags: Flags::WRITE.with(Flags::MOVABLEKEYS),
    group: Group::List,
    since: "7.0.0",
    complexity: "O(N+M) where N is the number of keys and M the number of elements returned.",
    summary: "Pops elements from an end of the first of several lists that is not empty.",
    syntax: "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
    ..Command::BASE
};

fn lpop(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    pop(txn, args, End::Left, "lpop")
}

fn rpop(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    pop(txn, args, End::Right, "rpop")
}

fn pop(txn: &mut Txn<'_>, args: &mut Args<'_>, end: End, command: &str) -> Result<Reply> {
    let (key, count) = (args.next_word()?, args.next_opt());
    if !args.is_empty() {
        return Err(ErrorReply::wrong_arity(command).into());
    }
    let Some(count) = count else {
        let popped = pop_from(txn, key, end, 1)?;
        return Ok(popped.and_then(|popped| popped.into_iter().next()).map_or(Reply::Nil, Reply::Bulk));
    };
    let count = parse_i64(count).and_then(|count| u64::try_from(count).ok());
    let popped = pop_from(txn, key, end, count.ok_or_else(ErrorReply::not_positive)?)?;
    Ok(popped.map_or(Reply::NilArray, elements_reply))
}

fn lmpop(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let call = MultiPop::read(args)?;
    pop_first(txn, &call)
}

/// A number that counts keys or elements.
pub(super) fn positive(word: &[u8], what: &str) -> Result<u64, ErrorReply> {
    let number = parse_i64(word).and_then(|number| u64::try_from(number).ok());
    let number = number.filter(|number| *number > 0);
    number.ok_or_else(|| ErrorReply::err(format!("{what} should be greater than 0")))
}

/// The arguments of LMPOP and BLMPOP, apart from the timeout.
pub(super) struct MultiPop<'a> {
    pub(super) keys: &'a [&'a [u8]],
    end: End,
    count: u64,
}

impl<'a> MultiPop<'a> {
    pub(super) fn read(args: &mut Args<'a>) -> Result<Self> {
        let numkeys = positive(args.next_word()?, "numkeys")?;
        let numkeys = usize::try_from(numkeys).unwrap_or(usize::MAX);
        if args.remaining() <= numkeys {
            return Err(ErrorReply::syntax().into());
        }
        let keys = args.next_words(numkeys)?;
        let end = next_end(args)?;
        let mut count = None;
        while !args.is_empty() {
            if count.is_some() || args.remaining() < 2 || !args.take("COUNT") {
                return Err(ErrorReply::syntax().into());
            }
            count = Some(positive(args.next_word()?, "count")?);
        }
        Ok(MultiPop { keys, end, count: count.unwrap_or(1) })
    }
}

/// Pops from the first existing list; returns its key and the elements.
pub(super) fn pop_first(txn: &mut Txn<'_>, call: &MultiPop<'_>) -> Result<Reply> {
    for key in call.keys {
        if let Some(popped) = pop_from(txn, key, call.end, call.count)? {
            return Ok(Reply::Array(vec![Reply::bulk(key), elements_reply(popped)]));
        }
    }
    Ok(Reply::NilArray)
}

/// Pops up to `count` elements; `None` = there is no list.
pub(super) fn pop_from(txn: &mut Txn<'_>, key: &[u8], end: End, count: u64) -> Result<Option<Vec<Value>>> {
    let Some(mut list) = List::open(&txn.view(), key)? else { return Ok(None) };
    if count == 0 {
        return Ok(Some(Vec::new()));
    }
    let popped = list.pop(txn, end, count)?;
    save_less(txn, key, &mut list, pop_event(end))?;
    Ok(Some(popped))
}

fn elements_reply(elements: Vec<Value>) -> Reply {
    Reply::Array(elements.into_iter().map(Reply::Bulk).collect())
}
