//! BITOP.

use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
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
    syntax: "<AND | OR | XOR | NOT> destkey key [key ...]",
    ..Command::BASE
};

fn bitop(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let operation = Operation::parse(args.next_word()?).ok_or_else(ErrorReply::syntax)?;
    let target = args.next_word()?;
    if operation == Operation::Not && args.remaining() != 1 {
        return Err(ErrorReply::err("BITOP NOT must be called with a single source key.").into());
    }
    // All of them are looked at before any of them is read.
    for key in args.rest() {
        StoredString::open(&txn.view(), key)?;
    }
    let mut result = Combined::new(operation);
    for key in args.rest() {
        let source = StoredString::open(&txn.view(), key)?;
        result.add(&txn.view(), source.as_ref())?;
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
