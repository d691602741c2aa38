//! Single bits.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run, parse_i64},
    commands::string::replace,
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Encoding, EventClass, Row, Txn, View},
    types::{
        bitmap::{self, OFFSET_END},
        string::{check_length, encoding_name, expect_string},
    },
};

pub(super) const GETBIT: Command = Command {
    name: "GETBIT",
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Read(getbit),
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::Bitmap,
    since: "2.2.0",
    summary: "Returns one bit of a string; what lies behind its end is 0.",
    syntax: "key offset",
    ..Command::BASE
};

pub(super) const SETBIT: Command = Command {
    name: "SETBIT",
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Write(setbit),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::Bitmap,
    since: "2.2.0",
    complexity: "O(N) where N is the length of the resulting string.",
    summary: "Sets or clears one bit of a string and returns what it was.",
    syntax: "key offset value",
    ..Command::BASE
};

fn getbit(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, offset) = (args.next_word()?, offset(args.next_word()?, None)?);
    let row = expect_string(view.get(key)?)?;
    Ok(row.is_some_and(|row| bitmap::get(&row.body, offset)).into())
}

fn setbit(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, offset) = (args.next_word()?, offset(args.next_word()?, None)?);
    let bit = match parse_i64(args.next_word()?) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(ErrorReply::err("bit is not an integer or out of range").into()),
    };
    let row = expect_string(txn.get(key)?)?;
    let mut bytes = grown(row.as_ref(), offset)?;
    let before = bitmap::set(&mut bytes, offset, bit);
    put_if_changed(txn, key, row.as_ref(), &bytes)?;
    Ok(before.into())
}

/// A place in a string. Where `#n` is allowed, it counts in units of so many bits.
pub(super) fn offset(word: &[u8], unit: Option<u32>) -> Result<u64> {
    let (word, unit) = match (word.strip_prefix(b"#"), unit) {
        (Some(rest), Some(unit)) => (rest, i64::from(unit)),
        _ => (word, 1),
    };
    let offset = parse_i64(word).and_then(|number| u64::try_from(number.checked_mul(unit)?).ok());
    let offset = offset.filter(|offset| *offset < OFFSET_END);
    Ok(offset.ok_or_else(|| ErrorReply::err("bit offset is not an integer or out of range"))?)
}

/// The string, continued with zeros so that it has this bit.
pub(super) fn grown(row: Option<&Row>, last_bit: u64) -> Result<Vec<u8>> {
    let needed = usize::try_from(last_bit >> 3).unwrap_or(usize::MAX).saturating_add(1);
    check_length(needed)?;
    let old = row.map_or(&[][..], |row| &row.body[..]);
    let mut bytes = Vec::with_capacity(needed.max(old.len()));
    bytes.extend_from_slice(old);
    bytes.resize(needed.max(old.len()), 0);
    Ok(bytes)
}

/// Stores the string, unless that would change nothing that a client can see.
pub(super) fn put_if_changed(txn: &mut Txn<'_>, key: &[u8], row: Option<&Row>, bytes: &[u8]) -> Result<()> {
    let same = row.is_some_and(|row| row.body[..] == *bytes);
    if !same || row.is_some_and(|row| encoding_name(row) != "raw") {
        replace(txn, key, row, Encoding::Raw, bytes)?;
    }
    if !same {
        txn.event(EventClass::String, "setbit", key);
    }
    Ok(())
}
