//! Commands about the server as a whole.

mod command;
mod config;
mod data;
mod debug;
mod failover;
mod info;
mod info_edge;
mod info_memory;
mod info_stats;
mod life;
mod lolwut;
mod memory;
mod module;
mod replication;

use crate::command::Command;

pub(super) use failover::lead;

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    command::COMMAND,
    config::CONFIG,
    data::DBSIZE,
    data::FLUSHALL,
    data::FLUSHDB,
    data::SWAPDB,
    debug::DEBUG,
    failover::FAILOVER,
    failover::REPLICAOF,
    failover::SLAVEOF,
    info::INFO,
    life::BGREWRITEAOF,
    life::BGSAVE,
    life::LASTSAVE,
    life::SAVE,
    life::SHUTDOWN,
    life::TIME,
    lolwut::LOLWUT,
    memory::MEMORY,
    module::MODULE,
    replication::ROLE,
    replication::WAIT,
    replication::WAITAOF,
];
