//! Elements from one list to another.

use super::{next_end, pop::positive, pop_event, push_event, save_less, save_more};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, PassedOn, Run},
    commands::passing,
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::{EventClass, Txn},
    types::list::{End, List},
    value::Value,
};

pub(super) const LMOVE: Command = Command {
    name: "LMOVE",
    passed_on: PassedOn::As(passing::moved_element),
    access: &[Access::Take, Access::Insert],
    arity: 5,
    keys: KeyRange::new(1, 2, 1),
    run: Run::Write(lmove),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::List,
    since: "6.2.0",
    summary: "Pops an element from an end of one list, pushes it onto an end of another, and returns it.",
    syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
    ..Command::BASE
};

pub(super) const RPOPLPUSH: Command = Command {
    name: "RPOPLPUSH",
    passed_on: PassedOn::As(passing::moved_from_right),
    arity: 3,
    run: Run::Write(rpoplpush),
    since: "1.2.0",
    summary: "Pops the last element of one list, pushes it to the front of another, and returns it.",
    syntax: "source destination",
    ..LMOVE
};

pub(super) const LMOVEM: Command = Command {
    name: "LMOVEM",
    passed_on: PassedOn::Value,
    arity: -5,
    run: Run::Write(lmovem),
    since_level: feature_level::REDIS_8_MORE,
    since: "8.10.0",
    complexity: "O(N) where N is the number of elements moved.",
    summary: "Moves elements from an end of one list to an end of another, and returns them.",
    syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT> [<COUNT count | EXACTLY exactly> <OBO | BULK>]",
    ..LMOVE
};

fn lmove(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let call = Move::read(args)?;
    call.run(txn)
}

fn rpoplpush(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let call = Move::read_plain(args)?;
    call.run(txn)
}

/// One element's way.
pub(super) struct Move<'a> {
    pub(super) source: &'a [u8],
    destination: &'a [u8],
    from: End,
    to: End,
}

impl<'a> Move<'a> {
    /// Reads two keys and two ends.
    pub(super) fn read(args: &mut Args<'a>) -> Result<Self> {
        let (source, destination) = (args.next_word()?, args.next_word()?);
        Ok(Move { source, destination, from: next_end(args)?, to: next_end(args)? })
    }

    /// Reads two keys; the ends are those of RPOPLPUSH.
    pub(super) fn read_plain(args: &mut Args<'a>) -> Result<Self> {
        let (source, destination) = (args.next_word()?, args.next_word()?);
        Ok(Move { source, destination, from: End::Right, to: End::Left })
    }

    pub(super) fn run(&self, txn: &mut Txn<'_>) -> Result<Reply> {
        let Some(mut source) = List::open(&txn.view(), self.source)? else { return Ok(Reply::Nil) };
        let is_same = self.source == self.destination;
        let destination = if is_same { None } else { Some(List::open_or_create(txn, self.destination)?) };
        let Some(element) = source.pop(txn, self.from, 1)?.pop() else { return Ok(Reply::Nil) };
        match destination {
            Some(mut destination) => {
                destination.push(txn, self.to, &[&element])?;
                save_more(txn, self.destination, &mut destination, push_event(self.to))?;
            }
            None => {
                source.push(txn, self.to, &[&element])?;
                txn.event(EventClass::List, push_event(self.to), self.source);
            }
        }
        save_less(txn, self.source, &mut source, pop_event(self.from))?;
        Ok(Reply::Bulk(element))
    }
}

fn lmovem(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let call = MoveMany::read(args, |_| Ok(()))?.0;
    let moved = call.run(txn)?;
    // As Redis: without a list nothing was moved, but it is no failure unless a number was asked for.
    let nothing = if call.exactly { Reply::NilArray } else { Reply::Array(Vec::new()) };
    Ok(moved.map_or(nothing, MoveMany::reply))
}

/// The way of several elements.
pub(super) struct MoveMany<'a> {
    pub(super) way: Move<'a>,
    count: u64,
    /// That many or none.
    exactly: bool,
    /// Each is pushed as it is popped; else they keep their order.
    one_by_one: bool,
}

impl<'a> MoveMany<'a> {
    /// Reads two keys and two ends, what else comes behind them, and how many.
    pub(super) fn read<T>(
        args: &mut Args<'a>,
        behind_ends: impl FnOnce(&mut Args<'a>) -> Result<T>,
    ) -> Result<(Self, T)> {
        let way = Move::read(args)?;
        let read = behind_ends(args)?;
        let mut call = MoveMany { way, count: 1, exactly: false, one_by_one: true };
        if !args.is_empty() {
            call.exactly = args.take("EXACTLY");
            if !call.exactly && !args.take("COUNT") {
                return Err(ErrorReply::syntax().into());
            }
            call.count = positive(args.next_word()?, "count")?;
            call.one_by_one = args.take("OBO");
            if !call.one_by_one && !args.take("BULK") {
                return Err(ErrorReply::syntax().into());
            }
            args.finish()?;
        }
        Ok((call, read))
    }

    /// Whether a list of this length has enough.
    pub(super) fn is_enough(&self, len: u64) -> bool {
        if self.exactly { len >= self.count } else { len > 0 }
    }

    /// The moved elements, in the order of the destination; `None` = there are not enough.
    pub(super) fn run(&self, txn: &mut Txn<'_>) -> Result<Option<Vec<Value>>> {
        let Move { source: from_key, destination: to_key, from, to } = self.way;
        let Some(mut source) = List::open(&txn.view(), from_key)? else { return Ok(None) };
        let destination = if from_key == to_key { None } else { Some(List::open_or_create(txn, to_key)?) };
        if !self.is_enough(source.len()) {
            return Ok(None);
        }
        let mut moved = match destination {
            Some(_) => source.pop(txn, from, self.count)?,
            None => source.pop_to_push(txn, from, self.count)?,
        };
        // Popped from the outermost on. Pushed one by one they lie the other way round at the left end; else as they lay.
        let turns = if self.one_by_one { to == End::Left } else { from == End::Right };
        if turns {
            moved.reverse();
        }
        let mut pushed: Vec<&[u8]> = moved.iter().map(|element| &element[..]).collect();
        if to == End::Left {
            pushed.reverse();
        }
        match destination {
            Some(mut destination) => {
                destination.push(txn, to, &pushed)?;
                save_more(txn, to_key, &mut destination, push_event(to))?;
            }
            None => {
                source.push(txn, to, &pushed)?;
                txn.event(EventClass::List, push_event(to), from_key);
            }
        }
        save_less(txn, from_key, &mut source, pop_event(from))?;
        Ok(Some(moved))
    }

    pub(super) fn reply(moved: Vec<Value>) -> Reply {
        Reply::Array(moved.into_iter().map(Reply::Bulk).collect())
    }
}
