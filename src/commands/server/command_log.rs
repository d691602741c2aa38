//! SLOWLOG, and COMMANDLOG of Valkey 8.1, which has the same log of slow calls and two more.

use crate::{
    command::{Args, Command, Flags, Group, Run, parse_i64},
    commands::help,
    error::Result,
    resp::{ErrorReply, Reply},
    session::{CommandLog, CommandLogEntry, Context},
};

/// Entries that SLOWLOG GET returns unless it is told.
const COUNT: usize = 10;

const ROW: Command = Command {
    arity: 2,
    flags: Flags::ADMIN.with(Flags::LOADING).with(Flags::STALE),
    group: Group::Server,
    since: "2.2.12",
    ..Command::BASE
};

const HELP: Command = Command {
    name: "HELP",
    flags: Flags::LOADING.with(Flags::STALE),
    summary: "Lists the subcommands.",
    ..ROW
};

const GET: Command = Command {
    name: "GET",
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    complexity: "O(N) where N is the number of entries returned",
    ..ROW
};

const LEN: Command = Command {
    name: "LEN",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
    ..ROW
};

const RESET: Command = Command {
    name: "RESET",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    complexity: "O(N) where N is the number of entries",
    ..ROW
};

pub(super) const SLOWLOG: Command = Command {
    name: "SLOWLOG",
    arity: -2,
    group: Group::Server,
    since: "2.2.12",
    complexity: "Depends on subcommand.",
    summary: "Shows the calls that took long on this node.",
    subcommands: &[
        Command {
            arity: -2,
            run: Run::Local(slowlog_get),
            summary: "Returns the latest slow calls: number, time, microseconds, words, client's address and name. -1 = all.",
            syntax: "[count]",
            ..GET
        },
        Command { since: "6.2.0", run: Run::Local(slowlog_help), ..HELP },
        Command { run: Run::Local(slowlog_len), summary: "Counts the slow calls that are kept.", ..LEN },
        Command { run: Run::Local(slowlog_reset), summary: "Forgets all slow calls.", ..RESET },
    ],
    ..Command::BASE
};

const TYPE: &str = "<SLOW | LARGE-REQUEST | LARGE-REPLY>";

pub(super) const COMMANDLOG: Command = Command {
    name: "COMMANDLOG",
    arity: -2,
    group: Group::Server,
    since: "8.1.0",
    complexity: "Depends on subcommand.",
    summary: "Shows calls of this node that took long, were large, or had a large reply.",
    subcommands: &[
        Command {
            arity: 4,
            since: "8.1.0",
            run: Run::Local(commandlog_get),
            summary: "Returns the latest calls of a log: number, time, microseconds or bytes, words, client's address and name. -1 = all.",
            syntax: "count <SLOW | LARGE-REQUEST | LARGE-REPLY>",
            ..GET
        },
        Command { since: "8.1.0", run: Run::Local(commandlog_help), ..HELP },
        Command {
            arity: 3,
            since: "8.1.0",
            run: Run::Local(commandlog_len),
            summary: "Counts the calls that a log keeps.",
            syntax: TYPE,
            ..LEN
        },
        Command {
            arity: 3,
            since: "8.1.0",
            run: Run::Local(commandlog_reset),
            summary: "Forgets all calls of a log.",
            syntax: TYPE,
            ..RESET
        },
    ],
    ..Command::BASE
};

fn slowlog_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("SLOWLOG", SLOWLOG.subcommands))
}

fn commandlog_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("COMMANDLOG", COMMANDLOG.subcommands))
}

fn slowlog_get(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let count = match args.rest() {
        [] => COUNT,
        [word] => count(word)?,
        _ => return Err(ErrorReply::subcommand_syntax("SLOWLOG", "GET").into()),
    };
    Ok(latest(&context.node.stats.command_logs.slow, count))
}

fn slowlog_len(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::count(context.node.stats.command_logs.slow.len()))
}

fn slowlog_reset(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    context.node.stats.command_logs.slow.reset();
    Ok(Reply::Ok)
}

fn commandlog_get(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let count = count(args.next_word()?)?;
    Ok(latest(log(context, args)?, count))
}

fn commandlog_len(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::count(log(context, args)?.len()))
}

fn commandlog_reset(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    log(context, args)?.reset();
    Ok(Reply::Ok)
}

/// -1 = all.
fn count(word: &[u8]) -> Result<usize> {
    match parse_i64(word) {
        Some(-1) => Ok(usize::MAX),
        Some(count) if count >= 0 => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        _ => Err(ErrorReply::err("count should be greater than or equal to -1").into()),
    }
}

/// The log that the next word names.
fn log<'a>(context: &'a Context<'_>, args: &mut Args<'_>) -> Result<&'a CommandLog> {
    let (logs, word) = (&context.node.stats.command_logs, args.next_word()?);
    let named =
        [("slow", &logs.slow), ("large-request", &logs.large_request), ("large-reply", &logs.large_reply)];
    match named.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())) {
        Some((_, log)) => Ok(log),
        None => {
            let text = "type should be one of the following: slow, large-request, large-reply";
            Err(ErrorReply::err(text).into())
        }
    }
}

fn latest(log: &CommandLog, count: usize) -> Reply {
    let entry = |entry: CommandLogEntry| {
        Reply::Array(vec![
            Reply::count(entry.id),
            Reply::count(entry.at_seconds),
            Reply::count(entry.value),
            Reply::Array(entry.argv.into_iter().map(Reply::bulk).collect()),
            Reply::bulk(entry.peer),
            Reply::bulk(entry.name),
        ])
    };
    Reply::Array(log.latest(count).into_iter().map(entry).collect())
}
