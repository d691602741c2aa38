//! BITOP.

use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Encoding, EventClass, NewRow, Txn, Type},
    types::{
        bitmap::{Operation, combine},
        string::expect_string,
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
    let mut rows = Vec::with_capacity(args.remaining());
    for key in args.rest() {
        rows.push(expect_string(txn.get(key)?)?);
    }
    let sources: Vec<&[u8]> =
        rows.iter().map(|row| row.as_ref().map_or(&[][..], |row| &row.body[..])).collect();
    let result = combine(operation, &sources);
    if result.is_empty() {
        if txn.delete(target)? {
            txn.event(EventClass::Generic, "del", target);
        }
    } else {
        let row = NewRow { kind: Type::String, encoding: Encoding::Raw, expires_at: 0, body: &result };
        txn.put(target, row)?;
        txn.event(EventClass::String, "set", target);
    }
    Ok(Reply::count(result.len()))
}
