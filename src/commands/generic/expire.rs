//! EXPIRE and its kin.

use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, PassedOn, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{EventClass, NewRow, Row, Txn},
    types::expiry::{Unit, absolute_ms},
};

const FLAGS: Flags = Flags::WRITE.with(Flags::FAST).with(Flags::KEYSPACE);

pub(super) const EXPIRE: Command = Command {
    name: "EXPIRE",
    passed_on: PassedOn::Expiry,
    access: &[Access::Update],
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Write(expire),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::Generic,
    summary: "Lets a key expire after some seconds.",
    syntax: "key seconds [NX | XX | GT | LT]",
    ..Command::BASE
};

pub(super) const PEXPIRE: Command = Command {
    name: "PEXPIRE",
    run: Run::Write(pexpire),
    since: "2.6.0",
    summary: "Lets a key expire after some milliseconds.",
    syntax: "key milliseconds [NX | XX | GT | LT]",
    ..EXPIRE
};

pub(super) const EXPIREAT: Command = Command {
    name: "EXPIREAT",
    run: Run::Write(expireat),
    since: "1.2.0",
    summary: "Lets a key expire at a Unix time in seconds.",
    syntax: "key unix-time-seconds [NX | XX | GT | LT]",
    ..EXPIRE
};

pub(super) const PEXPIREAT: Command = Command {
    name: "PEXPIREAT",
    run: Run::Write(pexpireat),
    since: "2.6.0",
    summary: "Lets a key expire at a Unix time in milliseconds.",
    syntax: "key unix-time-milliseconds [NX | XX | GT | LT]",
    ..EXPIRE
};

pub(super) const PERSIST: Command = Command {
    name: "PERSIST",
    passed_on: PassedOn::Expiry,
    arity: 2,
    run: Run::Write(persist),
    since: "2.2.0",
    summary: "Removes the expiry of a key.",
    syntax: "key",
    ..EXPIRE
};

fn expire(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    set_expiry(txn, args, Unit::Seconds, "expire")
}

fn pexpire(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    set_expiry(txn, args, Unit::Millis, "pexpire")
}

fn expireat(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    set_expiry(txn, args, Unit::UnixSeconds, "expireat")
}

fn pexpireat(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    set_expiry(txn, args, Unit::UnixMillis, "pexpireat")
}

/// Conditions for replacing the old expiry. A key without expiry counts as expiring never.
#[derive(Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn read(args: &mut Args<'_>) -> Result<Self> {
        let mut conditions = Conditions::default();
        while let Some(word) = args.peek() {
            if args.take("NX") {
                conditions.nx = true;
            } else if args.take("XX") {
                conditions.xx = true;
            } else if args.take("GT") {
                conditions.gt = true;
            } else if args.take("LT") {
                conditions.lt = true;
            } else {
                let word = String::from_utf8_lossy(word).into_owned();
                return Err(ErrorReply::err(format!("Unsupported option {word}")).into());
            }
        }
        let Conditions { nx, xx, gt, lt } = conditions;
        if nx && (xx || gt || lt) {
            let text = "NX and XX, GT or LT options at the same time are not compatible";
            return Err(ErrorReply::err(text).into());
        }
        if gt && lt {
            return Err(ErrorReply::err("GT and LT options at the same time are not compatible").into());
        }
        Ok(conditions)
    }

    fn allow(&self, old: u64, new: i64) -> bool {
        let old = (old != 0).then(|| i64::try_from(old).unwrap_or(i64::MAX));
        !(self.nx && old.is_some()
            || self.xx && old.is_none()
            || self.gt && old.is_none_or(|old| new <= old)
            || self.lt && old.is_some_and(|old| new >= old))
    }
}

fn set_expiry(txn: &mut Txn<'_>, args: &mut Args<'_>, unit: Unit, command: &str) -> Result<Reply> {
    let (key, amount) = (args.next_word()?, args.next_word()?);
    // As Redis, options are judged before the number.
    let conditions = Conditions::read(args)?;
    let amount = parse_i64(amount).ok_or_else(ErrorReply::not_integer)?;
    let at = absolute_ms(amount, unit, txn.now()).ok_or_else(|| ErrorReply::invalid_expire(command))?;
    let Some(row) = txn.get(key)? else {
        return Ok(Reply::Int(0));
    };
    if !conditions.allow(row.expires_at, at) {
        return Ok(Reply::Int(0));
    }
    match u64::try_from(at) {
        Ok(at) if at > txn.expiry_clock() => {
            rewrite(txn, key, &row, at)?;
            txn.event(EventClass::Generic, "expire", key);
        }
        _ => {
            txn.delete(key)?;
            txn.event(EventClass::Generic, "del", key);
        }
    }
    Ok(Reply::Int(1))
}

fn persist(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    match txn.get(key)? {
        Some(row) if row.expires_at != 0 => {
            rewrite(txn, key, &row, 0)?;
            txn.event(EventClass::Generic, "persist", key);
            Ok(Reply::Int(1))
        }
        _ => Ok(Reply::Int(0)),
    }
}

fn rewrite(txn: &mut Txn<'_>, key: &[u8], row: &Row, expires_at: u64) -> Result<()> {
    txn.put(key, NewRow { kind: row.kind, encoding: row.encoding, expires_at, body: &row.body })
}
