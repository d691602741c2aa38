//! Every command: one row of data beside its handler, grouped as Redis groups them.

use crate::command::Table;
use std::sync::LazyLock;

pub mod connection;
pub mod generic;
pub mod server;
pub mod string;
pub mod transactions;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        string::COMMANDS,
        generic::COMMANDS,
        transactions::COMMANDS,
        connection::COMMANDS,
        server::COMMANDS,
    ])
});

/// The table of all commands.
pub fn table() -> &'static Table {
    &TABLE
}
