//! Members added, taken away, moved.

use super::save;
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, PassedOn, Run},
    commands::passing,
    error::Result,
    resp::Reply,
    store::{EventClass, Txn},
    types::set::{Put, Set},
};

pub(super) const SADD: Command = Command {
    name: "SADD",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Insert],
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Write(sadd),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N) where N is the number of members named.",
    summary: "Adds members to a set and returns how many are new; creates the set if needed.",
    syntax: "key member [member ...]",
    ..Command::BASE
};

pub(super) const SREM: Command = Command {
    name: "SREM",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Delete],
    run: Run::Write(srem),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::FAST),
    summary: "Removes members from a set and returns how many existed.",
    ..SADD
};

pub(super) const SMOVE: Command = Command {
    name: "SMOVE",
    passed_on: PassedOn::As(passing::moved_member),
    access: &[Access::Take, Access::Insert],
    arity: 4,
    keys: KeyRange::new(1, 2, 1),
    run: Run::Write(smove),
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::Set,
    since: "1.0.0",
    summary: "Moves a member from one set to another.",
    syntax: "source destination member",
    ..Command::BASE
};

fn sadd(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let members = args.rest();
    let first = members.first().copied().unwrap_or_default();
    let set = Set::open(&txn.view(), key)?;
    let mut set = set.unwrap_or_else(|| Set::create(txn, first, members.len()));
    let mut added = 0_usize;
    for member in members {
        #[cfg(feature = "next-level")]
        let member = &*super::next_level::stored(txn, member);
        added = added.saturating_add(set.add(txn, member)?.into());
    }
    if added > 0 {
        set.save(txn, key)?;
        txn.event(EventClass::Set, "sadd", key);
    }
    Ok(Reply::count(added))
}

fn srem(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let Some(mut set) = Set::open(&txn.view(), key)? else { return Ok(Reply::Int(0)) };
    let mut removed = 0_usize;
    for member in args.rest() {
        removed = removed.saturating_add(set.remove(txn, member)?.into());
    }
    if removed > 0 {
        save(txn, key, set, &["srem"])?;
    }
    Ok(Reply::count(removed))
}

fn smove(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (source, destination, member) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let Some(mut from) = Set::open(&txn.view(), source)? else { return Ok(Reply::Int(0)) };
    let to = Set::open(&txn.view(), destination)?;
    if source == destination {
        return Ok(from.contains(&txn.view(), member)?.into());
    }
    let Some(expires_at) = from.take(txn, member)? else { return Ok(Reply::Int(0)) };
    save(txn, source, from, &["srem"])?;
    let mut to = to.unwrap_or_else(|| Set::create(txn, member, 1));
    // The member's expiry moves with it, and replaces the one that it has in the destination.
    match to.put(txn, member, expires_at)? {
        Put::Added => save(txn, destination, to, &["sadd"])?,
        Put::Changed => save(txn, destination, to, &[])?,
        Put::Unchanged => {}
    }
    Ok(Reply::Int(1))
}
