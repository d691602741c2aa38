//! SET and its older variants.

use super::{compare::Comparison, value_reply};
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run, has_none_of, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Encoding, EventClass, Txn},
    types::{
        expiry::{Unit, positive_absolute_ms},
        string::{self, StoredString},
    },
};

pub(super) const SET: Command = Command {
    name: "SET",
    access: &[Access::ReadUpdate],
    variable_access: Some(access),
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Write(set),
    // A digest reads all of the old value.
    cost: Cost::OfCall(|argv| has_none_of(argv, 3, &[b"GET", b"IFDEQ", b"IFDNE"])),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::String,
    since: "1.0.0",
    summary: "Sets a key to a string, replacing any value; conditions and an expiry are optional.",
    syntax: "key value [NX | XX | IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    ..Command::BASE
};

/// Tells of the old value only with GET, or by a comparison with it.
fn access(argv: &[&[u8]]) -> Access {
    let tells =
        argv.iter().skip(3).any(|word| word.eq_ignore_ascii_case(b"GET") || Comparison::is_word(word));
    if tells { Access::ReadUpdate } else { Access::Overwrite }
}

pub(super) const SETEX: Command = Command {
    name: "SETEX",
    access: &[Access::Overwrite],
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Write(setex),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::String,
    since: "2.0.0",
    summary: "Sets a string that expires after some seconds.",
    syntax: "key seconds value",
    ..Command::BASE
};

pub(super) const PSETEX: Command = Command {
    name: "PSETEX",
    access: &[Access::Overwrite],
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Write(psetex),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::String,
    since: "2.6.0",
    summary: "Sets a string that expires after some milliseconds.",
    syntax: "key milliseconds value",
    ..Command::BASE
};

pub(super) const SETNX: Command = Command {
    name: "SETNX",
    access: &[Access::Create],
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Write(setnx),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    group: Group::String,
    since: "1.0.0",
    summary: "Sets a string only if the key does not exist.",
    syntax: "key value",
    ..Command::BASE
};

pub(super) const DELIFEQ: Command = Command {
    name: "DELIFEQ",
    access: &[Access::Remove],
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Write(delifeq),
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::String,
    since: "9.0.0",
    summary: "Deletes a key if its string is equal to the one given.",
    syntax: "key value",
    ..Command::BASE
};

/// When SET may write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition<'a> {
    Always,
    Absent,
    Present,
    Compares(Comparison<'a>),
}

/// The change to the key's expiry.
#[derive(Clone, Copy)]
enum Expiry {
    Clear,
    Keep,
    At(u64),
}

struct Options<'a> {
    condition: Condition<'a>,
    expiry: Expiry,
    get: bool,
}

impl Options<'_> {
    /// Whether the result does not depend on the key's present value.
    fn is_plain(&self) -> bool {
        self.condition == Condition::Always && !self.get && matches!(self.expiry, Expiry::Clear)
    }

    /// The key must hold a string, if anything.
    fn looks_inside(&self) -> bool {
        self.get || matches!(self.condition, Condition::Compares(_))
    }
}

fn set(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, value) = (args.next_word()?, args.next_word()?);
    let options = options(args, txn)?;
    if options.is_plain() {
        store(txn, key, value, 0)?;
        return Ok(Reply::Ok);
    }
    let before = txn.get(key)?;
    let mut reply = None;
    let mut is_met = match options.condition {
        Condition::Always => true,
        Condition::Absent => before.is_none(),
        Condition::Present => before.is_some(),
        Condition::Compares(comparison) => comparison.allows_absent(),
    };
    if let (true, Some(row)) = (options.looks_inside(), before.clone()) {
        let view = txn.view();
        let string = StoredString::of_row(&view, row)?;
        if let Condition::Compares(comparison) = options.condition {
            is_met = comparison.allows(&view, &string)?;
        }
        if options.get {
            reply = Some(value_reply(&view, Some(&string))?);
        }
    }
    if is_met {
        let kept = before.as_ref().map_or(0, |row| row.expires_at);
        let expires_at = match options.expiry {
            Expiry::Clear => 0,
            Expiry::Keep => kept,
            Expiry::At(at) => at,
        };
        store(txn, key, value, expires_at)?;
    }
    Ok(match (options.get, is_met) {
        (true, _) => reply.unwrap_or(Reply::Nil),
        (false, true) => Reply::Ok,
        (false, false) => Reply::Nil,
    })
}

fn options<'a>(args: &mut Args<'a>, txn: &Txn<'_>) -> Result<Options<'a>> {
    let mut options = Options { condition: Condition::Always, expiry: Expiry::Clear, get: false };
    let mut chosen = None;
    while !args.is_empty() {
        let condition = options.condition;
        if matches!(condition, Condition::Always | Condition::Absent) && args.take("NX") {
            options.condition = Condition::Absent;
        } else if matches!(condition, Condition::Always | Condition::Present) && args.take("XX") {
            options.condition = Condition::Present;
        } else if condition == Condition::Always
            && let Some(comparison) = Comparison::take(args, txn.feature_level())?
        {
            options.condition = Condition::Compares(comparison);
        } else if args.take("GET") {
            options.get = true;
        } else {
            choose_expiry(args, &mut chosen)?;
        }
    }
    options.expiry = match chosen {
        None => Expiry::Clear,
        Some(Chosen::Keep) => Expiry::Keep,
        Some(Chosen::In(unit, amount)) => Expiry::At(expiry_at(unit, amount, txn.now(), "set")?),
    };
    Ok(options)
}

/// The chosen expiry option; it may be repeated, but not combined with another.
#[derive(Clone, Copy)]
pub(super) enum Chosen<'a> {
    Keep,
    In(Unit, &'a [u8]),
}

/// Reads KEEPTTL, EX, PX, EXAT or PXAT, or refuses the next word.
pub(super) fn choose_expiry<'a>(args: &mut Args<'a>, chosen: &mut Option<Chosen<'a>>) -> Result<()> {
    let before = *chosen;
    let next = if args.take("KEEPTTL") {
        Some(Chosen::Keep)
    } else {
        unit_option(args).map(|(unit, amount)| Chosen::In(unit, amount))
    };
    let fits = match (before, next) {
        (None, Some(_)) | (Some(Chosen::Keep), Some(Chosen::Keep)) => true,
        (Some(Chosen::In(old, _)), Some(Chosen::In(new, _))) => old == new,
        _ => false,
    };
    if !fits {
        return Err(ErrorReply::syntax().into());
    }
    *chosen = next;
    Ok(())
}

/// Reads `EX n`, `PX n`, `EXAT n` or `PXAT n` if one of them is next.
pub(super) fn unit_option<'a>(args: &mut Args<'a>) -> Option<(Unit, &'a [u8])> {
    if args.remaining() < 2 {
        return None;
    }
    let words = [
        ("EX", Unit::Seconds),
        ("PX", Unit::Millis),
        ("EXAT", Unit::UnixSeconds),
        ("PXAT", Unit::UnixMillis),
    ];
    let (_, unit) = words.into_iter().find(|(word, _)| args.take(word))?;
    Some((unit, args.next_opt()?))
}

/// The time an option means, ms since the epoch.
pub(super) fn expiry_at(unit: Unit, amount: &[u8], now: u64, command: &str) -> Result<u64> {
    let amount = parse_i64(amount).ok_or_else(ErrorReply::not_integer)?;
    Ok(positive_absolute_ms(amount, unit, now).ok_or_else(|| ErrorReply::invalid_expire(command))?)
}

/// Stores a string. One that has expired already is deleted instead, as if it had been there for a moment.
pub(super) fn store(txn: &mut Txn<'_>, key: &[u8], value: &[u8], expires_at: u64) -> Result<()> {
    if expires_at != 0 && expires_at <= txn.expiry_clock() {
        if txn.delete(key)? {
            txn.event(EventClass::Generic, "del", key);
        }
        return Ok(());
    }
    string::put(txn, key, value, Encoding::Natural, expires_at)?;
    txn.event(EventClass::String, "set", key);
    if expires_at != 0 {
        txn.event(EventClass::Generic, "expire", key);
    }
    Ok(())
}

/// Replaces a string's value, keeping its expiry.
pub(in crate::commands) fn replace(
    txn: &mut Txn<'_>,
    key: &[u8],
    before: Option<&StoredString>,
    encoding: Encoding,
    value: &[u8],
) -> Result<()> {
    let expires_at = before.map_or(0, StoredString::expires_at);
    string::put(txn, key, value, encoding, expires_at)
}

fn setex(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    set_expiring(txn, args, Unit::Seconds, "setex")
}

fn psetex(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    set_expiring(txn, args, Unit::Millis, "psetex")
}

fn set_expiring(txn: &mut Txn<'_>, args: &mut Args<'_>, unit: Unit, command: &str) -> Result<Reply> {
    let (key, amount, value) = (args.next_word()?, args.next_i64()?, args.next_word()?);
    let at =
        positive_absolute_ms(amount, unit, txn.now()).ok_or_else(|| ErrorReply::invalid_expire(command))?;
    store(txn, key, value, at)?;
    Ok(Reply::Ok)
}

fn setnx(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, value) = (args.next_word()?, args.next_word()?);
    let absent = txn.get(key)?.is_none();
    if absent {
        store(txn, key, value, 0)?;
    }
    Ok(absent.into())
}

fn delifeq(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, value) = (args.next_word()?, args.next_word()?);
    let equal = match StoredString::open(&txn.view(), key)? {
        Some(string) => string.equals(&txn.view(), value)?,
        None => false,
    };
    if equal {
        txn.delete(key)?;
        txn.event(EventClass::Generic, "del", key);
    }
    Ok(equal.into())
}
