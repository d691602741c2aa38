//! Results that become a sorted set.

use super::{
    combine::{ZDIFF, ZINTER, ZUNION},
    range::{Preset, Query},
    sources::{Combination, Form, Operation},
};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::Reply,
    store::{EventClass, Txn},
    types::{
        encoding::{LISTPACK_ELEMENT_BYTES_MAX, LISTPACK_ELEMENTS_MAX},
        sorted_set::{Scored, SortedSet},
    },
};

const LISTPACK_MAX: usize = LISTPACK_ELEMENTS_MAX as usize;

const KEYS: &[Access] = &[Access::Overwrite, Access::Read];
const FLAGS: Flags = Flags::WRITE.with(Flags::DENYOOM).with(Flags::MOVABLEKEYS);

pub(super) const ZUNIONSTORE: Command = Command {
    name: "ZUNIONSTORE",
    access: KEYS,
    arity: -4,
    keys: KeyRange::COUNTED_STORE,
    run: Run::Write(zunionstore),
    flags: FLAGS,
    since: "2.0.0",
    summary: "Stores the union of sorted sets.",
    syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>]",
    ..ZUNION
};

pub(super) const ZINTERSTORE: Command = Command {
    name: "ZINTERSTORE",
    run: Run::Write(zinterstore),
    complexity: ZINTER.complexity,
    summary: "Stores the intersection of sorted sets.",
    ..ZUNIONSTORE
};

pub(super) const ZDIFFSTORE: Command = Command {
    name: "ZDIFFSTORE",
    run: Run::Write(zdiffstore),
    since: "6.2.0",
    complexity: ZDIFF.complexity,
    summary: "Stores the difference between the first sorted set and the others.",
    syntax: "destination numkeys key [key ...]",
    ..ZUNIONSTORE
};

pub(super) const ZRANGESTORE: Command = Command {
    name: "ZRANGESTORE",
    access: KEYS,
    arity: -5,
    keys: KeyRange::new(1, 2, 1),
    run: Run::Write(zrangestore),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::SortedSet,
    since: "6.2.0",
    complexity: "O(log(N)+M) where N is the number of members in the source and M of those stored.",
    summary: "Stores the members within a range of ranks, scores or names.",
    syntax: "destination source min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
    ..Command::BASE
};

fn zunionstore(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    combine(txn, args, Operation::Union, "zunionstore")
}

fn zinterstore(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    combine(txn, args, Operation::Inter, "zinterstore")
}

fn zdiffstore(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    combine(txn, args, Operation::Diff, "zdiffstore")
}

fn combine(
    txn: &mut Txn<'_>,
    args: &mut Args<'_>,
    operation: Operation,
    name: &'static str,
) -> Result<Reply> {
    let destination = args.next_word()?;
    let found = {
        let view = txn.view();
        Combination::take(&view, args, operation, Form::Store, name)?.run(&view)?
    };
    store(txn, destination, &found, name)
}

fn zrangestore(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (destination, source) = (args.next_word()?, args.next_word()?);
    let query = Query::take(args, Preset { stores: true, ..Preset::default() })?;
    let mut found = match SortedSet::open(&txn.view(), source)? {
        Some(set) => query.run(&txn.view(), &set)?,
        None => Vec::new(),
    };
    if !query.is_by_rank() || found.len() <= LISTPACK_MAX {
        unsign_zeros(&mut found);
    }
    store(txn, destination, &found, "zrangestore")
}

/// Redis puts these one by one into a listpack, where zeros have no sign, until it has outgrown one.
fn unsign_zeros(members: &mut [Scored]) {
    let first = members.iter_mut().take(LISTPACK_MAX);
    for scored in first.take_while(|scored| scored.member.len() <= LISTPACK_ELEMENT_BYTES_MAX) {
        if scored.score == 0.0 {
            scored.score = 0.0;
        }
    }
}

fn store(txn: &mut Txn<'_>, destination: &[u8], members: &[Scored], name: &'static str) -> Result<Reply> {
    let replaced = SortedSet::replace(txn, destination, members)?;
    if !members.is_empty() {
        txn.event(EventClass::SortedSet, name, destination);
    } else if replaced {
        txn.event(EventClass::Generic, "del", destination);
    }
    Ok(Reply::count(members.len()))
}
