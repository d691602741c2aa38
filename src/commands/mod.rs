//! Every command: one row of data beside its handler, grouped as Redis groups them.

use crate::{
    command::{Command, Table},
    resp::Reply,
};
use std::sync::LazyLock;

pub mod acl;
mod backup;
pub mod bitmap;
pub mod cluster;
pub mod connection;
pub mod core;
mod element_expiry;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod list;
mod passing;
pub mod pubsub;
pub mod revision;
mod scan_options;
pub mod scripting;
pub mod sentinel;
pub mod server;
pub mod set;
pub mod site;
pub mod sorted_set;
mod source;
pub mod stream;
pub mod string;
#[cfg(test)]
mod tests;
pub mod transactions;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        string::COMMANDS,
        list::COMMANDS,
        set::COMMANDS,
        bitmap::COMMANDS,
        hyperloglog::COMMANDS,
        sorted_set::COMMANDS,
        geo::COMMANDS,
        stream::COMMANDS,
        generic::COMMANDS,
        hash::COMMANDS,
        transactions::COMMANDS,
        scripting::COMMANDS,
        connection::COMMANDS,
        pubsub::COMMANDS,
        server::COMMANDS,
        acl::COMMANDS,
        core::COMMANDS,
        site::COMMANDS,
        revision::COMMANDS,
        cluster::COMMANDS,
        sentinel::COMMANDS,
    ])
});

/// The table of all commands.
pub fn table() -> &'static Table {
    &TABLE
}

/// A container's HELP: its subcommands with their arguments and summaries.
fn help(container: &str, subcommands: &[Command]) -> Reply {
    let head = format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    let mut lines = vec![head];
    let (rows, help): (Vec<&Command>, Vec<&Command>) = subcommands.iter().partition(|row| row.name != "HELP");
    for row in rows.into_iter().chain(help) {
        lines.push(format!("{} {}", row.name, row.syntax).trim_end().to_owned());
        lines.push(format!("    {}", row.summary));
    }
    Reply::Array(lines.into_iter().map(Reply::simple).collect())
}
