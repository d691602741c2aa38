//! Replication state: this node's present knowledge of its group, for all readers.
//!
//! | question | answer | written when |
//! |---|---|---|
//! | Who leads, and in which term? | `ReplicationState::leader`, `is_leader`, `leader_term` | openraft's view of it changes |
//! | Is the leader heard, and by a majority? | `leadership` (`leadership.rs`) | a heartbeat comes, or is acknowledged |
//! | May this node answer without asking? | `can_read`, `leads_surely`; the lease is in `lease.rs` | every 25 ms |
//! | What of that may others hear? | `unapplied` (`unapplied.rs`) | an entry is appended, applied |
//! | How far is the log written, committed, applied, purged? | `last_index`, `committed_index`, `applied_index`, `purged_index` | an entry is |
//! | Where do the data stand in the core's log? | `edge.core_index` (`edge.rs`) | an entry is applied |
//! | How old are the data of an edge? | `edge.lag`, `edge.lag_entries` | the core's commit heartbeats come |
//! | What time is it? | `clock` (`log_clock.rs`), steered by `walls` (`wall_clocks.rs`) | entries, heartbeats, the timekeeper |
//! | Which other nodes are there, and which edges? | `others`, `endpoints`, `fed` (`nodes.rs`, `client_ports.rs`, `fed_edges.rs`) | they answer, once a second |
//! | Is there room for more? | `disk`, `has_room` (`disks.rs`) | the file system is asked, ten times a second |
//! | What held this node up, and how long do its stages take? | `latency` (`latency.rs`, `durations.rs`) | it did, for longer than configured; a stage ends |
//! | What does this node say of itself to the others? | `report` (`report.rs`) | once a second |
//! | How much do the data take, and may they grow? | `memory`, `room` (`memory.rs`) | an entry is applied; the parameters change |
//! | What was backed up, and how far is the log archived? | `BackupState` (`backups.rs`), beside it | a backup begins, ends |
//! | What was the checksum of the state after entry N? | `checksums` (`checksums.rs`) | a mark is applied |
//! | And the sum that apply keeps? Is it that of the others? | `sums` (`sums.rs`) | a mark of sums is applied; nodes compare |
//!
//! INFO, ROLE, CLUSTER, SENTINEL, CORE STATUS, the metrics, `/readyz`, read barriers, the batcher and elections all read the
//! same value, so no two of them contradict each other.
//!
//! **One writer.** Term, leader, lease, commit and apply are private and set through `StateWriter` alone. Each state has
//! exactly one, made with it and owned by consensus. Nothing else can declare this node the leader.
//!
//! **Invariants.**
//! * A leader that asked another node to lead has no lease for the rest of its term: that node may lead at any moment.
//! * A lease does not outlive a machine that slept.
//! * `applied_index` moves after the batch is published: after waiting for an entry, a reader finds it in the store.
//! * Nothing here waits for the disk or for another node, and nothing here touches the log.

mod backups;
mod checksums;
mod client_ports;
mod counted;
mod disks;
mod durations;
mod edge;
mod fed_edges;
mod latency;
mod leadership;
mod lease;
mod log_clock;
mod log_line;
mod memory;
mod nodes;
mod replication;
mod report;
mod sums;
mod token;
mod unapplied;
mod wall_clocks;
mod writer;

pub use backups::{Archived, BackupState, BackupStatus, DoneBackup, RunningBackup};
pub use checksums::{StateChecksum, StateChecksums};
pub use client_ports::{ClientPorts, PortKind};
pub use disks::{Disks, Growth};
pub use durations::{DurationCounts, Durations};
pub use edge::{CommitHeartbeat, EdgeState, Following, SiteHeartbeat};
pub use fed_edges::{FedEdges, FedReport, FedSeen, FeedSlot};
pub use latency::{LatencyEvent, LatencyMonitor, LatencySample, LatencySeries};
pub use leadership::{Contact, Leadership};
pub use log_clock::{Beginning, LogClock};
pub use memory::{DataMemory, Room};
pub use nodes::{Follower, NodeEndpoint, Other, public_id};
pub use replication::{Leader, ReplicationState};
pub use report::OwnReport;
pub use sums::{Compared, Comparison, StateSum, StateSums, SumAt};
pub use token::WriteToken;
pub use unapplied::{Unapplied, Work};
pub use wall_clocks::WallClocks;
pub use writer::StateWriter;
