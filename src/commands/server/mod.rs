//! Commands about the server as a whole.

mod command;
mod command_log;
mod config;
mod data;
mod debug;
mod failover;
mod hot_keys;
mod info;
mod info_edge;
mod info_memory;
mod info_psync;
mod info_source;
mod info_stats;
mod latency;
mod life;
mod lolwut;
mod memory;
mod module;
mod monitor;
mod observe;
mod psync;
mod replication;

use crate::command::Command;

pub(super) use failover::lead;
pub use memory::largest_keys;
pub use monitor::may_monitor;
pub use observe::may_observe;

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    command::COMMAND,
    command_log::COMMANDLOG,
    command_log::SLOWLOG,
    config::CONFIG,
    data::DBSIZE,
    data::FLUSHALL,
    data::FLUSHDB,
    data::SWAPDB,
    debug::DEBUG,
    failover::FAILOVER,
    failover::REPLICAOF,
    failover::SLAVEOF,
    hot_keys::HOTKEYS,
    info::INFO,
    latency::LATENCY,
    life::BGREWRITEAOF,
    life::BGSAVE,
    life::LASTSAVE,
    life::SAVE,
    life::SHUTDOWN,
    life::TIME,
    lolwut::LOLWUT,
    memory::MEMORY,
    module::MODULE,
    monitor::MONITOR,
    psync::PSYNC,
    psync::REPLCONF,
    psync::SYNC,
    replication::ROLE,
    replication::WAIT,
    replication::WAITAOF,
];
