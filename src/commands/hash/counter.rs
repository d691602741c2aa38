//! Fields read as numbers. A field keeps its expiry.

use super::save;
use crate::{
    command::{Args, Command, Cost, Flags, Group, KeyRange, PassedOn, Run, parse_i64},
    commands::passing,
    error::Result,
    resp::{ErrorReply, Reply},
    store::Txn,
    types::{
        decimal::{self, DecimalError},
        hash::Hash,
    },
};

pub(super) const HINCRBY: Command = Command {
    name: "HINCRBY",
    passed_on: PassedOn::As(passing::new_field),
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Write(hincrby),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    group: Group::Hash,
    since: "2.0.0",
    summary: "Adds a number to the integer of a field; an absent field counts as 0.",
    syntax: "key field increment",
    ..Command::BASE
};

pub(super) const HINCRBYFLOAT: Command = Command {
    name: "HINCRBYFLOAT",
    passed_on: PassedOn::As(passing::new_field),
    run: Run::Write(hincrbyfloat),
    since: "2.6.0",
    summary: "Adds a decimal number to the number of a field; an absent field counts as 0.",
    ..HINCRBY
};

fn hincrby(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, field, amount) = (args.next_word()?, args.next_word()?, args.next_i64()?);
    let mut hash = Hash::open_or_create(txn, key)?;
    let before = hash.get(&txn.view(), field)?;
    let (number, expires_at) = match &before {
        Some(field) => {
            let number = parse_i64(&field.value);
            (number.ok_or_else(|| ErrorReply::err("hash value is not an integer"))?, field.expires_at)
        }
        None => (0, 0),
    };
    let sum = number.checked_add(amount).ok_or_else(ErrorReply::overflow)?;
    let mut digits = itoa::Buffer::new();
    hash.set(txn, field, digits.format(sum).as_bytes(), expires_at)?;
    save(txn, key, hash, &["hincrby"])?;
    Ok(Reply::Int(sum))
}

fn hincrbyfloat(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, field, amount) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let amount = decimal::parse(amount).map_err(|error| match error {
        DecimalError::NotANumber => ErrorReply::not_float(),
        DecimalError::NotFinite => ErrorReply::err("value is NaN or Infinity"),
    })?;
    let mut hash = Hash::open_or_create(txn, key)?;
    let before = hash.get(&txn.view(), field)?;
    let (number, expires_at) = match &before {
        Some(field) => {
            let number = decimal::parse(&field.value).map_err(|error| match error {
                DecimalError::NotANumber => ErrorReply::err("hash value is not a float"),
                DecimalError::NotFinite => ErrorReply::nan_or_infinity(),
            })?;
            (number, field.expires_at)
        }
        None => (0.into(), 0),
    };
    let sum = decimal::add(&number, &amount).map_err(|_| ErrorReply::nan_or_infinity())?;
    hash.set(txn, field, sum.as_bytes(), expires_at)?;
    save(txn, key, hash, &["hincrbyfloat"])?;
    Ok(Reply::bulk(sum))
}
