//! SEXPIRE and its kin: when members expire.

use super::{members, save};
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run},
    commands::element_expiry::{
        self, Condition, DELETED, DONE, NO_ELEMENT, NO_EXPIRY, NOT_ALLOWED, unknown_argument,
    },
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::Txn,
    types::{expiry::Unit, set::Set},
};

pub(super) const SEXPIRE: Command = Command {
    name: "SEXPIRE",
    access: &[Access::Update],
    arity: -6,
    keys: KeyRange::ONE,
    run: Run::Write(sexpire),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::FAST),
    since_level: feature_level::SET_EXPIRY,
    group: Group::Set,
    since: "8.12.0",
    complexity: "O(N) where N is the number of members named.",
    summary: "Lets members of a set expire after some seconds.",
    syntax: "key seconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]",
    ..Command::BASE
};

pub(super) const SPEXPIRE: Command = Command {
    name: "SPEXPIRE",
    run: Run::Write(spexpire),
    summary: "Lets members of a set expire after some milliseconds.",
    syntax: "key milliseconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]",
    ..SEXPIRE
};

pub(super) const SEXPIREAT: Command = Command {
    name: "SEXPIREAT",
    run: Run::Write(sexpireat),
    summary: "Lets members of a set expire at a Unix time in seconds.",
    syntax: "key unix-time-seconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]",
    ..SEXPIRE
};

pub(super) const SPEXPIREAT: Command = Command {
    name: "SPEXPIREAT",
    run: Run::Write(spexpireat),
    summary: "Lets members of a set expire at a Unix time in milliseconds.",
    syntax: "key unix-time-milliseconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]",
    ..SEXPIRE
};

pub(super) const SPERSIST: Command = Command {
    name: "SPERSIST",
    arity: -5,
    run: Run::Write(spersist),
    summary: "Removes the expiry of members of a set.",
    syntax: "key MEMBERS nummembers member [member ...]",
    ..SEXPIRE
};

fn sexpire(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expire(txn, args, Unit::Seconds, "sexpire")
}

fn spexpire(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expire(txn, args, Unit::Millis, "spexpire")
}

fn sexpireat(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expire(txn, args, Unit::UnixSeconds, "sexpireat")
}

fn spexpireat(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expire(txn, args, Unit::UnixMillis, "spexpireat")
}

/// The condition and the members, in any order.
fn condition_and_members<'a>(args: &mut Args<'a>) -> Result<(Condition, &'a [&'a [u8]])> {
    let (mut conditions, mut members) = (Condition::Always, None);
    let mut are_many = false;
    while let Some(word) = args.peek() {
        let condition = Condition::read(args);
        if condition != Condition::Always {
            are_many |= conditions != Condition::Always && conditions != condition;
            conditions = condition;
        } else if args.take("MEMBERS") {
            if members.is_some() {
                return Err(members::twice().into());
            }
            if args.remaining() < 2 {
                let text = "MEMBERS requires at least nummembers and one member argument";
                return Err(ErrorReply::err(text).into());
            }
            members = Some(members::counted(args, "Parameter `numMembers` should be greater than 0")?);
        } else {
            return Err(unknown_argument(word).into());
        }
    }
    let members = members.ok_or_else(members::missing)?;
    if are_many {
        return Err(ErrorReply::err("Multiple condition flags specified").into());
    }
    Ok((conditions, members))
}

fn expire(txn: &mut Txn<'_>, args: &mut Args<'_>, unit: Unit, command: &str) -> Result<Reply> {
    let (key, amount) = (args.next_word()?, args.next_word()?);
    // As Redis, the type is judged first.
    let set = Set::open(&txn.view(), key)?;
    let expires_at = element_expiry::expires_at(amount, unit, txn.now(), command)?;
    let (condition, members) = condition_and_members(args)?;
    let Some(mut set) = set else { return Ok(Reply::Array(vec![Reply::Int(NO_ELEMENT); members.len()])) };
    let mut answers = Vec::with_capacity(members.len());
    for member in members {
        answers.push(match set.expiry_of(&txn.view(), member)? {
            None => NO_ELEMENT,
            Some(old) if !condition.allows(old, expires_at) => NOT_ALLOWED,
            Some(_) if expires_at <= txn.expiry_clock() => {
                set.remove(txn, member)?;
                DELETED
            }
            Some(_) => {
                set.put(txn, member, expires_at)?;
                DONE
            }
        });
    }
    let events = [(DELETED, "srem"), (DONE, "sexpire")];
    let events = events.into_iter().filter(|(answer, _)| answers.contains(answer)).map(|(_, name)| name);
    let events: Vec<&'static str> = events.collect();
    if !events.is_empty() {
        save(txn, key, set, &events)?;
    }
    Ok(Reply::Array(answers.into_iter().map(Reply::Int).collect()))
}

fn spersist(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let set = Set::open(&txn.view(), key)?;
    let members = members::all_of_rest(args)?;
    let Some(mut set) = set else { return Ok(Reply::Array(vec![Reply::Int(NO_ELEMENT); members.len()])) };
    let mut answers = Vec::with_capacity(members.len());
    for member in members {
        answers.push(match set.expiry_of(&txn.view(), member)? {
            None => NO_ELEMENT,
            Some(0) => NO_EXPIRY,
            Some(_) => {
                set.put(txn, member, 0)?;
                DONE
            }
        });
    }
    if answers.contains(&DONE) {
        save(txn, key, set, &["spersist"])?;
    }
    Ok(Reply::Array(answers.into_iter().map(Reply::Int).collect()))
}
