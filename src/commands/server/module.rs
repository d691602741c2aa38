//! MODULE: there are none, and none can be loaded.

use crate::{
    command::{Args, Command, Flags, Group, Run},
    commands::help,
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
};

const ROW: Command = Command {
    arity: -3,
    run: Run::Local(refused),
    flags: Flags::ADMIN.with(Flags::NOSCRIPT),
    group: Group::Server,
    since: "4.0.0",
    ..Command::BASE
};

const CHANGES: Flags = ROW.flags.with(Flags::NO_ASYNC_LOADING);

pub(super) const MODULE: Command = Command {
    name: "MODULE",
    arity: -2,
    group: Group::Server,
    since: "4.0.0",
    complexity: "Depends on subcommand.",
    summary: "Lists the loaded modules: always none.",
    subcommands: &[
        Command {
            name: "HELP",
            arity: 2,
            run: Run::Local(module_help),
            flags: Flags::LOADING.with(Flags::STALE),
            since: "5.0.0",
            summary: "Lists the subcommands.",
            ..ROW
        },
        Command {
            name: "LIST",
            arity: 2,
            tips: &["nondeterministic_output_order"],
            run: Run::Local(list),
            summary: "Answers an empty list.",
            ..ROW
        },
        Command {
            name: "LOAD",
            flags: CHANGES,
            summary: "Refused: modules are for redis-server's own process.",
            syntax: "path [arg [arg ...]]",
            ..ROW
        },
        Command {
            name: "LOADEX",
            flags: CHANGES,
            since: "7.0.0",
            summary: "Refused: modules are for redis-server's own process.",
            syntax: "path [CONFIG name value [name value ...]] [ARGS arg [arg ...]]",
            ..ROW
        },
        Command {
            name: "UNLOAD",
            arity: 3,
            flags: CHANGES,
            summary: "Refused: no module is loaded.",
            syntax: "name",
            ..ROW
        },
    ],
    ..Command::BASE
};

fn list(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Array(Vec::new()))
}

fn refused(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Err(ErrorReply::err("MODULE command not allowed. This server loads no modules.").into())
}

fn module_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("MODULE", MODULE.subcommands))
}
