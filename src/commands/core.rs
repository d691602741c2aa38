//! CORE: the nodes of the core, and how they change. `flotilla admin` sends these commands.

use crate::{
    command::{Args, Command, Effect, Flags, Group, Run},
    commands::{help, server::may_observe},
    error::Result,
    resp::{ErrorReply, Reply},
    session::{Context, CoreRequest},
};

/// Longest node name or address, bytes.
const WORD_BYTES_MAX: usize = 255;

/// Every row of the group.
pub static COMMANDS: &[Command] = &[CORE];

const ROW: Command = Command {
    arity: 2,
    flags: Flags::NOSCRIPT.with(Flags::ADMIN).with(Flags::LOADING).with(Flags::STALE),
    group: Group::Cluster,
    since: "0.1.0",
    ..Command::BASE
};

const CORE: Command = Command {
    name: "CORE",
    arity: -2,
    group: Group::Cluster,
    since: "0.1.0",
    complexity: "Depends on subcommand.",
    summary: "Reports the state of the core, and changes its members.",
    subcommands: &[
        Command {
            name: "ADD",
            arity: -4,
            run: Run::Async(add),
            summary: "Lets a started, empty node become a voter once it has caught up, or a standby, which never votes.",
            syntax: "node host:peer-port [STANDBY]",
            ..ROW
        },
        Command {
            name: "BACKUP",
            arity: 3,
            run: Run::Local(super::backup::backup),
            summary: "Starts a backup of the node that is asked into its object store, in the background; STATUS returns the last one, the \
                      one under way, and how far the log is archived, as JSON.",
            syntax: "<START | STATUS>",
            ..ROW
        },
        Command {
            name: "CLOCK",
            arity: -2,
            run: Run::Async(clock),
            summary: "Returns log time and the nodes' wall clocks, as JSON; with STEP, log time first moves forward to wall time.",
            syntax: "[STEP]",
            ..ROW
        },
        Command { name: "HELP", run: Run::Local(core_help), summary: "Lists the subcommands.", ..ROW },
        Command {
            name: "PROMOTE",
            arity: 3,
            run: Run::Async(promote),
            summary: "Makes a learner or standby that has caught up a voter.",
            syntax: "node",
            ..ROW
        },
        Command {
            name: "REMOVE",
            arity: -3,
            run: Run::Async(remove),
            summary: "Removes a node; refused if the remaining voters would not have a majority, unless FORCE.",
            syntax: "node [FORCE]",
            ..ROW
        },
        Command {
            name: "REPLACE",
            arity: 5,
            run: Run::Async(replace),
            summary: "Lets a started, empty node replace another one once it has caught up.",
            syntax: "old-node node host:peer-port",
            ..ROW
        },
        Command {
            name: "REPORT",
            run: Run::Async(report),
            summary: "Returns what all nodes of the core, or of an edge site, say of themselves, as JSON.",
            ..ROW
        },
        Command {
            name: "SOURCE",
            arity: -3,
            run: Run::Async(super::source::source),
            secrets: Some(super::source::secrets),
            flags: ROW.flags.with(Flags::NO_MULTI),
            since_level: crate::feature_level::SOURCE,
            summary: "Follows a running Redis or Valkey, whose data take the place of those here: START with an order as JSON, STATUS as \
                      JSON, CUTOVER once it is level, STOP.",
            syntax: "<START order | STATUS | CUTOVER | STOP>",
            ..ROW
        },
        Command {
            name: "STATUS",
            run: Run::Async(status),
            summary: "Returns the nodes, their roles and their applied indexes, as JSON.",
            ..ROW
        },
        Command {
            name: "TRANSFER",
            arity: -2,
            run: Run::Async(transfer),
            summary: "Transfers leadership to this voter, or to the one whose log is most complete.",
            syntax: "[node]",
            ..ROW
        },
        Command {
            name: "UPGRADE",
            arity: 3,
            run: Run::Async(upgrade),
            summary: "Raises the feature level as far as all nodes and edges understand; after that no earlier build can open the data.",
            syntax: "FINISH",
            ..ROW
        },
        Command {
            name: "VERIFY",
            run: Run::Async(verify),
            summary: "Compares the checksums of all nodes' states at one log position, as JSON.",
            complexity: "O(N) on every node, in the background",
            ..ROW
        },
    ],
    ..Command::BASE
};

fn core_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("CORE", CORE.subcommands))
}

fn word(args: &mut Args<'_>) -> Result<String> {
    let word = args.next_word()?;
    let text = std::str::from_utf8(word).ok().filter(|text| {
        !text.is_empty() && text.len() <= WORD_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
    });
    Ok(text
        .ok_or_else(|| {
            ErrorReply::err("a node's name or address may contain only printable ASCII characters")
        })?
        .to_owned())
}

fn address(args: &mut Args<'_>) -> Result<String> {
    let address = word(args)?;
    let port =
        address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(1..)) => Ok(address),
        _ => Err(ErrorReply::err("the address is not HOST:PORT").into()),
    }
}

/// An optional last word.
fn option(args: &mut Args<'_>, name: &str) -> Result<bool> {
    let is_there = args.take(name);
    if args.is_empty() { Ok(is_there) } else { Err(ErrorReply::syntax().into()) }
}

fn status(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Effect> {
    Ok(Effect::Core(CoreRequest::Status))
}

/// Whoever may not read the slow log finds nothing of it here.
fn report(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Effect> {
    Ok(Effect::Report { has_words: may_observe(&context.session.user) })
}

fn verify(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Effect> {
    Ok(Effect::Core(CoreRequest::Verify))
}

fn upgrade(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    match option(args, "FINISH")? {
        true => Ok(Effect::Core(CoreRequest::FinishUpgrade)),
        false => Err(ErrorReply::syntax().into()),
    }
}

fn clock(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    Ok(Effect::Core(CoreRequest::Clock { step: option(args, "STEP")? }))
}

fn add(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let (name, address) = (word(args)?, address(args)?);
    Ok(Effect::Core(CoreRequest::Add { name, address, standby: option(args, "STANDBY")? }))
}

fn remove(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let name = word(args)?;
    Ok(Effect::Core(CoreRequest::Remove { name, force: option(args, "FORCE")? }))
}

fn promote(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    Ok(Effect::Core(CoreRequest::Promote { name: word(args)? }))
}

fn replace(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    Ok(Effect::Core(CoreRequest::Replace { old: word(args)?, name: word(args)?, address: address(args)? }))
}

fn transfer(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let name = if args.is_empty() { None } else { Some(word(args)?) };
    match args.is_empty() {
        true => Ok(Effect::Core(CoreRequest::Transfer { name })),
        false => Err(ErrorReply::syntax().into()),
    }
}
