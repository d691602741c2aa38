//! Single bits.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, PassedOn, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Encoding, EventClass, Txn, View},
    types::{
        bitmap::{self, OFFSET_END},
        string::{Edit, StoredString, check_length, encoding_name},
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
    passed_on: PassedOn::AsCalled,
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Write(setbit),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::Bitmap,
    since: "2.2.0",
    summary: "Sets or clears one bit of a string and returns what it was.",
    syntax: "key offset value",
    ..Command::BASE
};

fn getbit(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, offset) = (args.next_word()?, offset(args.next_word()?, None)?);
    let edit = Edit::of(StoredString::open(view, key)?);
    let byte: [u8; 1] = edit.read(view, byte_of(offset))?;
    Ok(bitmap::get(&byte, offset & 7).into())
}

fn setbit(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, offset) = (args.next_word()?, offset(args.next_word()?, None)?);
    let bit = match parse_i64(args.next_word()?) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(ErrorReply::err("bit is not an integer or out of range").into()),
    };
    let mut edit = Edit::of(StoredString::open(&txn.view(), key)?);
    grow(&mut edit, offset)?;
    let mut byte: [u8; 1] = edit.read(&txn.view(), byte_of(offset))?;
    let before = bitmap::set(&mut byte, offset & 7, bit);
    if before != bit {
        edit.write(&txn.view(), byte_of(offset), &byte)?;
    }
    save_if_changed(txn, key, edit)?;
    Ok(before.into())
}

/// A position in a string. Where `#n` is allowed, it counts in units of so many bits.
pub(super) fn offset(word: &[u8], unit: Option<u32>) -> Result<u64> {
    let (word, unit) = match (word.strip_prefix(b"#"), unit) {
        (Some(rest), Some(unit)) => (rest, i64::from(unit)),
        _ => (word, 1),
    };
    let offset = parse_i64(word).and_then(|number| u64::try_from(number.checked_mul(unit)?).ok());
    let offset = offset.filter(|offset| *offset < OFFSET_END);
    Ok(offset.ok_or_else(|| ErrorReply::err("bit offset is not an integer or out of range"))?)
}

/// The byte that has a bit.
pub(super) fn byte_of(bit: u64) -> usize {
    usize::try_from(bit >> 3).unwrap_or(usize::MAX)
}

/// Continues a string with zeros so that it has this bit.
pub(super) fn grow(edit: &mut Edit, last_bit: u64) -> Result<()> {
    let needed = byte_of(last_bit).saturating_add(1);
    check_length(needed)?;
    edit.grow(needed);
    Ok(())
}

/// Stores the string, unless that would change nothing that a client can see.
pub(super) fn save_if_changed(txn: &mut Txn<'_>, key: &[u8], edit: Edit) -> Result<()> {
    let is_changed = edit.is_changed();
    if is_changed || edit.before().is_some_and(|before| encoding_name(before.row()) != "raw") {
        edit.save(txn, key, Encoding::Raw)?;
    }
    if is_changed {
        txn.event(EventClass::String, "setbit", key);
    }
    Ok(())
}
