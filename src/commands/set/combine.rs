//! Set operations.

use super::members_reply;
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run, parse_i64},
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::{EventClass, Txn, View},
    types::set::{self, Set},
};

pub(super) const SINTER: Command = Command {
    name: "SINTER",
    tips: &["nondeterministic_output_order"],
    arity: -2,
    keys: KeyRange::ALL,
    run: Run::Read(sinter),
    flags: Flags::READONLY,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N*M) where N is the size of the smallest set and M the number of sets.",
    summary: "Returns the intersection of sets.",
    syntax: "key [key ...]",
    ..Command::BASE
};

pub(super) const SINTERSTORE: Command = Command {
    name: "SINTERSTORE",
    access: &[Access::Update, Access::Read],
    tips: &[],
    arity: -3,
    run: Run::Write(sinterstore),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    summary: "Stores the intersection of sets, replacing the destination.",
    syntax: "destination key [key ...]",
    ..SINTER
};

pub(super) const SINTERCARD: Command = Command {
    name: "SINTERCARD",
    tips: &[],
    arity: -3,
    keys: KeyRange::counted(1),
    run: Run::Read(sintercard),
    flags: Flags::READONLY.with(Flags::MOVABLEKEYS),
    since: "7.0.0",
    summary: "Counts the members of the intersection of sets, up to a limit.",
    syntax: "numkeys key [key ...] [LIMIT limit]",
    ..SINTER
};

pub(super) const SUNIONCARD: Command = Command {
    name: "SUNIONCARD",
    run: Run::Read(sunioncard),
    since_level: feature_level::REDIS_8,
    since: "8.10.0",
    complexity: "O(N) where N is the number of members in all sets.",
    summary: "Counts the members of the union of sets, up to a limit.",
    syntax: "numkeys key [key ...] [APPROX] [LIMIT limit]",
    ..SINTERCARD
};

pub(super) const SDIFFCARD: Command = Command {
    name: "SDIFFCARD",
    run: Run::Read(sdiffcard),
    summary: "Counts the members of the difference between the first set and the others, up to a limit.",
    syntax: "numkeys key [key ...] [LIMIT limit]",
    ..SUNIONCARD
};

pub(super) const SUNION: Command = Command {
    name: "SUNION",
    run: Run::Read(sunion),
    complexity: "O(N) where N is the number of members in all sets.",
    summary: "Returns the union of sets.",
    ..SINTER
};

pub(super) const SUNIONSTORE: Command = Command {
    name: "SUNIONSTORE",
    access: &[Access::Overwrite, Access::Read],
    run: Run::Write(sunionstore),
    complexity: "O(N) where N is the number of members in all sets.",
    summary: "Stores the union of sets, replacing the destination.",
    ..SINTERSTORE
};

pub(super) const SDIFF: Command = Command {
    name: "SDIFF",
    run: Run::Read(sdiff),
    complexity: "O(N) where N is the number of members in all sets.",
    summary: "Returns the difference between the first set and the others.",
    ..SINTER
};

pub(super) const SDIFFSTORE: Command = Command {
    name: "SDIFFSTORE",
    run: Run::Write(sdiffstore),
    summary: "Stores the difference between the first set and the others, replacing the destination.",
    ..SUNIONSTORE
};

fn sinter(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(members_reply(&intersection(view, args.rest(), u64::MAX)?))
}

fn sunion(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(members_reply(&union(view, args.rest(), u64::MAX)?))
}

fn sdiff(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(members_reply(&difference(view, args.rest())?))
}

fn sinterstore(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let destination = args.next_word()?;
    let subs = intersection(&txn.view(), args.rest(), u64::MAX)?;
    store(txn, destination, &subs, "sinterstore")
}

fn sunionstore(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let destination = args.next_word()?;
    let subs = union(&txn.view(), args.rest(), u64::MAX)?;
    store(txn, destination, &subs, "sunionstore")
}

fn sdiffstore(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let destination = args.next_word()?;
    let subs = difference(&txn.view(), args.rest())?;
    store(txn, destination, &subs, "sdiffstore")
}

fn sintercard(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (keys, wanted) = counted(args, |_| false)?;
    Ok(Reply::count(intersection(view, keys, wanted)?.len()))
}

fn sunioncard(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    // The exact number is an approximate one, too.
    let (keys, wanted) = counted(args, |args| args.take("APPROX"))?;
    Ok(Reply::count(union(view, keys, wanted)?.len()))
}

fn sdiffcard(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (keys, wanted) = counted(args, |_| false)?;
    Ok(Reply::count((difference(view, keys)?.len() as u64).min(wanted)))
}

/// Keys with their number before them, and the limit behind them. `other`: reads another option.
fn counted<'a>(args: &mut Args<'a>, other: impl Fn(&mut Args<'a>) -> bool) -> Result<(&'a [&'a [u8]], u64)> {
    let numkeys = parse_i64(args.next_word()?).and_then(|number| usize::try_from(number).ok());
    let numkeys = numkeys.filter(|number| *number > 0);
    let numkeys = numkeys.ok_or_else(|| ErrorReply::err("numkeys should be greater than 0"))?;
    if numkeys > args.remaining() {
        return Err(ErrorReply::err("Number of keys can't be greater than number of args").into());
    }
    let keys = args.next_words(numkeys)?;
    let mut limit = 0;
    while !args.is_empty() {
        if other(args) {
            continue;
        }
        if args.remaining() < 2 || !args.take("LIMIT") {
            return Err(ErrorReply::syntax().into());
        }
        let number = parse_i64(args.next_word()?).and_then(|number| u64::try_from(number).ok());
        limit = number.ok_or_else(|| ErrorReply::err("LIMIT can't be negative"))?;
    }
    Ok((keys, if limit == 0 { u64::MAX } else { limit }))
}

/// Opens the sets under these keys. It opens all of them, so that one of another type is WRONGTYPE in any position.
fn open_all(view: &View<'_>, keys: &[&[u8]]) -> Result<Vec<Option<Set>>> {
    keys.iter().map(|key| Set::open(view, key)).collect()
}

fn intersection(view: &View<'_>, keys: &[&[u8]], wanted: u64) -> Result<Vec<Vec<u8>>> {
    match open_all(view, keys)?.into_iter().collect::<Option<Vec<Set>>>() {
        Some(sets) => set::intersect(view, &sets, wanted),
        // A missing set makes the intersection empty.
        None => Ok(Vec::new()),
    }
}

fn union(view: &View<'_>, keys: &[&[u8]], wanted: u64) -> Result<Vec<Vec<u8>>> {
    let sets: Vec<Set> = open_all(view, keys)?.into_iter().flatten().collect();
    set::unite(view, &sets, wanted)
}

fn difference(view: &View<'_>, keys: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
    let mut sets = open_all(view, keys)?.into_iter();
    let Some(first) = sets.next().flatten() else { return Ok(Vec::new()) };
    let others: Vec<Set> = sets.flatten().collect();
    set::subtract(view, &first, &others)
}

fn store(txn: &mut Txn<'_>, destination: &[u8], subs: &[Vec<u8>], event: &'static str) -> Result<Reply> {
    let was_there = txn.get(destination)?.is_some();
    if Set::store(txn, destination, subs)? {
        txn.event(EventClass::Set, event, destination);
    } else if was_there {
        txn.event(EventClass::Generic, "del", destination);
    }
    Ok(Reply::count(subs.len()))
}
