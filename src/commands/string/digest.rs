//! DIGEST, and DELEX, which deletes by comparison.

use super::{
    compare::{Comparison, digits},
    get::bytes_of_strings,
};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::{EventClass, Txn, Type, View},
    types::string::StoredString,
};

pub(super) const DIGEST: Command = Command {
    name: "DIGEST",
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(digest),
    // Its work is that of a reply with the string.
    reply_bytes: Some(bytes_of_strings),
    flags: Flags::READONLY.with(Flags::FAST),
    since_level: feature_level::REDIS_8,
    group: Group::String,
    since: "8.4.0",
    complexity: "O(N) where N is the length of the string.",
    summary: "Returns the XXH3 digest of a string, 16 hexadecimal digits.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const DELEX: Command = Command {
    name: "DELEX",
    access: &[Access::Take],
    variable_access: Some(access),
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Write(delex),
    flags: Flags::WRITE.with(Flags::FAST),
    since_level: feature_level::REDIS_8,
    group: Group::String,
    since: "8.4.0",
    complexity: "O(1) for IFEQ and IFNE, O(N) for IFDEQ and IFDNE where N is the length of the string.",
    summary: "Deletes a key, if its string compares as asked for.",
    syntax: "key [IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest]",
    ..Command::BASE
};

/// A comparison tells of the value.
fn access(argv: &[&[u8]]) -> Access {
    if argv.len() > 2 { Access::Take } else { Access::Remove }
}

fn digest(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let Some(string) = StoredString::open(view, args.next_word()?)? else { return Ok(Reply::Nil) };
    Ok(Reply::bulk(digits(string.digest(view)?)))
}

fn delex(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let condition = match args.rest() {
        [] => None,
        [word, with] => Some((*word, *with)),
        _ => return Err(ErrorReply::wrong_arity("delex").into()),
    };
    // As Redis, an absent key answers before the condition is looked at.
    let Some(row) = txn.get(key)? else { return Ok(Reply::Int(0)) };
    if let Some((word, with)) = condition {
        if row.kind != Type::String {
            return Err(ErrorReply::err("Key should be of string type if conditions are specified").into());
        }
        let comparison = Comparison::of(word, with)
            .ok_or_else(|| ErrorReply::err("Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"))?;
        let view = txn.view();
        if !comparison.allows(&view, &StoredString::of_row(&view, row)?)? {
            return Ok(Reply::Int(0));
        }
    }
    txn.delete(key)?;
    txn.event(EventClass::Generic, "del", key);
    Ok(Reply::Int(1))
}
