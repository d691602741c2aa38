//! EVAL, EVALSHA and their read-only forms, SCRIPT and its subcommands.

use super::{
    code, kept,
    run::{self, Named},
    sha1::Sha1,
};
use crate::{
    command::{Access, Args, Command, Effect, Flags, Group, KeyRange, Run, ScriptRun},
    commands::help,
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    session::Context,
    store::{Txn, View},
};

/// What calls of scripts and functions have in common.
pub(super) const CALL: Command = Command {
    arity: -3,
    keys: KeyRange::counted(2),
    access: &[Access::ReadUpdate],
    flags: Flags::NOSCRIPT
        .with(Flags::STALE)
        .with(Flags::SKIP_MONITOR)
        .with(Flags::NO_MANDATORY_KEYS)
        .with(Flags::MOVABLEKEYS)
        .with(Flags::RUNS_SCRIPT),
    since_level: feature_level::SCRIPTS,
    group: Group::Scripting,
    since: "2.6.0",
    complexity: "Depends on the script that is executed.",
    ..Command::BASE
};

pub(super) const READ_ONLY_CALL: Command =
    Command { access: &[Access::Read], flags: CALL.flags.with(Flags::READONLY), since: "7.0.0", ..CALL };

pub(super) const EVAL: Command = Command {
    name: "EVAL",
    run: Run::Script(ScriptRun {
        logged: |txn, args| run::logged(txn, args, Named::Text),
        on_view: |view, args| run::on_view(view, args, Named::Text, false),
        tried: |txn, args, rules| run::tried(txn, args, Named::Text, rules),
        outlook: |view, args| run::outlook(view, args, Named::Text),
    }),
    script_flags: Some(|view, args| run::flags(view, args, Named::Text)),
    summary: "Runs a Lua script.",
    syntax: "script numkeys [key [key ...]] [arg [arg ...]]",
    ..CALL
};

pub(super) const EVALSHA: Command = Command {
    name: "EVALSHA",
    run: Run::Script(ScriptRun {
        logged: |txn, args| run::logged(txn, args, Named::Sha1),
        on_view: |view, args| run::on_view(view, args, Named::Sha1, false),
        tried: |txn, args, rules| run::tried(txn, args, Named::Sha1, rules),
        outlook: |view, args| run::outlook(view, args, Named::Sha1),
    }),
    script_flags: Some(|view, args| run::flags(view, args, Named::Sha1)),
    summary: "Runs a script that is kept, by its SHA-1.",
    syntax: "sha1 numkeys [key [key ...]] [arg [arg ...]]",
    ..CALL
};

pub(super) const EVAL_RO: Command = Command {
    name: "EVAL_RO",
    run: Run::Read(|view, args| run::on_view(view, args, Named::Text, true)),
    script_flags: EVAL.script_flags,
    summary: "Runs a Lua script that only reads.",
    syntax: EVAL.syntax,
    ..READ_ONLY_CALL
};

pub(super) const EVALSHA_RO: Command = Command {
    name: "EVALSHA_RO",
    run: Run::Read(|view, args| run::on_view(view, args, Named::Sha1, true)),
    script_flags: EVALSHA.script_flags,
    summary: "Runs a script that is kept and only reads, by its SHA-1.",
    syntax: EVALSHA.syntax,
    ..READ_ONLY_CALL
};

const ROW: Command = Command {
    flags: Flags::NOSCRIPT,
    since_level: feature_level::SCRIPTS,
    group: Group::Scripting,
    since: "2.6.0",
    ..Command::BASE
};
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub(super) const SCRIPT: Command = Command {
    name: "SCRIPT",
    arity: -2,
    complexity: "Depends on subcommand.",
    summary: "The scripts that are kept.",
    flags: Flags::NONE,
    subcommands: &[
        Command {
            name: "DEBUG",
            arity: 3,
            run: Run::Local(debug),
            since: "3.2.0",
            summary: "Refused, but for NO: there is no debugger.",
            syntax: "<YES | SYNC | NO>",
            ..ROW
        },
        Command {
            name: "EXISTS",
            arity: -3,
            run: Run::Read(exists),
            tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
            complexity: "O(N) with N being the number of scripts to check",
            summary: "Tells which scripts are kept.",
            syntax: "sha1 [sha1 ...]",
            ..ROW
        },
        Command {
            name: "FLUSH",
            arity: -2,
            run: Run::Write(flush),
            tips: EVERYWHERE,
            complexity: "O(N) with N being the number of scripts in cache",
            summary: "Drops all scripts that are kept.",
            syntax: "[ASYNC | SYNC]",
            ..ROW
        },
        Command {
            name: "HELP",
            arity: 2,
            run: Run::Local(script_help),
            flags: Flags::LOADING.with(Flags::STALE),
            since: "5.0.0",
            summary: "Lists the subcommands.",
            ..ROW
        },
        Command {
            name: "KILL",
            arity: 2,
            run: Run::Async(kill),
            flags: Flags::NOSCRIPT.with(Flags::ALLOW_BUSY),
            tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
            summary: "Ends the scripts that run outside the log, on all nodes of the core or of the edge site.",
            ..ROW
        },
        Command {
            name: "LOAD",
            arity: 3,
            run: Run::Write(load),
            flags: Flags::NOSCRIPT.with(Flags::STALE),
            tips: EVERYWHERE,
            complexity: "O(N) with N being the length in bytes of the script body.",
            summary: "Keeps a script, on all nodes, until SCRIPT FLUSH; returns its SHA-1.",
            syntax: "script",
            ..ROW
        },
        Command {
            name: "SHOW",
            arity: 3,
            run: Run::Read(show),
            since: "8.0.0",
            summary: "Returns the text of a script that is kept.",
            syntax: "sha1",
            ..ROW
        },
    ],
    ..ROW
};

fn load(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let text = args.next_word()?;
    let sha1 = Sha1::of(text);
    code::script(&sha1, text)?;
    kept::load(txn, &sha1, text)?;
    Ok(Reply::bulk(sha1.hex()))
}

fn exists(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let is_kept = |word: &&[u8]| -> Result<Reply> {
        let Some(sha1) = Sha1::parse(word) else { return Ok(Reply::Int(0)) };
        Ok(kept::find(view, &sha1)?.is_some().into())
    };
    Ok(Reply::Array(args.rest().iter().map(is_kept).collect::<Result<_>>()?))
}

fn show(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let kept = Sha1::parse(args.next_word()?).map(|sha1| kept::find(view, &sha1)).transpose()?.flatten();
    let kept = kept.ok_or_else(|| ErrorReply::new("NOSCRIPT", "No matching script."))?;
    Ok(Reply::Bulk(kept.text))
}

fn flush(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    match args.rest() {
        [] => {}
        [mode] if mode.eq_ignore_ascii_case(b"ASYNC") || mode.eq_ignore_ascii_case(b"SYNC") => {}
        _ => return Err(ErrorReply::err("SCRIPT FLUSH only support SYNC|ASYNC option").into()),
    }
    kept::flush(txn)?;
    Ok(Reply::Ok)
}

fn debug(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let word = args.next_word()?;
    if word.eq_ignore_ascii_case(b"NO") {
        return Ok(Reply::Ok);
    }
    if !word.eq_ignore_ascii_case(b"YES") && !word.eq_ignore_ascii_case(b"SYNC") {
        return Err(ErrorReply::err("Use SCRIPT DEBUG YES/SYNC/NO").into());
    }
    Err(ErrorReply::err("there is no debugger for scripts; use redis.log, or a redis-server").into())
}

fn kill(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Effect> {
    Ok(Effect::KillScripts { of_functions: false })
}

fn script_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("SCRIPT", SCRIPT.subcommands))
}
