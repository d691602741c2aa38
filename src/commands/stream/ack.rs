//! XACK.

use crate::{
    command::{Access, Args, Command, Cost, Flags, Group as CommandGroup, KeyRange, PassedOn, Run},
    error::Result,
    resp::Reply,
    store::Txn,
    types::stream::{Group, Stream, StreamId},
};

pub(super) const XACK: Command = Command {
    name: "XACK",
    passed_on: PassedOn::Always,
    access: &[Access::Update],
    arity: -4,
    keys: KeyRange::ONE,
    run: Run::Write(xack),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::FAST),
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "O(log N) for each id.",
    summary: "Acknowledges entries that were delivered to a group; returns how many of them were pending.",
    syntax: "key group id [id ...]",
    ..Command::BASE
};

fn xack(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name) = (args.next_word()?, args.next_word()?);
    let Some(stream) = Stream::open(&txn.view(), key)? else {
        return Ok(Reply::Int(0));
    };
    let Some(mut group) = Group::open(&txn.view(), &stream, name)? else {
        return Ok(Reply::Int(0));
    };
    let ids = args.rest().iter().map(|word| StreamId::parse(word, 0)).collect::<Result<Vec<_>, _>>()?;
    let mut acknowledged = 0_usize;
    for id in ids {
        if let Some(pending) = group.pending(&txn.view(), id)? {
            group.acknowledge(txn, id, &pending)?;
            acknowledged = acknowledged.saturating_add(1);
        }
    }
    if acknowledged > 0 {
        group.save(txn);
        txn.write_bytes_of(key)?;
    }
    Ok(Reply::count(acknowledged))
}
