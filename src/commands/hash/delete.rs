//! Taking fields away.

use super::{get::value_reply, options, save};
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, PassedOn, Run},
    error::Result,
    resp::Reply,
    store::Txn,
    types::hash::Hash,
};

pub(super) const HDEL: Command = Command {
    name: "HDEL",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Delete],
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Write(hdel),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(N) where N is the number of fields.",
    summary: "Deletes fields of a hash and returns how many existed; deleting the last one deletes the key.",
    syntax: "key field [field ...]",
    ..Command::BASE
};

pub(super) const HGETDEL: Command = Command {
    name: "HGETDEL",
    passed_on: PassedOn::Value,
    access: &[Access::Take],
    arity: -5,
    run: Run::Write(hgetdel),
    since: "9.1.0",
    summary: "Returns fields of a hash and deletes them.",
    cost: Cost::Data,
    syntax: "key FIELDS numfields field [field ...]",
    ..HDEL
};

fn hdel(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let Some(mut hash) = Hash::open(&txn.view(), key)? else { return Ok(Reply::Int(0)) };
    let mut deleted = 0_usize;
    for field in args.rest() {
        deleted = deleted.saturating_add(usize::from(hash.remove(txn, field)?.is_some()));
    }
    if deleted > 0 {
        save(txn, key, hash, &["hdel"])?;
    }
    Ok(Reply::count(deleted))
}

fn hgetdel(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let hash = Hash::open(&txn.view(), key)?;
    let fields = options::fields(args, "hgetdel")?;
    let Some(mut hash) = hash else { return Ok(Reply::Array(vec![Reply::Nil; fields.len()])) };
    let (mut deleted, mut values) = (false, Vec::with_capacity(fields.len()));
    for field in fields {
        let field = hash.remove(txn, field)?;
        deleted |= field.is_some();
        values.push(value_reply(field));
    }
    if deleted {
        save(txn, key, hash, &["hdel"])?;
    }
    Ok(Reply::Array(values))
}
