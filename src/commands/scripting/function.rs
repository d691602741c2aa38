//! FUNCTION and its subcommands, FCALL and FCALL_RO.

use super::{
    eval::{CALL, READ_ONLY_CALL},
    libraries::{self, LibraryTotals},
    run::{self, Named},
    running,
};
use crate::{
    command::{Args, Command, Effect, Flags, PassedOn, Run, ScriptRun},
    commands::help,
    error::Result,
    limits::LIBRARIES_BYTES_MAX,
    rdb,
    resp::{ErrorReply, Reply},
    session::Context,
    store::{Txn, View},
    time::monotonic_ms,
    types::glob,
};

pub(super) const FCALL: Command = Command {
    name: "FCALL",
    run: Run::Script(ScriptRun {
        logged: |txn, args| run::logged(txn, args, Named::Function),
        on_view: |view, args| run::on_view(view, args, Named::Function, false),
        tried: |txn, args, rules| run::tried(txn, args, Named::Function, rules),
        outlook: |view, args| run::outlook(view, args, Named::Function),
    }),
    script_flags: Some(|view, args| run::flags(view, args, Named::Function)),
    since: "7.0.0",
    complexity: "Depends on the function that is executed.",
    summary: "Calls a function.",
    syntax: "function numkeys [key [key ...]] [arg [arg ...]]",
    ..CALL
};

pub(super) const FCALL_RO: Command = Command {
    name: "FCALL_RO",
    run: Run::Read(|view, args| run::on_view(view, args, Named::Function, true)),
    script_flags: FCALL.script_flags,
    summary: "Calls a function that only reads.",
    ..Command { since: FCALL.since, complexity: FCALL.complexity, syntax: FCALL.syntax, ..READ_ONLY_CALL }
};

const ROW: Command = Command { since: "7.0.0", flags: Flags::NOSCRIPT, ..CALL_FREE };
const CALL_FREE: Command = Command { since_level: CALL.since_level, group: CALL.group, ..Command::BASE };
const EVERYWHERE: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const CHANGES: Command = Command { flags: Flags::WRITE.with(Flags::NOSCRIPT), tips: EVERYWHERE, ..ROW };
const ADDS: Command = Command { flags: CHANGES.flags.with(Flags::DENYOOM), ..CHANGES };

pub(super) const FUNCTION: Command = Command {
    name: "FUNCTION",
    arity: -2,
    complexity: "Depends on subcommand.",
    summary: "Libraries of functions.",
    flags: Flags::NONE,
    subcommands: &[
        Command {
            name: "DELETE",
            passed_on: PassedOn::Words,
            arity: 3,
            run: Run::Write(delete),
            summary: "Deletes a library and its functions.",
            syntax: "library-name",
            ..CHANGES
        },
        Command {
            name: "DUMP",
            arity: 2,
            run: Run::Read(dump),
            complexity: "O(N) where N is the number of functions",
            summary: "Returns all libraries as one payload for FUNCTION RESTORE.",
            ..ROW
        },
        Command {
            name: "FLUSH",
            passed_on: PassedOn::Words,
            arity: -2,
            run: Run::Write(flush),
            complexity: "O(N) where N is the number of functions deleted",
            summary: "Deletes all libraries.",
            syntax: "[ASYNC | SYNC]",
            ..CHANGES
        },
        Command {
            name: "HELP",
            arity: 2,
            run: Run::Local(function_help),
            flags: Flags::LOADING.with(Flags::STALE),
            summary: "Lists the subcommands.",
            ..ROW
        },
        Command {
            name: "KILL",
            arity: 2,
            run: Run::Async(kill),
            flags: Flags::NOSCRIPT.with(Flags::ALLOW_BUSY),
            tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
            summary: "Ends the functions that run outside the log, on all nodes of the core or of the edge site.",
            ..ROW
        },
        Command {
            name: "LIST",
            arity: -2,
            run: Run::Read(list),
            tips: &["nondeterministic_output_order"],
            complexity: "O(N) where N is the number of functions",
            summary: "Lists libraries and their functions.",
            syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
            ..ROW
        },
        Command {
            name: "LOAD",
            passed_on: PassedOn::Words,
            arity: -3,
            run: Run::Write(load),
            summary: "Adds a library of functions.",
            syntax: "[REPLACE] function-code",
            ..ADDS
        },
        Command {
            name: "RESTORE",
            passed_on: PassedOn::Words,
            arity: -3,
            run: Run::Write(restore),
            complexity: "O(N) where N is the number of functions in the payload",
            summary: "Adds the libraries of a payload that FUNCTION DUMP returned.",
            syntax: "serialized-value [FLUSH | APPEND | REPLACE]",
            ..ADDS
        },
        Command {
            name: "STATS",
            arity: 2,
            run: Run::Read(stats),
            flags: Flags::NOSCRIPT.with(Flags::ALLOW_BUSY),
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            summary: "Tells which function has been running for long on this node, and how many functions there are.",
            ..ROW
        },
    ],
    ..ROW
};

fn load(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let mut replaces = false;
    while args.remaining() > 1 {
        if !args.take("REPLACE") {
            let word = String::from_utf8_lossy(args.next_word()?).into_owned();
            return Err(ErrorReply::err(format!("Unknown option given: {word}")).into());
        }
        replaces = true;
    }
    let exists: Option<fn(&str) -> String> =
        if replaces { None } else { Some(|name| format!("Library '{name}' already exists")) };
    Ok(Reply::bulk(libraries::load(txn, args.next_word()?, exists)?))
}

fn delete(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    match libraries::remove(txn, args.next_word()?)? {
        true => Ok(Reply::Ok),
        false => Err(ErrorReply::err("Library not found").into()),
    }
}

fn flush(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    match args.rest() {
        [] => {}
        [mode] if mode.eq_ignore_ascii_case(b"ASYNC") || mode.eq_ignore_ascii_case(b"SYNC") => {}
        _ => return Err(ErrorReply::err("FUNCTION FLUSH only supports SYNC|ASYNC option").into()),
    }
    libraries::flush(txn)?;
    Ok(Reply::Ok)
}

fn dump(view: &View<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let all = libraries::all(view)?;
    Ok(Reply::Bulk(rdb::dump_functions(all.iter().map(|(_, text)| &text[..])).into()))
}

fn restore(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let payload = args.next_word()?;
    let (mut flushes, mut replaces) = (false, false);
    match args.rest() {
        [] => {}
        [policy] if policy.eq_ignore_ascii_case(b"APPEND") => {}
        [policy] if policy.eq_ignore_ascii_case(b"FLUSH") => flushes = true,
        [policy] if policy.eq_ignore_ascii_case(b"REPLACE") => replaces = true,
        [_] => {
            let text = "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
            return Err(ErrorReply::err(text).into());
        }
        [_, _, ..] => {
            let word = args.argv().get(1).copied().unwrap_or_default();
            return Err(ErrorReply::subcommand_syntax("FUNCTION", word).into());
        }
    }
    let texts = rdb::load_functions(payload, LIBRARIES_BYTES_MAX)
        .map_err(|_damage| ErrorReply::err("DUMP payload version or checksum are wrong"))?;
    if flushes {
        libraries::flush(txn)?;
    }
    // So redis-server words it here.
    let exists: Option<fn(&str) -> String> =
        if replaces { None } else { Some(|name| format!("Library {name} already exists")) };
    for text in &texts {
        libraries::load(txn, text, exists)?;
    }
    Ok(Reply::Ok)
}

fn list(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (mut pattern, mut with_code) = (None, false);
    while let Some(word) = args.peek() {
        if !with_code && args.take("WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && args.take("LIBRARYNAME") {
            let missing = || ErrorReply::err("library name argument was not given");
            pattern = Some(args.next_opt().ok_or_else(missing)?);
        } else {
            let word = String::from_utf8_lossy(word).into_owned();
            return Err(ErrorReply::err(format!("Unknown argument {word}")).into());
        }
    }
    let pair = |name: &'static str, value: Reply| (Reply::bulk(name), value);
    let mut listed = Vec::new();
    for (library, text) in libraries::all(view)? {
        if pattern.is_some_and(|pattern| !glob::matches(pattern, library.name().as_bytes(), true)) {
            continue;
        }
        let functions = library.functions().iter().map(|function| {
            let flags = function.flags.names().map(Reply::simple).collect();
            let description = function.description.as_ref();
            Reply::Map(vec![
                pair("name", Reply::bulk(&function.name)),
                pair("description", description.map_or(Reply::Nil, Reply::bulk)),
                pair("flags", Reply::Set(flags)),
            ])
        });
        let mut about = vec![
            pair("library_name", Reply::bulk(library.name())),
            pair("engine", Reply::bulk("LUA")),
            pair("functions", Reply::Array(functions.collect())),
        ];
        if with_code {
            about.push(pair("library_code", Reply::Bulk(text)));
        }
        listed.push(Reply::Map(about));
    }
    Ok(Reply::Array(listed))
}

fn stats(view: &View<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let pair = |name: &'static str, value: Reply| (Reply::bulk(name), value);
    let running = running::all(true).into_iter().next().map_or(Reply::Nil, |run| {
        let ms = monotonic_ms().saturating_sub(run.since_ms);
        Reply::Map(vec![
            pair("name", Reply::bulk(run.function.as_deref().unwrap_or_default())),
            pair("command", Reply::Array(run.command.iter().map(Reply::bulk).collect())),
            pair("duration_ms", Reply::count(ms)),
        ])
    });
    let totals = LibraryTotals::of(view)?;
    let counts = Reply::Map(vec![
        pair("libraries_count", Reply::count(totals.libraries)),
        pair("functions_count", Reply::count(totals.functions)),
    ]);
    let engines = Reply::Map(vec![pair("LUA", counts)]);
    Ok(Reply::Map(vec![pair("running_script", running), pair("engines", engines)]))
}

fn kill(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Effect> {
    Ok(Effect::KillScripts { of_functions: true })
}

fn function_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("FUNCTION", FUNCTION.subcommands))
}
