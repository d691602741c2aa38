//! BITOP.

use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run, require_level},
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::{Encoding, EventClass, Txn},
    types::{
        bitmap::{Combined, Operation},
        string::{StoredString, put_pieces},
    },
};

pub(super) const BITOP: Command = Command {
    name: "BITOP",
    access: &[Access::Overwrite, Access::Read],
    arity: -4,
    keys: KeyRange::new(2, -1, 1),
    run: Run::Write(bitop),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::Bitmap,
    since: "2.6.0",
    complexity: "O(N) where N is the length of all strings together.",
    summary: "Combines strings bit by bit and stores the result.",
    syntax: "<AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]",
    ..Command::BASE
};

fn bitop(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let operation = Operation::parse(args.next_word()?).ok_or_else(ErrorReply::syntax)?;
    let target = args.next_word()?;
    if operation == Operation::Not && args.remaining() != 1 {
        return Err(ErrorReply::err("BITOP NOT must be called with a single source key.").into());
    }
    if operation.has_two_sides() || operation == Operation::One {
        let what = format!("BITOP {}", operation.name());
        require_level(&what, feature_level::REDIS_8_MORE, txn.feature_level())?;
        if operation.has_two_sides() && args.remaining() < 2 {
            let text = format!("{what} must be called with at least two source keys.");
            return Err(ErrorReply::err(text).into());
        }
    }
    // All of them are looked at before any of them is read.
    for key in args.rest() {
        StoredString::open(&txn.view(), key)?;
    }
    let mut result = Combined::new(operation);
    let (last, others) = match args.rest().split_first() {
        Some((first, others)) if operation.takes_first_last() => (Some(first), others),
        _ => (None, args.rest()),
    };
    for key in others {
        let source = StoredString::open(&txn.view(), key)?;
        result.add(&txn.view(), source.as_ref())?;
    }
    if let Some(first) = last {
        let source = StoredString::open(&txn.view(), first)?;
        result.add_first(&txn.view(), source.as_ref())?;
    }
    let (len, pieces) = result.finish();
    if len == 0 {
        if txn.delete(target)? {
            txn.event(EventClass::Generic, "del", target);
        }
    } else {
        put_pieces(txn, target, len, pieces, Encoding::Raw)?;
        txn.event(EventClass::String, "set", target);
    }
    Ok(Reply::count(len))
}
