//! SADDEX: members and their expiry in one step. And `MEMBERS nummembers member …`, which it shares with SEXPIRE and its kin.

use super::save;
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run, parse_i64},
    commands::element_expiry::{self, Expiry, only_one, take_existence, take_unit, unknown_argument},
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::Txn,
    types::set::Set,
};

pub(super) const SADDEX: Command = Command {
    name: "SADDEX",
    access: &[Access::Insert],
    arity: -5,
    keys: KeyRange::ONE,
    run: Run::Write(saddex),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    since_level: feature_level::SET_EXPIRY,
    group: Group::Set,
    since: "8.12.0",
    complexity: "O(N) where N is the number of members named.",
    summary: "Adds members to a set and sets their expiry, under conditions; returns whether it did.",
    syntax: "key [MNX | MXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] MEMBERS nummembers member [member ...]",
    ..Command::BASE
};

/// Reads `nummembers member …`, with an error text for a number that is none. Other arguments may follow.
pub(super) fn counted<'a>(args: &mut Args<'a>, not_a_count: &'static str) -> Result<&'a [&'a [u8]]> {
    let count = args.next_opt().and_then(parse_i64).and_then(|count| i32::try_from(count).ok());
    let count = count.and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    let count = count.ok_or_else(|| ErrorReply::err(not_a_count))?;
    if count > args.remaining() {
        return Err(ErrorReply::err("wrong number of arguments").into());
    }
    args.next_words(count)
}

/// Reads `MEMBERS nummembers member …`, and nothing else, to the end.
pub(super) fn all_of_rest<'a>(args: &mut Args<'a>) -> Result<&'a [&'a [u8]]> {
    if !args.take("MEMBERS") {
        let text = "Mandatory argument MEMBERS is missing or not at the right position";
        return Err(ErrorReply::err(text).into());
    }
    let count = parse_i64(args.next_word()?).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| *count > 0);
    let count = count.ok_or_else(|| ErrorReply::err("Number of members must be a positive integer"))?;
    if count != args.remaining() {
        let text = "The `nummembers` parameter must match the number of arguments";
        return Err(ErrorReply::err(text).into());
    }
    Ok(args.rest())
}

pub(super) fn twice() -> ErrorReply {
    ErrorReply::err("MEMBERS keyword specified multiple times")
}

pub(super) fn missing() -> ErrorReply {
    ErrorReply::err("missing MEMBERS argument")
}

/// SADDEX's arguments; the condition requires that each of the members exists or does not exist.
#[derive(Default)]
struct Options<'a> {
    must_exist: Option<bool>,
    expiry: Option<Expiry>,
    members: Option<&'a [&'a [u8]]>,
}

impl<'a> Options<'a> {
    fn read(args: &mut Args<'a>, now: u64) -> Result<Self> {
        let mut options = Options::default();
        while let Some(word) = args.peek() {
            if args.take("MEMBERS") {
                if options.members.is_some() {
                    return Err(twice().into());
                }
                if args.is_empty() {
                    return Err(ErrorReply::wrong_arity("saddex").into());
                }
                options.members = Some(counted(args, "invalid number of members")?);
            } else if let Some(unit) = take_unit(args) {
                options.has_no_expiry_yet()?;
                let amount = args.next_opt().ok_or_else(|| ErrorReply::err("missing expire time"))?;
                options.expiry = Some(Expiry::At(element_expiry::expires_at(amount, unit, now, "saddex")?));
            } else if args.take("KEEPTTL") {
                options.has_no_expiry_yet()?;
                options.expiry = Some(Expiry::Keep);
            } else if let Some(must) = take_existence(args, "MXX", "MNX") {
                if options.must_exist.replace(must).is_some() {
                    return Err(only_one("MXX or MNX").into());
                }
            } else {
                return Err(unknown_argument(word).into());
            }
        }
        Ok(options)
    }

    fn has_no_expiry_yet(&self) -> Result<()> {
        match self.expiry {
            None => Ok(()),
            Some(_) => Err(only_one("EX, PX, EXAT, PXAT or KEEPTTL").into()),
        }
    }
}

fn saddex(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let Options { must_exist, expiry, members } = Options::read(args, txn.now())?;
    let members = members.ok_or_else(missing)?;
    let before = Set::open(&txn.view(), key)?;
    if let Some(must) = must_exist {
        for member in members {
            let exists = before.as_ref().map_or(Ok(false), |set| set.contains(&txn.view(), member))?;
            if exists != must {
                return Ok(Reply::Int(0));
            }
        }
    }
    let expiry = expiry.unwrap_or(Expiry::Clear);
    if let Expiry::At(at) = expiry
        && at <= txn.now()
    {
        // As if they had been there for a moment.
        return remove(txn, key, before, members);
    }
    let first = members.first().copied().unwrap_or_default();
    let mut set = before.unwrap_or_else(|| Set::create(txn, first, members.len()));
    for member in members {
        match expiry {
            Expiry::Keep => drop(set.add(txn, member)?),
            Expiry::Clear => drop(set.put(txn, member, 0)?),
            Expiry::At(at) => drop(set.put(txn, member, at)?),
        }
    }
    let events: &[&'static str] = match expiry {
        Expiry::At(_) => &["sadd", "sexpire"],
        Expiry::Keep | Expiry::Clear => &["sadd"],
    };
    save(txn, key, set, events)?;
    Ok(Reply::Int(1))
}

fn remove(txn: &mut Txn<'_>, key: &[u8], set: Option<Set>, members: &[&[u8]]) -> Result<Reply> {
    if let Some(mut set) = set {
        let mut removed = false;
        for member in members {
            removed |= set.remove(txn, member)?;
        }
        if removed {
            save(txn, key, set, &["srem"])?;
        }
    }
    Ok(Reply::Int(1))
}
