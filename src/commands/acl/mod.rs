//! ACL: users, on all nodes alike.
//!
//! ACL SETUSER, ACL DELUSER and ACL LOAD are writes as any other: entries of the log that every node and edge applies to its rows
//! (`change.rs`, `file.rs`). Where they are called, names of commands are checked and passwords replaced by their hashes, so the log
//! has none in clear text. Everything else reads the users that this node has applied (`show.rs`, `session/users.rs`).

mod change;
mod file;
mod show;
mod try_out;

use crate::{
    acl::{Catalogue, Definition, Hash, Record, User, key_of},
    command::{Args, Command, Flags, Group, Run, catalogue},
    commands::{help, table},
    error::{Result, StoreError},
    feature_level,
    limits::SYSTEM_DATABASE,
    resp::{ErrorReply, Reply},
    session::{Context, Node},
    store::View,
    value::Value,
};
use std::sync::LazyLock;

/// Every row of the group.
pub static COMMANDS: &[Command] = &[ACL];

const ALWAYS: Flags = Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE);

const ROW: Command = Command {
    arity: 2,
    flags: ALWAYS.with(Flags::ADMIN),
    group: Group::Server,
    since: "6.0.0",
    ..Command::BASE
};

const CHANGES: Flags = ROW.flags.with(Flags::CHANGES_USERS);

/// As replicated, so that a client finds what it has written.
const SHOWS: Command = Command { flags: ROW.flags.with(Flags::AFTER_BARRIER), ..ROW };

const ACL: Command = Command {
    name: "ACL",
    arity: -2,
    group: Group::Server,
    since: "6.0.0",
    complexity: "Depends on subcommand.",
    summary: "The users, and what they may do.",
    subcommands: &[
        Command {
            name: "CAT",
            arity: -2,
            run: Run::Local(show::cat),
            flags: ALWAYS,
            summary: "Lists the categories, or the commands of one.",
            syntax: "[category]",
            ..ROW
        },
        Command {
            name: "DELUSER",
            arity: -3,
            run: Run::Write(change::deluser),
            flags: CHANGES,
            since_level: feature_level::USERS,
            complexity: "O(1) for each user",
            summary: "Deletes users, on all nodes, and closes their connections.",
            syntax: "username [username ...]",
            ..ROW
        },
        Command {
            name: "DRYRUN",
            arity: -4,
            run: Run::Local(try_out::dryrun),
            since: "7.0.0",
            summary: "Tells whether a user may make a call, without making it.",
            syntax: "username command [arg [arg ...]]",
            ..SHOWS
        },
        Command {
            name: "GENPASS",
            arity: -2,
            run: Run::Local(show::genpass),
            flags: ALWAYS,
            summary: "Returns a random password.",
            syntax: "[bits]",
            ..ROW
        },
        Command {
            name: "GETUSER",
            arity: 3,
            run: Run::Local(show::getuser),
            complexity: "O(N) where N is the number of rules",
            summary: "Returns the rules of a user.",
            syntax: "username",
            ..SHOWS
        },
        Command {
            name: "HELP",
            run: Run::Local(acl_help),
            flags: Flags::LOADING.with(Flags::STALE),
            summary: "Lists the subcommands.",
            ..ROW
        },
        Command {
            name: "LIST",
            run: Run::Local(show::list),
            complexity: "O(N) where N is the number of users",
            summary: "Lists all users with their rules.",
            ..SHOWS
        },
        Command {
            name: "LOAD",
            // What it logs is run as what it is logged as.
            run: Run::Write(|_, _| Err(ErrorReply::err("internal error").into())),
            logged_as: Some(file::as_logged),
            flags: CHANGES.with(Flags::NO_MULTI),
            since_level: feature_level::USERS_AT_ONCE,
            complexity: "O(N) where N is the number of users",
            summary: "Makes the users of this node's aclfile all users there are, on all nodes.",
            ..ROW
        },
        Command {
            name: "LOG",
            arity: -2,
            run: Run::Local(show::log),
            complexity: "O(N) where N is the number of entries shown",
            summary: "Lists what users were refused on this node, or forgets it.",
            syntax: "[count | RESET]",
            ..ROW
        },
        Command {
            name: "SAVE",
            run: Run::Async(file::save),
            complexity: "O(N) where N is the number of users",
            summary: "Writes the users to this node's aclfile.",
            ..ROW
        },
        Command {
            name: "SETUSER",
            arity: -3,
            run: Run::Write(change::setuser),
            flags: CHANGES,
            logged_as: Some(change::as_logged),
            secrets: Some(|argv| (2..argv.len()).collect()),
            since_level: feature_level::USERS,
            complexity: "O(N) where N is the number of rules",
            summary: "Makes or changes a user, on all nodes.",
            syntax: "username [rule [rule ...]]",
            ..ROW
        },
        Command {
            name: "USERS",
            run: Run::Local(show::users),
            complexity: "O(N) where N is the number of users",
            summary: "Lists the names of all users.",
            ..SHOWS
        },
        Command {
            name: "WHOAMI",
            run: Run::Local(show::whoami),
            flags: ALWAYS,
            summary: "Returns the user of this connection.",
            ..ROW
        },
    ],
    ..Command::BASE
};

pub use file::{first_users, save_users};

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| catalogue(table()));

/// All commands, as rules name them.
pub fn commands() -> &'static Catalogue {
    &CATALOGUE
}

/// A user's row, as these data have it. The user `default` may have none.
pub fn row_in(view: &View<'_>, name: &str) -> Result<Option<Value>> {
    Ok(view.of_db(SYSTEM_DATABASE).quiet().get(&key_of(name))?.map(|row| row.body))
}

fn record(row: &[u8]) -> Result<Record> {
    Ok(Record::decode(row)
        .ok_or_else(|| StoreError::corrupt("user", "a row that this program cannot read"))?)
}

/// The user of a row, ready to be asked.
pub fn compiled(name: &str, row: &[u8]) -> Result<User> {
    let record = record(row)?;
    Ok(User::new(name, record.created, record.definition, commands()))
}

/// A user's rules, with the node's own password if that is the user's.
fn definition_at(node: &Node, user: &User) -> Definition {
    let requirepass = &node.config.settings().requirepass;
    let mut definition = user.definition().clone();
    let configured = (!requirepass.is_empty()).then(|| Hash::of(requirepass.as_bytes()));
    definition.take_over(configured);
    definition
}

fn acl_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("ACL", ACL.subcommands))
}
