//! HSET and its kin.

use super::save;
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, PassedOn, Run},
    commands::passing,
    error::Result,
    resp::{ErrorReply, Reply},
    store::Txn,
    types::hash::Hash,
};

const FLAGS: Flags = Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST);

pub(super) const HSET: Command = Command {
    name: "HSET",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Update],
    arity: -4,
    keys: KeyRange::ONE,
    run: Run::Write(hset),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(1) for each field, so O(N) to set N of them.",
    summary: "Sets fields of a hash and returns how many are new; removes their expiry.",
    syntax: "key field value [field value ...]",
    ..Command::BASE
};

pub(super) const HMSET: Command = Command {
    name: "HMSET",
    run: Run::Write(hmset),
    complexity: "O(N) where N is the number of fields.",
    summary: "Sets fields of a hash, as HSET does.",
    ..HSET
};

pub(super) const HSETNX: Command = Command {
    name: "HSETNX",
    passed_on: PassedOn::As(passing::set_field),
    access: &[Access::Insert],
    arity: 4,
    run: Run::Write(hsetnx),
    complexity: "O(1)",
    summary: "Sets a field of a hash, but only if it does not exist.",
    syntax: "key field value",
    ..HSET
};

fn hset(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::count(set(txn, args, "hset")?))
}

fn hmset(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    set(txn, args, "hmset")?;
    Ok(Reply::Ok)
}

fn set(txn: &mut Txn<'_>, args: &mut Args<'_>, command: &str) -> Result<usize> {
    let key = args.next_word()?;
    if !args.remaining().is_multiple_of(2) {
        return Err(ErrorReply::wrong_arity(command).into());
    }
    let mut hash = Hash::open_or_create(txn, key)?;
    let mut added = 0_usize;
    while let (Some(field), Some(value)) = (args.next_opt(), args.next_opt()) {
        added = added.saturating_add(usize::from(hash.set(txn, field, value, 0)?));
    }
    save(txn, key, hash, &["hset"])?;
    Ok(added)
}

fn hsetnx(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, field, value) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let mut hash = Hash::open_or_create(txn, key)?;
    if hash.get(&txn.view(), field)?.is_some() {
        return Ok(Reply::Int(0));
    }
    hash.set(txn, field, value, 0)?;
    save(txn, key, hash, &["hset"])?;
    Ok(Reply::Int(1))
}
