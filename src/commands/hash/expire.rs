//! HEXPIRE and its kin: when fields expire.

use super::{options, save};
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run},
    commands::element_expiry::{self, Condition, DELETED, DONE, NO_ELEMENT, NO_EXPIRY, NOT_ALLOWED},
    error::Result,
    resp::Reply,
    store::Txn,
    types::{expiry::Unit, hash::Hash},
};

pub(super) const HEXPIRE: Command = Command {
    name: "HEXPIRE",
    access: &[Access::Update],
    arity: -6,
    keys: KeyRange::ONE,
    run: Run::Write(hexpire),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::Hash,
    since: "9.0.0",
    complexity: "O(N) where N is the number of fields.",
    summary: "Lets fields of a hash expire after some seconds.",
    syntax: "key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    ..Command::BASE
};

pub(super) const HPEXPIRE: Command = Command {
    name: "HPEXPIRE",
    run: Run::Write(hpexpire),
    summary: "Lets fields of a hash expire after some milliseconds.",
    syntax: "key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    ..HEXPIRE
};

pub(super) const HEXPIREAT: Command = Command {
    name: "HEXPIREAT",
    run: Run::Write(hexpireat),
    summary: "Lets fields of a hash expire at a Unix time in seconds.",
    syntax: "key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    ..HEXPIRE
};

pub(super) const HPEXPIREAT: Command = Command {
    name: "HPEXPIREAT",
    run: Run::Write(hpexpireat),
    summary: "Lets fields of a hash expire at a Unix time in milliseconds.",
    syntax: "key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    ..HEXPIRE
};

pub(super) const HPERSIST: Command = Command {
    name: "HPERSIST",
    arity: -5,
    run: Run::Write(hpersist),
    summary: "Removes the expiry of fields of a hash.",
    syntax: "key FIELDS numfields field [field ...]",
    ..HEXPIRE
};

fn hexpire(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expire(txn, args, Unit::Seconds, "hexpire")
}

fn hpexpire(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expire(txn, args, Unit::Millis, "hpexpire")
}

fn hexpireat(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expire(txn, args, Unit::UnixSeconds, "hexpireat")
}

fn hpexpireat(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expire(txn, args, Unit::UnixMillis, "hpexpireat")
}

fn expire(txn: &mut Txn<'_>, args: &mut Args<'_>, unit: Unit, command: &str) -> Result<Reply> {
    let (key, amount) = (args.next_word()?, args.next_word()?);
    // As Redis, the type is judged first.
    let hash = Hash::open(&txn.view(), key)?;
    let expires_at = element_expiry::expires_at(amount, unit, txn.now(), command)?;
    let condition = Condition::read(args);
    let fields = options::counted(args, command, "Parameter `numFields` should be greater than 0")?;
    let Some(mut hash) = hash else { return Ok(Reply::Array(vec![Reply::Int(NO_ELEMENT); fields.len()])) };
    let mut answers = Vec::with_capacity(fields.len());
    for field in fields {
        answers.push(match hash.get(&txn.view(), field)? {
            None => NO_ELEMENT,
            Some(found) if !condition.allows(found.expires_at, expires_at) => NOT_ALLOWED,
            Some(_) if expires_at <= txn.expiry_clock() => {
                hash.remove(txn, field)?;
                DELETED
            }
            Some(found) => {
                hash.set(txn, field, &found.value, expires_at)?;
                DONE
            }
        });
    }
    let events = [(DONE, "hexpire"), (DELETED, "hdel")];
    let events = events.into_iter().filter(|(answer, _)| answers.contains(answer)).map(|(_, name)| name);
    let events: Vec<&'static str> = events.collect();
    if !events.is_empty() {
        save(txn, key, hash, &events)?;
    }
    Ok(Reply::Array(answers.into_iter().map(Reply::Int).collect()))
}

fn hpersist(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let hash = Hash::open(&txn.view(), key)?;
    let fields = options::fields(args, "hpersist")?;
    let Some(mut hash) = hash else { return Ok(Reply::Array(vec![Reply::Int(NO_ELEMENT); fields.len()])) };
    let mut answers = Vec::with_capacity(fields.len());
    for field in fields {
        answers.push(match hash.get(&txn.view(), field)? {
            None => NO_ELEMENT,
            Some(found) if found.expires_at == 0 => NO_EXPIRY,
            Some(found) => {
                hash.set(txn, field, &found.value, 0)?;
                DONE
            }
        });
    }
    if answers.contains(&DONE) {
        save(txn, key, hash, &["hpersist"])?;
    }
    Ok(Reply::Array(answers.into_iter().map(Reply::Int).collect()))
}
