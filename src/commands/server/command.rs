//! COMMAND: the server's description of its commands.

use crate::{
    command::{
        Access, Args, Command, Flags, Group, Run, Table, full_name, info::categories, info::docs, info::info,
        subcommand,
    },
    commands::{help, table},
    error::Result,
    limits::COMMAND_NAMES_MAX,
    resp::{ErrorReply, Reply},
    session::Context,
    types::glob,
};

const FLAGS: Flags = Flags::LOADING.with(Flags::STALE).with(Flags::CONNECTION);

const fn sub(name: &'static str, arity: i32, run: Run, since: &'static str) -> Command {
    Command { name, arity, run, flags: FLAGS, group: Group::Server, since, ..Command::BASE }
}

pub(super) const COMMAND: Command = Command {
    name: "COMMAND",
    tips: &["nondeterministic_output_order"],
    arity: -1,
    run: Run::Local(all),
    flags: FLAGS,
    group: Group::Server,
    since: "2.8.13",
    complexity: "O(N) where N is the number of commands",
    summary: "Describes all commands.",
    subcommands: &[
        Command { summary: "Counts the commands.", ..sub("COUNT", 2, Run::Local(count), "2.8.13") },
        Command {
            complexity: "O(N) where N is the number of commands",
            tips: &["nondeterministic_output_order"],
            summary: "Lists command names.",
            syntax: "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
            ..sub("LIST", -2, Run::Local(list), "7.0.0")
        },
        Command {
            complexity: "O(N) where N is the number of commands to look up",
            tips: &["nondeterministic_output_order"],
            summary: "Describes commands: arity, flags, keys.",
            syntax: "[command-name [command-name ...]]",
            ..sub("INFO", -2, Run::Local(info_of), "2.8.13")
        },
        Command {
            complexity: "O(N) where N is the number of commands to look up",
            tips: &["nondeterministic_output_order"],
            summary: "Documents commands: summary, arguments, complexity.",
            syntax: "[command-name [command-name ...]]",
            ..sub("DOCS", -2, Run::Local(docs_of), "7.0.0")
        },
        Command {
            complexity: "O(N) where N is the number of arguments to the command",
            summary: "Finds the keys in a call.",
            syntax: "command [arg ...]",
            ..sub("GETKEYS", -4, Run::Local(getkeys), "2.8.13")
        },
        Command {
            complexity: "O(N) where N is the number of arguments to the command",
            summary: "Returns the keys of a call, and how each is accessed.",
            syntax: "command [arg ...]",
            ..sub("GETKEYSANDFLAGS", -4, Run::Local(getkeysandflags), "7.0.0")
        },
        Command { summary: "Lists the subcommands.", ..sub("HELP", 2, Run::Local(command_help), "5.0.0") },
    ],
    ..Command::BASE
};

fn all(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Array(table().rows().iter().map(|row| info(None, row)).collect()))
}

fn count(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::count(table().rows().len()))
}

fn command_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("COMMAND", COMMAND.subcommands))
}

/// A command or `container|sub` by name.
fn find(table: &Table, name: &[u8]) -> Option<(Option<&'static Command>, &'static Command)> {
    match name.iter().position(|byte| *byte == b'|') {
        None => Some((None, table.get(name)?)),
        Some(bar) => {
            let parent = table.get(name.get(..bar)?)?;
            let (_, sub) = subcommand(parent, name.get(bar.saturating_add(1)..)?)?;
            Some((Some(parent), sub))
        }
    }
}

fn info_of(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if args.is_empty() {
        return all(context, args);
    }
    check_count(args)?;
    let found = args.rest().iter().map(|name| match find(table(), name) {
        Some((parent, command)) => info(parent, command),
        None => Reply::Nil,
    });
    Ok(Reply::Array(found.collect()))
}

/// A name given a million times would make a reply of gigabytes.
fn check_count(args: &Args<'_>) -> Result<()> {
    if args.remaining() <= COMMAND_NAMES_MAX {
        return Ok(());
    }
    Err(ErrorReply::err(format!("more than {COMMAND_NAMES_MAX} names of commands")).into())
}

fn docs_of(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if args.is_empty() {
        return Ok(Reply::Map(table().rows().iter().map(|row| docs(None, row)).collect()));
    }
    check_count(args)?;
    let found = args.rest().iter().filter_map(|name| find(table(), name));
    Ok(Reply::Map(found.map(|(parent, command)| docs(parent, command)).collect()))
}

fn list(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    type Filter<'a> = Box<dyn Fn(Option<&Command>, &Command) -> bool + 'a>;
    let filter: Filter<'_> = match args.rest() {
        [] => Box::new(|_, _| true),
        [by, kind, value] if by.eq_ignore_ascii_case(b"FILTERBY") => {
            if kind.eq_ignore_ascii_case(b"MODULE") {
                Box::new(|_, _| false)
            } else if kind.eq_ignore_ascii_case(b"ACLCAT") {
                Box::new(|parent, row| {
                    categories(parent, row).iter().any(|name| value.eq_ignore_ascii_case(name.as_bytes()))
                })
            } else if kind.eq_ignore_ascii_case(b"PATTERN") {
                Box::new(|parent, row| glob::matches(value, full_name(parent, row).as_bytes(), true))
            } else {
                return Err(ErrorReply::syntax().into());
            }
        }
        _ => return Err(ErrorReply::syntax().into()),
    };
    let mut names = Vec::new();
    for row in table().rows() {
        if filter(None, row) {
            names.push(Reply::bulk(full_name(None, row)));
        }
        let subs = row.subcommands.iter().filter(|sub| filter(Some(row), sub));
        names.extend(subs.map(|sub| Reply::bulk(full_name(Some(row), sub))));
    }
    Ok(Reply::Array(names))
}

/// Keys of a call and their access.
fn keys_of<'a>(args: &Args<'a>) -> Result<Vec<(&'a [u8], Access)>> {
    let argv = args.rest();
    let resolved = match table().resolve(argv) {
        Ok(resolved) => resolved,
        Err(_) => {
            let row = argv.first().and_then(|name| table().get(name));
            let known = row.is_some_and(|row| {
                row.subcommands.is_empty() || argv.get(1).is_none_or(|word| subcommand(row, word).is_some())
            });
            let text = if known {
                "Invalid number of arguments specified for command"
            } else {
                "Invalid command specified"
            };
            return Err(ErrorReply::err(text).into());
        }
    };
    if !resolved.command.has_keys() {
        return Err(ErrorReply::err("The command has no key arguments").into());
    }
    let keys = resolved.command.keys_of(argv);
    if keys.is_empty() && !resolved.command.flags.has(Flags::NO_MANDATORY_KEYS) {
        return Err(ErrorReply::err("Invalid arguments specified for command").into());
    }
    Ok(keys.into_iter().filter_map(|named| Some((*argv.get(named.at)?, named.access))).collect())
}

fn getkeys(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Array(keys_of(args)?.into_iter().map(|(key, _)| Reply::bulk(key)).collect()))
}

fn getkeysandflags(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let pairs = keys_of(args)?.into_iter().map(|(key, access)| {
        let flags = access.flags().iter().map(|flag| Reply::simple(*flag)).collect();
        Reply::Array(vec![Reply::bulk(key), Reply::Set(flags)])
    });
    Ok(Reply::Array(pairs.collect()))
}
