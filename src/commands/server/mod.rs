//! Commands on the server as a whole.

mod command;
mod config;
mod data;
mod debug;
mod info;
mod info_edge;
mod info_memory;
mod info_stats;
mod life;
mod lolwut;
mod memory;
mod replication;

use crate::command::Command;

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    command::COMMAND,
    config::CONFIG,
    data::DBSIZE,
    data::FLUSHALL,
    data::FLUSHDB,
    data::SWAPDB,
    debug::DEBUG,
    info::INFO,
    life::BGREWRITEAOF,
    life::BGSAVE,
    life::LASTSAVE,
    life::SAVE,
    life::SHUTDOWN,
    life::TIME,
    lolwut::LOLWUT,
    memory::MEMORY,
    replication::ROLE,
    replication::WAIT,
    replication::WAITAOF,
];
