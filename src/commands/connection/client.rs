//! CLIENT and its subcommands.

use super::{client_kill, client_list, consistency::consistency, tracking};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run, parse_i64},
    commands::help,
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    session::{Context, PauseMode, ReplyMode, Unblocked},
};
use std::sync::atomic::{AtomicBool, Ordering};

const PLAIN: Flags =
    Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::IN_PAUSE).with(Flags::KEEPS_CACHING);
const ADMIN: Flags = PLAIN.with(Flags::ADMIN);
const HELP: Flags = Flags::LOADING.with(Flags::STALE).with(Flags::IN_PAUSE).with(Flags::KEEPS_CACHING);

const KILL: &str = "<ip:port | [ID client-id [client-id ...]] [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME yes/no] [MAXAGE maxage] [NAME name] [LIB-NAME libname] [LIB-VER libver] [DB db] [IP ip] [FLAGS flags] [CAPA capa] [IDLE idle]>";
const LIST: &str = "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]] [USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME yes/no] [MAXAGE maxage] [NAME name] [LIB-NAME libname] [LIB-VER libver] [DB db] [IP ip] [FLAGS flags] [CAPA capa] [IDLE idle]";

/// A subcommand's row.
const fn sub(name: &'static str, arity: i32, run: Run, flags: Flags, since: &'static str) -> Command {
    Command { name, arity, run, flags, group: Group::Connection, since, ..Command::BASE }
}

pub(super) const CLIENT: Command = Command {
    name: "CLIENT",
    arity: -2,
    group: Group::Connection,
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    summary: "Commands on connections.",
    subcommands: &[
        Command {
            keys: KeyRange::new(3, -1, 1),
            access: &[Access::Read],
            complexity: "O(N) where N is the number of keys.",
            summary: "Tracks keys that a client has kept over a reconnection, and returns those that have changed since the revision; nil = all may have.",
            syntax: "revision key [key ...]",
            since_level: feature_level::TRACKING,
            ..sub("CACHED", -4, Run::Async(tracking::cached), PLAIN, "0.1.0")
        },
        Command {
            summary: "Says whether the keys that the next call reads are tracked, in the modes OPTIN and OPTOUT.",
            syntax: "<YES | NO>",
            ..sub("CACHING", 3, Run::Local(tracking::caching), PLAIN, "6.0.0")
        },
        Command {
            summary: "Declares a capability of the client: redirect = it follows -REDIRECT. Others are ignored.",
            syntax: "capability [capability ...]",
            ..sub("CAPA", -3, Run::Local(capa), PLAIN, "7.2.0")
        },
        Command {
            summary: "Sets how current this connection's reads must be; without arguments, returns the present level.",
            syntax: "[LINEARIZABLE | CORE | SESSION | BOUNDED milliseconds | LOCAL]",
            ..sub("CONSISTENCY", -2, Run::Local(consistency), PLAIN, "7.2.0")
        },
        Command {
            summary: "Returns the connection's name, if it has one.",
            ..sub("GETNAME", 2, Run::Local(getname), PLAIN, "2.6.9")
        },
        Command {
            summary: "Returns the client that is told of this one's tracked keys; 0 = itself, -1 = tracking is off.",
            ..sub("GETREDIR", 2, Run::Local(tracking::getredir), PLAIN, "6.0.0")
        },
        Command {
            summary: "Lists the subcommands.",
            ..sub("HELP", 2, Run::Local(client_help), HELP, "5.0.0")
        },
        Command {
            summary: "Returns the connection's number.",
            ..sub("ID", 2, Run::Local(id), PLAIN, "5.0.0")
        },
        Command {
            summary: "Refused: data are imported by flotilla import, or by RESTORE.",
            syntax: "<ON | OFF>",
            ..sub("IMPORT-SOURCE", 3, Run::Local(import_source), PLAIN, "8.1.0")
        },
        Command {
            tips: &["nondeterministic_output"],
            summary: "Describes this connection in one line.",
            ..sub("INFO", 2, Run::Local(client_list::info), PLAIN, "6.2.0")
        },
        Command {
            complexity: "O(N) where N is the number of client connections",
            summary: "Closes connections by what they have, or (NOT-ID, NOT-TYPE …) have not.",
            syntax: KILL,
            ..sub("KILL", -3, Run::Local(client_kill::kill), ADMIN, "2.4.0")
        },
        Command {
            complexity: "O(N) where N is the number of client connections",
            summary: "Describes connections, one per line, or those that have, or (NOT-ID, NOT-TYPE …) have not, something.",
            syntax: LIST,
            tips: &["nondeterministic_output"],
            ..sub("LIST", -2, Run::Local(client_list::list), ADMIN, "2.4.0")
        },
        Command {
            summary: "Says whether maxmemory-clients spares this connection.",
            syntax: "<ON | OFF>",
            ..sub("NO-EVICT", 3, Run::Local(no_evict), ADMIN, "7.0.0")
        },
        Command {
            summary: "Reads of this connection do not count as accesses of a key.",
            syntax: "<ON | OFF>",
            ..sub("NO-TOUCH", 3, Run::Local(no_touch), PLAIN, "7.2.0")
        },
        Command {
            summary: "Holds back writes, or all commands, for some milliseconds.",
            syntax: "timeout [WRITE | ALL]",
            ..sub("PAUSE", -3, Run::Local(pause), ADMIN, "3.0.0")
        },
        Command {
            summary: "Says whether replies are sent.",
            syntax: "<ON | OFF | SKIP>",
            ..sub("REPLY", 3, Run::Local(reply), PLAIN, "3.2.0")
        },
        Command {
            summary: "Returns the revision up to which this connection has been told of changes, for SINCE and CLIENT CACHED after a reconnection, on any node.",
            since_level: feature_level::TRACKING,
            ..sub("REVISION", 2, Run::Async(tracking::revision), PLAIN, "0.1.0")
        },
        Command {
            summary: "Records the client library's name or version.",
            syntax: "<LIB-NAME libname | LIB-VER libver>",
            ..sub("SETINFO", 4, Run::Local(setinfo), PLAIN, "7.2.0")
        },
        Command {
            summary: "Names the connection; an empty name removes it.",
            syntax: "connection-name",
            ..sub("SETNAME", 3, Run::Local(setname), PLAIN, "2.6.9")
        },
        Command {
            complexity: "O(1). Some options may introduce additional complexity.",
            summary: "Tells this connection, or another one, of changes of the keys that it reads, for caches of clients.",
            syntax: "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP] [SINCE revision]",
            since_level: feature_level::TRACKING,
            ..sub("TRACKING", -3, Run::Async(tracking::tracking), PLAIN, "6.0.0")
        },
        Command {
            summary: "Describes this connection's tracking.",
            ..sub("TRACKINGINFO", 2, Run::Local(tracking::trackinginfo), PLAIN, "6.2.0")
        },
        Command {
            complexity: "O(log N) where N is the number of client connections",
            summary: "Ends the wait of a client that waits for keys.",
            syntax: "client-id [TIMEOUT | ERROR]",
            ..sub("UNBLOCK", -3, Run::Local(unblock), ADMIN, "5.0.0")
        },
        Command { summary: "Ends CLIENT PAUSE.", ..sub("UNPAUSE", 2, Run::Local(unpause), ADMIN, "6.2.0") },
    ],
    ..Command::BASE
};

/// A name that cannot break CLIENT LIST's lines or a log.
pub(super) fn check_name(name: &[u8], what: &str) -> Result<String> {
    let plain = name.len() <= 256 && name.iter().all(|byte| (b'!'..=b'~').contains(byte));
    if !plain {
        return Err(ErrorReply::err(format!(
            "{what} cannot contain spaces, newlines or special characters."
        ))
        .into());
    }
    Ok(String::from_utf8_lossy(name).into_owned())
}

fn unblock(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let id = args.next_i64()?;
    let how = match args.next_opt() {
        None => Unblocked::Timeout,
        Some(word) if word.eq_ignore_ascii_case(b"timeout") => Unblocked::Timeout,
        Some(word) if word.eq_ignore_ascii_case(b"error") => Unblocked::Error,
        Some(_) => return Err(ErrorReply::err("CLIENT UNBLOCK reason should be TIMEOUT or ERROR").into()),
    };
    if !args.is_empty() {
        return Err(ErrorReply::subcommand_syntax("CLIENT", "UNBLOCK").into());
    }
    Ok(u64::try_from(id).is_ok_and(|id| context.node.parking.unblock(id, how)).into())
}

/// Valkey keeps keys from expiring while another server's data come in. Here their expiry is part of what is imported.
fn import_source(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if args.take("OFF") {
        return Ok(Reply::Ok);
    }
    let text = "Server is not in import mode; there is none: use 'flotilla import', or RESTORE";
    Err(ErrorReply::err(if args.take("ON") { text } else { "syntax error" }).into())
}

fn client_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("CLIENT", CLIENT.subcommands))
}

fn id(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::count(context.session.client.id))
}

fn capa(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let redirect = args.rest().iter().any(|word| word.eq_ignore_ascii_case(b"redirect"));
    if redirect {
        context.session.client.follow_redirects();
    }
    Ok(Reply::Ok)
}

fn getname(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let text = context.session.client.text.lock();
    Ok(if text.name.is_empty() { Reply::Nil } else { Reply::bulk(&text.name) })
}

fn setname(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    context.session.client.text.lock().name = check_name(args.next_word()?, "Client names")?;
    Ok(Reply::Ok)
}

fn setinfo(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let word = args.next_word()?;
    let mut text = context.session.client.text.lock();
    if word.eq_ignore_ascii_case(b"LIB-NAME") {
        text.lib_name = check_name(args.next_word()?, "lib-name")?;
    } else if word.eq_ignore_ascii_case(b"LIB-VER") {
        text.lib_ver = check_name(args.next_word()?, "lib-ver")?;
    } else {
        let word = String::from_utf8_lossy(word).into_owned();
        return Err(ErrorReply::err(format!("Unrecognized option '{word}'")).into());
    }
    Ok(Reply::Ok)
}

fn reply(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if args.take("ON") {
        context.session.reply_mode = ReplyMode::On;
        return Ok(Reply::Ok);
    }
    if args.take("OFF") {
        context.session.reply_mode = ReplyMode::Off;
    } else if args.take("SKIP") {
        if context.session.reply_mode != ReplyMode::Off {
            context.session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(ErrorReply::syntax().into());
    }
    Ok(Reply::None)
}

fn switch(flag: &AtomicBool, args: &mut Args<'_>) -> Result<Reply> {
    let on = if args.take("ON") {
        true
    } else if args.take("OFF") {
        false
    } else {
        return Err(ErrorReply::syntax().into());
    };
    flag.store(on, Ordering::Relaxed);
    Ok(Reply::Ok)
}

fn no_evict(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    switch(&context.session.client.no_evict, args)
}

fn no_touch(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    switch(&context.session.client.no_touch, args)
}

fn pause(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let word = args.next_word()?;
    let mode = match args.rest() {
        [] => PauseMode::All,
        [word] if word.eq_ignore_ascii_case(b"ALL") => PauseMode::All,
        [word] if word.eq_ignore_ascii_case(b"WRITE") => PauseMode::Write,
        [_] => return Err(ErrorReply::err("CLIENT PAUSE mode must be WRITE or ALL").into()),
        _ => return Err(ErrorReply::subcommand_syntax("CLIENT", "PAUSE").into()),
    };
    let millis =
        parse_i64(word).ok_or_else(|| ErrorReply::err("timeout is not an integer or out of range"))?;
    let millis = u64::try_from(millis).map_err(|_| ErrorReply::err("timeout is negative"))?;
    let until = context.now.checked_add(millis).ok_or_else(|| ErrorReply::err("timeout is out of range"))?;
    context.node.clients.pause(mode, until);
    Ok(Reply::Ok)
}

fn unpause(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    context.node.clients.unpause();
    Ok(Reply::Ok)
}
