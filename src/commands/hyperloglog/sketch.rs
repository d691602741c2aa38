//! Adding, counting and merging.

use super::{corrupt, sketch_of};
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run},
    commands::string::replace,
    error::Result,
    resp::Reply,
    store::{Encoding, EventClass, Txn, View},
    types::{
        hyperloglog::{Registers, Sketch},
        string::StoredString,
    },
};

pub(super) const PFADD: Command = Command {
    name: "PFADD",
    access: &[Access::Insert],
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Write(pfadd),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    group: Group::HyperLogLog,
    since: "2.8.9",
    complexity: "O(1) for each element.",
    summary: "Adds elements to a sketch that estimates the number of different elements.",
    syntax: "key [element [element ...]]",
    ..Command::BASE
};

pub(super) const PFCOUNT: Command = Command {
    name: "PFCOUNT",
    // As in Redis, though nothing is written here.
    access: &[Access::ReadWrite],
    arity: -2,
    keys: KeyRange::ALL,
    run: Run::Read(pfcount),
    flags: Flags::READONLY,
    group: Group::HyperLogLog,
    since: "2.8.9",
    complexity: "O(N) where N is the number of keys.",
    summary: "Estimates the number of different elements in one sketch, or in several together.",
    syntax: "key [key ...]",
    ..Command::BASE
};

pub(super) const PFMERGE: Command = Command {
    name: "PFMERGE",
    access: &[Access::ReadInsert, Access::Read],
    arity: -2,
    keys: KeyRange::new(1, -1, 1),
    run: Run::Write(pfmerge),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::HyperLogLog,
    since: "2.8.9",
    complexity: "O(N) where N is the number of keys.",
    summary: "Merges sketches into one.",
    syntax: "destkey [sourcekey [sourcekey ...]]",
    ..Command::BASE
};

fn pfadd(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let row = StoredString::open(&txn.view(), key)?;
    let mut sketch = row.as_ref().map(|row| sketch_of(&txn.view(), row)).transpose()?.unwrap_or_default();
    let mut changed = row.is_none();
    for element in args.rest() {
        changed |= sketch.add(element).map_err(corrupt)?;
    }
    if changed {
        sketch.mark_stale();
        replace(txn, key, row.as_ref(), Encoding::Raw, sketch.bytes())?;
        txn.event(EventClass::String, "pfadd", key);
    }
    Ok(changed.into())
}

fn pfcount(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if let [key] = args.rest() {
        let Some(row) = StoredString::open(view, key)? else { return Ok(Reply::Int(0)) };
        return Ok(Reply::count(sketch_of(view, &row)?.cardinality().map_err(corrupt)?));
    }
    let mut registers = Registers::default();
    for key in args.rest() {
        if let Some(row) = StoredString::open(view, key)? {
            registers.merge(&sketch_of(view, &row)?).map_err(corrupt)?;
        }
    }
    Ok(Reply::count(registers.cardinality()))
}

fn pfmerge(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (mut registers, mut dense) = (Registers::default(), false);
    let keys = args.rest();
    for key in keys {
        if let Some(row) = StoredString::open(&txn.view(), key)? {
            let sketch = sketch_of(&txn.view(), &row)?;
            registers.merge(&sketch).map_err(corrupt)?;
            dense |= sketch.is_dense();
        }
    }
    let key = args.next_word()?;
    let row = StoredString::open(&txn.view(), key)?;
    let mut target: Sketch<'_> =
        row.as_ref().map(|row| sketch_of(&txn.view(), row)).transpose()?.unwrap_or_default();
    // One dense source makes the target dense, as in Redis.
    if dense {
        target.make_dense().map_err(corrupt)?;
    }
    target.raise_all(&registers).map_err(corrupt)?;
    target.mark_stale();
    replace(txn, key, row.as_ref(), Encoding::Raw, target.bytes())?;
    // A merge counts as an add; Redis has no other event for it.
    txn.event(EventClass::String, "pfadd", key);
    Ok(Reply::Ok)
}
