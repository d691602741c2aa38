//! HGETEX and HSETEX: fields and their expiry in one step.

use super::{get::value_reply, options, save};
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run, parse_i64},
    commands::element_expiry::{self, Expiry, only_one, take_existence, take_unit, unknown_argument},
    error::Result,
    resp::{ErrorReply, Reply},
    store::Txn,
    types::hash::Hash,
};

pub(super) const HGETEX: Command = Command {
    name: "HGETEX",
    access: &[Access::ReadUpdate],
    arity: -5,
    keys: KeyRange::ONE,
    run: Run::Write(hgetex),
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::Hash,
    since: "9.0.0",
    complexity: "O(N) where N is the number of fields.",
    summary: "Returns fields of a hash and sets or removes their expiry.",
    syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]",
    ..Command::BASE
};

pub(super) const HSETEX: Command = Command {
    name: "HSETEX",
    access: &[Access::Insert],
    arity: -6,
    run: Run::Write(hsetex),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    summary: "Sets fields of a hash and their expiry, under conditions.",
    syntax: "key [NX | XX] [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]",
    ..HGETEX
};

fn hgetex(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    // As Redis, the type is judged first.
    let hash = Hash::open(&txn.view(), key)?;
    let expiry = match take_unit(args) {
        Some(unit) => Expiry::At(element_expiry::expires_at(args.next_word()?, unit, txn.now(), "hgetex")?),
        None if args.take("PERSIST") => Expiry::Clear,
        None => Expiry::Keep,
    };
    let fields = options::fields(args, "hgetex")?;
    let Some(mut hash) = hash else { return Ok(Reply::Array(vec![Reply::Nil; fields.len()])) };
    let (mut event, mut values) = (None, Vec::with_capacity(fields.len()));
    for field in fields {
        let found = hash.get(&txn.view(), field)?;
        if let Some(found) = &found {
            match expiry {
                Expiry::Keep => {}
                Expiry::Clear if found.expires_at == 0 => {}
                Expiry::Clear => {
                    hash.set(txn, field, &found.value, 0)?;
                    event = Some("hpersist");
                }
                Expiry::At(at) if at <= txn.expiry_clock() => {
                    hash.remove(txn, field)?;
                    event = Some("hdel");
                }
                Expiry::At(at) => {
                    hash.set(txn, field, &found.value, at)?;
                    event = Some("hexpire");
                }
            }
        }
        values.push(value_reply(found));
    }
    if let Some(event) = event {
        save(txn, key, hash, &[event])?;
    }
    Ok(Reply::Array(values))
}

/// HSETEX's options; a condition requires that the key, or each of the fields, exists or does not exist.
#[derive(Default)]
struct Options {
    key: Option<bool>,
    fields: Option<bool>,
    expiry: Option<Expiry>,
}

impl Options {
    /// Reads up to FIELDS.
    fn read(args: &mut Args<'_>, now: u64) -> Result<Self> {
        let mut options = Options::default();
        loop {
            if args.take("FIELDS") {
                return Ok(options);
            }
            if let Some(unit) = take_unit(args) {
                options.has_no_expiry_yet()?;
                let amount = args.next_opt().ok_or_else(|| ErrorReply::err("missing expire time"))?;
                options.expiry = Some(Expiry::At(element_expiry::expires_at(amount, unit, now, "hsetex")?));
            } else if args.take("KEEPTTL") {
                options.has_no_expiry_yet()?;
                options.expiry = Some(Expiry::Keep);
            } else if let Some(must) = take_existence(args, "FXX", "FNX") {
                if options.fields.replace(must).is_some() {
                    return Err(only_one("FXX or FNX").into());
                }
            } else if let Some(must) = take_existence(args, "XX", "NX") {
                if options.key.replace(must).is_some() {
                    return Err(only_one("XX or NX").into());
                }
            } else {
                let word = args.next_opt().ok_or_else(|| ErrorReply::wrong_arity("hsetex"))?;
                return Err(unknown_argument(word).into());
            }
        }
    }

    fn has_no_expiry_yet(&self) -> Result<()> {
        match self.expiry {
            None => Ok(()),
            Some(_) => Err(only_one("EX, PX, EXAT, PXAT or KEEPTTL").into()),
        }
    }
}

/// Reads `numfields field value …`, to the end.
fn pairs<'a>(args: &mut Args<'a>) -> Result<Vec<(&'a [u8], &'a [u8])>> {
    let count = args.next_opt().ok_or_else(|| ErrorReply::wrong_arity("hsetex"))?;
    if args.is_empty() {
        return Err(ErrorReply::wrong_arity("hsetex").into());
    }
    let count = parse_i64(count).and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    let count = count.ok_or_else(|| ErrorReply::err("invalid number of fields"))?;
    let (pairs, odd) = args.rest().as_chunks::<2>();
    if pairs.len() != count || !odd.is_empty() {
        return Err(ErrorReply::wrong_arity("hsetex").into());
    }
    Ok(pairs.iter().map(|[field, value]| (*field, *value)).collect())
}

fn hsetex(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let options = Options::read(args, txn.now())?;
    let pairs = pairs(args)?;
    let before = Hash::open(&txn.view(), key)?;
    if options.key.is_some_and(|must| must != before.is_some()) {
        return Ok(Reply::Int(0));
    }
    let mut hash = before.unwrap_or_else(|| Hash::create(txn));
    if let Some(must) = options.fields {
        for (field, _) in &pairs {
            if hash.get(&txn.view(), field)?.is_some() != must {
                return Ok(Reply::Int(0));
            }
        }
    }
    let mut events = vec!["hset"];
    for (field, value) in pairs {
        match options.expiry.unwrap_or(Expiry::Clear) {
            Expiry::Clear => drop(hash.set(txn, field, value, 0)?),
            Expiry::Keep => {
                let kept = hash.get(&txn.view(), field)?.map_or(0, |field| field.expires_at);
                hash.set(txn, field, value, kept)?;
            }
            // As if it had been there for a moment.
            Expiry::At(at) if at <= txn.expiry_clock() => {
                hash.remove(txn, field)?;
                events.truncate(1);
                events.push("hdel");
            }
            Expiry::At(at) => {
                hash.set(txn, field, value, at)?;
                events.truncate(1);
                events.push("hexpire");
            }
        }
    }
    save(txn, key, hash, &events)?;
    Ok(Reply::Int(1))
}
