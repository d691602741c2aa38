//! Counting and finding bits.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::View,
    types::{bitmap, string::StoredString},
};
use std::ops::Range;

/// A range from which on counting is not done on a thread that serves connections.
const LONG_BITS: u64 = 32 * 1024 * 1024;

pub(super) const BITCOUNT: Command = Command {
    name: "BITCOUNT",
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Read(bitcount),
    flags: Flags::READONLY,
    group: Group::Bitmap,
    since: "2.6.0",
    complexity: "O(N) where N is the number of bytes looked at.",
    summary: "Counts the set bits of a string or of a part of it.",
    syntax: "key [start end [BYTE | BIT]]",
    ..Command::BASE
};

pub(super) const BITPOS: Command = Command {
    name: "BITPOS",
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Read(bitpos),
    flags: Flags::READONLY,
    group: Group::Bitmap,
    since: "2.8.7",
    complexity: "O(N) where N is the number of bytes looked at.",
    summary: "Finds the first bit that is set, or clear, in a string or in a part of it.",
    syntax: "key bit [start [end [BYTE | BIT]]]",
    ..Command::BASE
};

fn bitcount(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    // As Redis 7, an absent key answers before the range is looked at.
    let Some(string) = StoredString::open(view, args.next_word()?)? else {
        return Ok(Reply::Int(0));
    };
    let range = match args.remaining() {
        0 => 0..bits(string.len(), 8),
        2 | 3 => {
            let (start, end) = (args.next_i64()?, args.next_i64()?);
            if start < 0 && end < 0 && start > end {
                return Ok(Reply::Int(0));
            }
            let unit = unit(args)?;
            range(string.len(), start, end, unit)
        }
        _ => return Err(ErrorReply::syntax().into()),
    };
    may_take_long(view, &range)?;
    Ok(Reply::count(bitmap::count_in(view, &string, range)?))
}

fn bitpos(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let bit = match args.next_i64()? {
        0 => false,
        1 => true,
        _ => return Err(ErrorReply::err("The bit argument must be 1 or 0.").into()),
    };
    // As Redis 7, an absent key answers before the range is looked at.
    let Some(string) = StoredString::open(view, key)? else {
        return Ok(Reply::Int(if bit { -1 } else { 0 }));
    };
    let len = string.len();
    let open = args.remaining() < 2;
    let range = match args.rest() {
        [] => 0..bits(len, 8),
        [_] => range(len, args.next_i64()?, -1, Unit::Byte),
        [_, _] | [_, _, _] => {
            let (start, end) = (args.next_i64()?, args.next_word()?);
            let unit = unit(args)?;
            range(len, start, Args::new(&[end], 0).next_i64()?, unit)
        }
        _ => return Err(ErrorReply::syntax().into()),
    };
    may_take_long(view, &range)?;
    let found = bitmap::position_in(view, &string, bit, range.clone())?;
    Ok(match found {
        Some(at) => Reply::count(at),
        // Without an end the string continues with zeros.
        None if open && !bit && !range.is_empty() => Reply::count(range.end),
        None => Reply::Int(-1),
    })
}

fn may_take_long(view: &View<'_>, range: &Range<u64>) -> Result<()> {
    if range.end.saturating_sub(range.start) >= LONG_BITS { view.may_take_long() } else { Ok(()) }
}

/// The unit in which a range counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Byte,
    Bit,
}

/// The unit that ends the arguments; bytes if none is named.
fn unit(args: &mut Args<'_>) -> Result<Unit> {
    let unit = if args.take("BIT") {
        Unit::Bit
    } else {
        let _ = args.take("BYTE");
        Unit::Byte
    };
    args.finish()?;
    Ok(unit)
}

/// The bits that two indexes mean, both included; negative ones count from the end.
fn range(len: usize, start: i64, end: i64, unit: Unit) -> Range<u64> {
    let each = if unit == Unit::Bit { 1 } else { 8 };
    let total = i64::try_from(bits(len, 8) / each).unwrap_or(i64::MAX);
    let from_end = |index: i64| {
        if index < 0 { index.saturating_add(total).max(0) } else { index }
    };
    let (start, end) = (from_end(start), from_end(end).min(total.saturating_sub(1)));
    if start > end {
        return 0..0;
    }
    let bound = |index: i64| u64::try_from(index).unwrap_or(0).saturating_mul(each);
    bound(start)..bound(end).saturating_add(each)
}

fn bits(len: usize, each: u64) -> u64 {
    (len as u64).saturating_mul(each)
}
