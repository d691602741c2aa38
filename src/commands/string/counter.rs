//! Counters: strings read as numbers.

use super::set::replace;
use crate::{
    command::{Args, Command, Cost, Flags, Group, KeyRange, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Encoding, EventClass, Txn},
    types::{
        decimal::{self, DecimalError},
        string::StoredString,
    },
};

const FLAGS: Flags = Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST);

pub(super) const INCR: Command = Command {
    name: "INCR",
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Write(incr),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::String,
    since: "1.0.0",
    summary: "Adds one to the integer of a key; an absent key counts as 0.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const DECR: Command = Command {
    name: "DECR",
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Write(decr),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::String,
    since: "1.0.0",
    summary: "Subtracts one from the integer of a key; an absent key counts as 0.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const INCRBY: Command = Command {
    name: "INCRBY",
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Write(incrby),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::String,
    since: "1.0.0",
    summary: "Adds a number to the integer of a key; an absent key counts as 0.",
    syntax: "key increment",
    ..Command::BASE
};

pub(super) const DECRBY: Command = Command {
    name: "DECRBY",
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Write(decrby),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::String,
    since: "1.0.0",
    summary: "Subtracts a number from the integer of a key; an absent key counts as 0.",
    syntax: "key decrement",
    ..Command::BASE
};

pub(super) const INCRBYFLOAT: Command = Command {
    name: "INCRBYFLOAT",
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Write(incrbyfloat),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::String,
    since: "2.6.0",
    summary: "Adds a decimal number to the number of a key; an absent key counts as 0.",
    syntax: "key increment",
    ..Command::BASE
};

fn incr(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    add(txn, args.next_word()?, 1)
}

fn decr(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    add(txn, args.next_word()?, -1)
}

fn incrby(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, amount) = (args.next_word()?, args.next_i64()?);
    add(txn, key, amount)
}

fn decrby(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, amount) = (args.next_word()?, args.next_i64()?);
    let amount = amount.checked_neg().ok_or_else(|| ErrorReply::err("decrement would overflow"))?;
    add(txn, key, amount)
}

fn add(txn: &mut Txn<'_>, key: &[u8], amount: i64) -> Result<Reply> {
    let before = StoredString::open(&txn.view(), key)?;
    let number = match &before {
        Some(string) => string.short().and_then(parse_i64).ok_or_else(ErrorReply::not_integer)?,
        None => 0,
    };
    let sum = number.checked_add(amount).ok_or_else(ErrorReply::overflow)?;
    let mut digits = itoa::Buffer::new();
    replace(txn, key, before.as_ref(), Encoding::Natural, digits.format(sum).as_bytes())?;
    txn.event(EventClass::String, "incrby", key);
    Ok(Reply::Int(sum))
}

fn incrbyfloat(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, amount) = (args.next_word()?, args.next_word()?);
    let before = StoredString::open(&txn.view(), key)?;
    // A text that is no number is reported before an infinite result.
    let parse = |text| match decimal::parse(text) {
        Ok(number) => Ok(Some(number)),
        Err(DecimalError::NotFinite) => Ok(None),
        Err(DecimalError::NotANumber) => Err(ErrorReply::not_float()),
    };
    let number = match &before {
        Some(string) => parse(string.short().ok_or_else(ErrorReply::not_float)?)?,
        None => Some(0.into()),
    };
    let (Some(number), Some(amount)) = (number, parse(amount)?) else {
        return Err(ErrorReply::nan_or_infinity().into());
    };
    let sum = decimal::add(&number, &amount);
    let sum = sum.map_err(|_| ErrorReply::nan_or_infinity())?;
    replace(txn, key, before.as_ref(), Encoding::Natural, sum.as_bytes())?;
    txn.event(EventClass::String, "incrbyfloat", key);
    Ok(Reply::bulk(sum))
}
