//! Upkeep of a group: keeps its log short, deletes expired keys, steers log time.
//!
//! | task | how often | where |
//! |---|---|---|
//! | delete expired keys and fields, as logged entries | every 100 ms while something is due | the leader of a core |
//! | purge the log below what the store has flushed and `--log-retention` wants | every second | every node |
//! | refresh what is known of keys' lifetimes, so that dead rows can go in compaction | every second | every node |
//! | note the checksums of new store files | every second | every node |
//! | collect the rows of flushed databases | every 10 s | every node |
//! | steer log time towards what most wall clocks say | every 100 ms | the leader of a core |
//! | note log time for the next start (`CLOCK`) | every second | every node |
//! | evict keys (`maxmemory`), as logged entries | while the data take too much | the leader of a core |
//! | tell the leader which keys are read here | every second while it evicts what is used least | every other node |
//! | count rows of before feature level 7, as logged entries | every 50 ms until all are counted | the leader of a core |
//! | decide whether the data may grow | every 100 ms | the leader of a core |
//! | give back disk space | while the disk is getting full | every node |
//! | raise the feature level | when all nodes and edges understand the next one | the leader of a core |
//! | warn when clocks differ | when the gap changes, then every 10 minutes | every node |
//!
//! **Expiry is logged.** An expired key is invisible to reads at once, by log time. It is *deleted* by an entry that the
//! leader proposes, so every replica deletes it at the same log position, and `expired` events happen once.
//!
//! **Log time is not a wall clock.** It starts with the wall clocks of a new cluster, follows the monotonic clock after
//! that, and moves by at most 5 % towards the median of the nodes' wall clocks. It never goes back. `state/log_clock.rs`
//! has the arithmetic; `timekeeper.rs` decides which clock it follows.
//!
//! **Invariants.** Nothing is proposed unless something is due. The loops are independent: expiry never waits for a
//! compaction or a snapshot. On an edge nothing is swept and nothing is steered: keys and time are the core's.

mod clock_file;
mod disk;
mod evict;
mod log_time;
mod maintenance;
mod reads;
mod timekeeper;
mod upgrade;

pub use disk::DiskWatch;
pub use log_time::begin as begin_log_time;
pub use maintenance::Maintenance;
pub use reads::{ReadTeller, follow_answer, hear_reads};
pub use timekeeper::{Timekeeper, tell as tell_clock};
pub use upgrade::Upgrade;
