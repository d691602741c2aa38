//! XDEL, XSETID.

use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, PassedOn, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{EventClass, Txn},
    types::stream::{GroupRecord, Stream, StreamId, put_group, scan_groups},
};

pub(super) const XDEL: Command = Command {
    name: "XDEL",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Delete],
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Write(xdel),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::Stream,
    since: "5.0.0",
    complexity: "O(log N) for each id.",
    summary: "Deletes entries; returns how many existed.",
    syntax: "key id [id ...]",
    ..Command::BASE
};

pub(super) const XSETID: Command = Command {
    name: "XSETID",
    passed_on: PassedOn::Keys,
    access: &[Access::Update],
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Write(xsetid),
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    group: Group::Stream,
    since: "5.0.0",
    summary: "Sets a stream's last id and its counters.",
    syntax: "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
    ..Command::BASE
};

fn xdel(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let Some(mut stream) = Stream::open(&txn.view(), key)? else {
        return Ok(Reply::Int(0));
    };
    let ids = args.rest().iter().map(|word| StreamId::parse(word, 0)).collect::<Result<Vec<_>, _>>()?;
    let deleted = stream.delete(txn, &ids)?;
    if deleted > 0 {
        stream.save(txn, key)?;
        txn.event(EventClass::Stream, "xdel", key);
    }
    Ok(Reply::count(deleted))
}

fn xsetid(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, last_id) = (args.next_word()?, StreamId::parse(args.next_word()?, 0)?);
    let (mut entries_added, mut max_deleted_id) = (None, None);
    while !args.is_empty() {
        if args.remaining() > 1 && args.take("ENTRIESADDED") {
            let added = u64::try_from(args.next_i64()?);
            entries_added = Some(added.map_err(|_| ErrorReply::err("entries_added must be positive"))?);
        } else if args.remaining() > 1 && args.take("MAXDELETEDID") {
            let deleted = StreamId::parse(args.next_word()?, 0)?;
            if last_id < deleted {
                return Err(refused("is smaller than the provided max_deleted_entry_id").into());
            }
            max_deleted_id = Some(deleted);
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    let mut stream = Stream::open(&txn.view(), key)?.ok_or_else(ErrorReply::no_such_key)?;
    if stream.last_entry(&txn.view())?.is_some_and(|last| last_id < last) {
        return Err(refused("is smaller than the target stream top item").into());
    }
    if !stream.is_empty() && entries_added.is_some_and(|added| added < stream.len()) {
        let text = "The entries_added specified in XSETID is smaller than the target stream length";
        return Err(ErrorReply::err(text).into());
    }
    let meta = &mut stream.meta;
    meta.last_id = last_id;
    meta.entries_added = entries_added.unwrap_or(meta.entries_added);
    meta.max_deleted_id = max_deleted_id.filter(|id| *id != StreamId::MIN).unwrap_or(meta.max_deleted_id);
    forget_impossible_counts(txn, &stream)?;
    stream.save(txn, key)?;
    txn.event(EventClass::Stream, "xsetid", key);
    Ok(Reply::Ok)
}

/// Resets the count of a group that has read more entries than were ever added according to ENTRIESADDED: its count is
/// unknown now.
fn forget_impossible_counts(txn: &mut Txn<'_>, stream: &Stream) -> Result<()> {
    let mut impossible = Vec::new();
    scan_groups(&txn.view(), stream, |name, record| {
        let read = record.entries_read.and_then(|read| u64::try_from(read).ok());
        if read.is_some_and(|read| read > stream.meta.entries_added) {
            impossible.push((name.to_vec(), GroupRecord { entries_read: None, ..record }));
        }
        Ok(())
    })?;
    for (name, record) in impossible {
        put_group(txn, stream.collection_id(), &name, &record);
    }
    Ok(())
}

fn refused(why: &str) -> ErrorReply {
    ErrorReply::err(format!("The ID specified in XSETID {why}"))
}
