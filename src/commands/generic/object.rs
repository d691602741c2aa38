//! OBJECT: how a value is stored.

use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run, parse_i64},
    commands::help,
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
    store::{Row, View},
    types::encoding,
};

const KEY: KeyRange = KeyRange::new(2, 2, 1);

pub(super) const OBJECT: Command = Command {
    name: "OBJECT",
    arity: -2,
    group: Group::Generic,
    since: "2.2.3",
    complexity: "Depends on subcommand.",
    summary: "Says how a value is stored.",
    subcommands: &[
        Command {
            name: "ENCODING",
            access: &[Access::Look],
            tips: &["nondeterministic_output"],
            arity: 3,
            keys: KEY,
            run: Run::Read(encoding),
            flags: Flags::READONLY.with(Flags::KEYSPACE),
            since: "2.2.3",
            summary: "Names the encoding that Redis would use for the value.",
            syntax: "key",
            ..Command::BASE
        },
        Command {
            name: "FREQ",
            access: &[Access::Look],
            tips: &["nondeterministic_output"],
            arity: 3,
            keys: KEY,
            run: Run::Read(freq),
            flags: Flags::READONLY.with(Flags::KEYSPACE),
            since: "4.0.0",
            summary: "How often the key is used, from 0 to 255, as this node has counted; refused without an LFU policy.",
            syntax: "key",
            ..Command::BASE
        },
        Command {
            name: "HELP",
            arity: 2,
            run: Run::Local(object_help),
            flags: Flags::LOADING.with(Flags::STALE).with(Flags::KEYSPACE),
            since: "6.2.0",
            summary: "Lists the subcommands.",
            ..Command::BASE
        },
        Command {
            name: "IDLETIME",
            access: &[Access::Look],
            tips: &["nondeterministic_output"],
            arity: 3,
            keys: KEY,
            run: Run::Read(idletime),
            flags: Flags::READONLY.with(Flags::KEYSPACE),
            since: "2.2.3",
            summary: "Seconds since the last read or write of the key on this node, at least.",
            syntax: "key",
            ..Command::BASE
        },
        Command {
            name: "REFCOUNT",
            access: &[Access::Look],
            tips: &["nondeterministic_output"],
            arity: 3,
            keys: KEY,
            run: Run::Read(refcount),
            flags: Flags::READONLY.with(Flags::KEYSPACE),
            since: "2.2.3",
            summary: "References to the value, as Redis would count them.",
            syntax: "key",
            ..Command::BASE
        },
    ],
    ..Command::BASE
};

fn with_row(
    view: &View<'_>,
    args: &mut Args<'_>,
    answer: impl FnOnce(&Row) -> Result<Reply>,
) -> Result<Reply> {
    match view.quiet().get(args.next_word()?)? {
        Some(row) => answer(&row),
        None => Ok(Reply::Nil),
    }
}

fn encoding(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    with_row(view, args, |row| Ok(Reply::bulk(encoding::name(row))))
}

fn freq(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let Some(key) = args.rest().first() else { return Err(ErrorReply::syntax().into()) };
    let frequency = view.frequency(key);
    with_row(view, args, |_| {
        if let Some(frequency) = frequency {
            return Ok(Reply::count(frequency));
        }
        let text = "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                    switching between policies at runtime LRU and LFU data will take some time to adjust.";
        Err(ErrorReply::err(text).into())
    })
}

fn idletime(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let Some(key) = args.rest().first() else { return Err(ErrorReply::syntax().into()) };
    let (idle, frequency) = (view.idle_seconds(key), view.frequency(key));
    with_row(view, args, |_| {
        if frequency.is_none() {
            return Ok(Reply::count(idle));
        }
        let text = "An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
                    policies at runtime LRU and LFU data will take some time to adjust.";
        Err(ErrorReply::err(text).into())
    })
}

/// Redis shares the integers below 10,000 among all keys and reports its largest count for them.
fn refcount(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    with_row(view, args, |row| {
        let shared =
            encoding::name(row) == "int" && parse_i64(&row.body).is_some_and(|n| (0..10_000).contains(&n));
        Ok(Reply::Int(if shared { i64::from(i32::MAX) } else { 1 }))
    })
}

fn object_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("OBJECT", OBJECT.subcommands))
}
