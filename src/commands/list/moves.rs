//! Elements from one list to another.

use super::{next_end, pop_event, push_event, save_less, save_more};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::Reply,
    store::{EventClass, Txn},
    types::list::{End, List},
};

pub(super) const LMOVE: Command = Command {
    name: "LMOVE",
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
    arity: 3,
    run: Run::Write(rpoplpush),
    since: "1.2.0",
    summary: "Pops the last element of one list, pushes it to the front of another, and returns it.",
    syntax: "source destination",
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
