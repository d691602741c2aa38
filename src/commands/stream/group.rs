//! XGROUP.

use super::no_group_of_key;
use crate::{
    command::{Access, Args, Command, Flags, Group as CommandGroup, KeyRange, PassedOn, Run},
    commands::help,
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
    store::{EventClass, Txn},
    types::stream::{ConsumerRecord, Group, GroupRecord, Stream, StreamId, delete_group, put_group},
};

const KEY: KeyRange = KeyRange::new(2, 2, 1);

pub(super) const XGROUP: Command = Command {
    name: "XGROUP",
    arity: -2,
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "Depends on subcommand.",
    summary: "Creates, changes and deletes consumer groups.",
    subcommands: &[
        Command {
            name: "CREATE",
            passed_on: PassedOn::Always,
            access: &[Access::Insert],
            arity: -5,
            keys: KEY,
            run: Run::Write(create),
            flags: Flags::WRITE.with(Flags::DENYOOM),
            since: "5.0.0",
            summary: "Creates a group that reads the entries after an id.",
            syntax: "key groupname <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
            ..Command::BASE
        },
        Command {
            name: "CREATECONSUMER",
            passed_on: PassedOn::Always,
            access: &[Access::Insert],
            arity: 5,
            keys: KEY,
            run: Run::Write(create_consumer),
            flags: Flags::WRITE.with(Flags::DENYOOM),
            since: "6.2.0",
            summary: "Creates a consumer in a group.",
            syntax: "key groupname consumername",
            ..Command::BASE
        },
        Command {
            name: "DELCONSUMER",
            passed_on: PassedOn::Always,
            access: &[Access::Delete],
            arity: 5,
            keys: KEY,
            run: Run::Write(delete_consumer),
            flags: Flags::WRITE,
            since: "5.0.0",
            complexity: "O(N) where N is the number of entries pending with the consumer.",
            summary: "Deletes a consumer and its pending entries; returns how many it had.",
            syntax: "key groupname consumername",
            ..Command::BASE
        },
        Command {
            name: "DESTROY",
            passed_on: PassedOn::Always,
            access: &[Access::Delete],
            arity: 4,
            keys: KEY,
            run: Run::Write(destroy),
            flags: Flags::WRITE,
            since: "5.0.0",
            complexity: "O(N) where N is the number of entries pending in the group.",
            summary: "Deletes a group.",
            syntax: "key groupname",
            ..Command::BASE
        },
        Command {
            name: "HELP",
            arity: 2,
            run: Run::Local(group_help),
            flags: Flags::LOADING.with(Flags::STALE),
            since: "5.0.0",
            summary: "Lists the subcommands.",
            ..Command::BASE
        },
        Command {
            name: "SETID",
            passed_on: PassedOn::Always,
            access: &[Access::Update],
            arity: -5,
            keys: KEY,
            run: Run::Write(set_id),
            flags: Flags::WRITE,
            since: "5.0.0",
            summary: "Sets the id after which a group reads entries.",
            syntax: "key groupname <id | $> [ENTRIESREAD entries-read]",
            ..Command::BASE
        },
    ],
    ..Command::BASE
};

/// Options of CREATE and SETID.
#[derive(Debug, Default)]
struct Options {
    may_create: bool,
    entries_read: Option<i64>,
    is_too_much: bool,
}

impl Options {
    fn check(&self, args: &Args<'_>) -> Result<()> {
        let word = args.argv().get(1).copied().unwrap_or_default();
        if self.is_too_much { Err(ErrorReply::subcommand_syntax("XGROUP", word).into()) } else { Ok(()) }
    }

    /// As Redis 8: not more than were ever added.
    fn entries_read_of(&self, stream: &Stream) -> Option<i64> {
        let added = i64::try_from(stream.meta.entries_added).unwrap_or(i64::MAX);
        self.entries_read.map(|read| read.min(added))
    }
}

fn options(args: &mut Args<'_>, is_create: bool) -> Result<Options> {
    let mut options = Options::default();
    let words = args.remaining();
    while !args.is_empty() {
        if is_create && args.take("MKSTREAM") {
            options.may_create = true;
        } else if args.remaining() > 1 && args.take("ENTRIESREAD") {
            let read = args.next_i64()?;
            if read < -1 {
                return Err(ErrorReply::err("value for ENTRIESREAD must be positive or -1").into());
            }
            options.entries_read = (read >= 0).then_some(read);
        } else {
            let word = args.argv().get(1).copied().unwrap_or_default();
            return Err(ErrorReply::subcommand_syntax("XGROUP", word).into());
        }
    }
    // Redis rejects a repeated option, but reports any other error first.
    options.is_too_much = words > if is_create { 3 } else { 2 };
    Ok(options)
}

fn no_key() -> ErrorReply {
    ErrorReply::err(
        "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
         option to create an empty stream automatically.",
    )
}

fn create(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name, id) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let options = options(args, true)?;
    let stream = Stream::open(&txn.view(), key)?;
    if stream.is_none() && !options.may_create {
        return Err(no_key().into());
    }
    options.check(args)?;
    let last_id = match (id, &stream) {
        (b"$", Some(stream)) => stream.meta.last_id,
        (b"$", None) => StreamId::MIN,
        (id, _) => StreamId::parse(id, 0)?,
    };
    let mut stream = stream.unwrap_or_else(|| Stream::create(txn));
    let entries_read = options.entries_read_of(&stream);
    if Group::open(&txn.view(), &stream, name)?.is_some() {
        return Err(ErrorReply::new("BUSYGROUP", "Consumer Group name already exists").into());
    }
    let record = GroupRecord { last_id, entries_read, ..GroupRecord::default() };
    put_group(txn, stream.collection_id(), name, &record);
    stream.meta.groups = stream.meta.groups.saturating_add(1);
    stream.save(txn, key)?;
    txn.event(EventClass::Stream, "xgroup-create", key);
    Ok(Reply::Ok)
}

/// The group that a subcommand is about.
fn open<'n>(txn: &Txn<'_>, key: &[u8], name: &'n [u8]) -> Result<(Stream, Group<'n>)> {
    let stream = Stream::open(&txn.view(), key)?.ok_or_else(no_key)?;
    let group = Group::open(&txn.view(), &stream, name)?.ok_or_else(|| no_group_of_key(key, name))?;
    Ok((stream, group))
}

fn set_id(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name, id) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let options = options(args, false)?;
    let (stream, mut group) = open(txn, key, name)?;
    options.check(args)?;
    group.record.last_id = match id {
        b"$" => stream.meta.last_id,
        id => StreamId::parse_bound(id, 0)?,
    };
    group.record.entries_read = options.entries_read_of(&stream);
    group.save(txn);
    txn.write_bytes_of(key)?;
    txn.event(EventClass::Stream, "xgroup-setid", key);
    Ok(Reply::Ok)
}

fn destroy(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name) = (args.next_word()?, args.next_word()?);
    let mut stream = Stream::open(&txn.view(), key)?.ok_or_else(no_key)?;
    if Group::open(&txn.view(), &stream, name)?.is_none() {
        return Ok(Reply::Int(0));
    }
    delete_group(txn, stream.collection_id(), name)?;
    stream.meta.groups = stream.meta.groups.saturating_sub(1);
    // Writing the row wakes consumers that wait for the group, and they learn that it is gone.
    stream.save(txn, key)?;
    txn.event(EventClass::Stream, "xgroup-destroy", key);
    Ok(Reply::Int(1))
}

fn create_consumer(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name, consumer) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let (_, mut group) = open(txn, key, name)?;
    if group.consumer(&txn.view(), consumer)?.is_some() {
        return Ok(Reply::Int(0));
    }
    group.add_consumer(consumer, ConsumerRecord { seen_at: txn.now(), ..ConsumerRecord::default() });
    group.save(txn);
    txn.write_bytes_of(key)?;
    txn.event(EventClass::Stream, "xgroup-createconsumer", key);
    Ok(Reply::Int(1))
}

fn delete_consumer(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name, consumer) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let (_, mut group) = open(txn, key, name)?;
    if group.consumer(&txn.view(), consumer)?.is_none() {
        return Ok(Reply::Int(0));
    }
    let pending = group.remove_consumer(txn, consumer)?;
    group.save(txn);
    txn.write_bytes_of(key)?;
    txn.event(EventClass::Stream, "xgroup-delconsumer", key);
    Ok(Reply::count(pending))
}

fn group_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("XGROUP", XGROUP.subcommands))
}
