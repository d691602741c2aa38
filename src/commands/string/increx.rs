//! INCREX: a counter with bounds and an expiry, for windows that count requests and stocks that must not go below zero.

use super::set::{expiry_at, unit_option};
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run, parse_i64},
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::{Encoding, EventClass, Txn},
    types::{
        bounded::{self, Bounds, Increment},
        decimal::{self, Decimal, DecimalError},
        expiry::Unit,
        string::{self, StoredString},
    },
};

pub(super) const INCREX: Command = Command {
    name: "INCREX",
    access: &[Access::ReadUpdate],
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Write(increx),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    since_level: feature_level::REDIS_8,
    group: Group::String,
    since: "8.8.0",
    summary: "Adds to the number of a key within bounds, and sets its expiry; an absent key counts as 0.",
    syntax: "key [BYFLOAT increment | BYINT increment] [LBOUND lowerbound] [UBOUND upperbound] [SATURATE] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] [ENX]",
    ..Command::BASE
};

/// The change to the key's expiry.
#[derive(Debug, Clone, Copy)]
enum Expiry<'a> {
    Persist,
    In(Unit, &'a [u8]),
}

/// The words of one call. Each option stands once at most.
#[derive(Debug, Default)]
struct Words<'a> {
    by_int: Option<&'a [u8]>,
    by_float: Option<&'a [u8]>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturates: bool,
    expiry: Option<Expiry<'a>>,
    only_without_expiry: bool,
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<()> {
    if slot.replace(value).is_some() { Err(ErrorReply::syntax().into()) } else { Ok(()) }
}

fn once_set(flag: &mut bool) -> Result<()> {
    if std::mem::replace(flag, true) { Err(ErrorReply::syntax().into()) } else { Ok(()) }
}

impl<'a> Words<'a> {
    fn read(args: &mut Args<'a>) -> Result<Self> {
        let mut words = Words::default();
        while !args.is_empty() {
            if args.take("BYINT") {
                once(&mut words.by_int, args.next_word()?)?;
            } else if args.take("BYFLOAT") {
                once(&mut words.by_float, args.next_word()?)?;
            } else if args.take("LBOUND") {
                once(&mut words.lower, args.next_word()?)?;
            } else if args.take("UBOUND") {
                once(&mut words.upper, args.next_word()?)?;
            } else if args.take("SATURATE") {
                once_set(&mut words.saturates)?;
            } else if args.take("ENX") {
                once_set(&mut words.only_without_expiry)?;
            } else if args.take("PERSIST") {
                once(&mut words.expiry, Expiry::Persist)?;
            } else if let Some((unit, amount)) = unit_option(args) {
                once(&mut words.expiry, Expiry::In(unit, amount))?;
            } else {
                return Err(ErrorReply::syntax().into());
            }
        }
        let persists = matches!(words.expiry, Some(Expiry::Persist));
        if words.by_int.is_some() && words.by_float.is_some() || persists && words.only_without_expiry {
            return Err(ErrorReply::syntax().into());
        }
        if words.only_without_expiry && words.expiry.is_none() {
            return Err(ErrorReply::err("ENX flag requires an expiration").into());
        }
        Ok(words)
    }

    fn bounds<T: PartialOrd>(&self, parse: impl Fn(&[u8], &str) -> Result<T>) -> Result<Bounds<T>> {
        let lower = self.lower.map(|word| parse(word, "LBOUND")).transpose()?;
        let upper = self.upper.map(|word| parse(word, "UBOUND")).transpose()?;
        if lower.as_ref().zip(upper.as_ref()).is_some_and(|(lower, upper)| lower > upper) {
            return Err(ErrorReply::err("LBOUND can't be greater than UBOUND").into());
        }
        Ok(Bounds { lower, upper, saturates: self.saturates })
    }
}

fn integer(word: &[u8], what: &str) -> Result<i64> {
    let text = || ErrorReply::err(format!("{what} is not an integer or out of range"));
    Ok(parse_i64(word).ok_or_else(text)?)
}

fn float(word: &[u8], what: &str) -> Result<Decimal> {
    Ok(decimal::parse(word).map_err(|error| match error {
        DecimalError::NotANumber => ErrorReply::err(format!("{what} is not a valid float")),
        DecimalError::NotFinite if what == "Increment" => {
            ErrorReply::err("BYFLOAT increment cannot be Infinity")
        }
        DecimalError::NotFinite => ErrorReply::err(format!("{what} cannot be Infinity")),
    })?)
}

/// What is to be stored, and the two parts of the reply. Without a text the number stays as it is.
struct Outcome {
    stored: Option<String>,
    reply: Reply,
}

impl Outcome {
    fn of<T>(step: Increment<T>, shown: impl Fn(&T) -> (String, Reply)) -> Self {
        let ((text, value), (_, applied)) = (shown(&step.value), shown(&step.applied));
        Outcome { stored: step.is_done.then_some(text), reply: Reply::Array(vec![value, applied]) }
    }
}

fn increx(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let words = Words::read(args)?;
    let (before, outcome) = match words.by_float {
        None => by_int(txn, key, &words)?,
        Some(increment) => by_float(txn, key, &words, increment)?,
    };
    let Some(text) = outcome.stored else { return Ok(outcome.reply) };
    let kept = before.as_ref().map_or(0, StoredString::expires_at);
    let (expires_at, event_of_expiry) = match words.expiry {
        Some(Expiry::Persist) => (0, (kept != 0).then_some("persist")),
        Some(Expiry::In(unit, amount)) if kept == 0 || !words.only_without_expiry => {
            (expiry_at(unit, amount, txn.now(), "increx")?, Some("expire"))
        }
        Some(Expiry::In(..)) | None => (kept, None),
    };
    if expires_at != 0 && expires_at <= txn.now() {
        // As if it had been there for a moment.
        if txn.delete(key)? {
            txn.event(EventClass::Generic, "del", key);
        }
        return Ok(outcome.reply);
    }
    string::put(txn, key, text.as_bytes(), Encoding::Natural, expires_at)?;
    let event = if words.by_float.is_some() { "incrbyfloat" } else { "incrby" };
    txn.event(EventClass::String, event, key);
    if let Some(event) = event_of_expiry {
        txn.event(EventClass::Generic, event, key);
    }
    Ok(outcome.reply)
}

fn by_int(txn: &Txn<'_>, key: &[u8], words: &Words<'_>) -> Result<(Option<StoredString>, Outcome)> {
    let increment = words.by_int.map_or(Ok(1), |word| integer(word, "Increment"))?;
    let bounds = words.bounds(integer)?;
    check_expiry(txn, words)?;
    let before = StoredString::open(&txn.view(), key)?;
    let number = match &before {
        Some(string) => string.short().and_then(parse_i64).ok_or_else(ErrorReply::not_integer)?,
        None => 0,
    };
    let step = bounded::add_integers(number, increment, &bounds);
    let step = step.ok_or_else(|| ErrorReply::err("applied increment would overflow"))?;
    Ok((before, Outcome::of(step, |number| (number.to_string(), Reply::Int(*number)))))
}

fn by_float(
    txn: &Txn<'_>,
    key: &[u8],
    words: &Words<'_>,
    increment: &[u8],
) -> Result<(Option<StoredString>, Outcome)> {
    let increment = float(increment, "Increment")?;
    let bounds = words.bounds(float)?;
    check_expiry(txn, words)?;
    let before = StoredString::open(&txn.view(), key)?;
    let number = match &before {
        Some(string) => {
            let text = string.short().ok_or_else(ErrorReply::not_float)?;
            decimal::parse(text).map_err(|error| match error {
                DecimalError::NotANumber => ErrorReply::not_float(),
                DecimalError::NotFinite => ErrorReply::err("value cannot be Infinity"),
            })?
        }
        None => 0.into(),
    };
    let step = bounded::add_decimals(&number, &increment, &bounds);
    let step = step.map_err(|_| ErrorReply::nan_or_infinity())?;
    Ok((before, Outcome::of(step, |text: &String| (text.clone(), Reply::DoubleText(text.clone())))))
}

/// A time that cannot be is refused whether it would be set or not.
fn check_expiry(txn: &Txn<'_>, words: &Words<'_>) -> Result<()> {
    match words.expiry {
        Some(Expiry::In(unit, amount)) => expiry_at(unit, amount, txn.now(), "increx").map(drop),
        Some(Expiry::Persist) | None => Ok(()),
    }
}
