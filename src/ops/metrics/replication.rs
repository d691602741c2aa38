//! Metrics of the log, of edges, of comparisons and of backups.

use super::{Row, Sample, counter, gauge, load};
use crate::state::{BackupStatus, Comparison, Following, Leadership};
use std::sync::atomic::Ordering;

pub(super) static ROWS: &[Row] = &[
    counter("flotilla_proposals_refused", "Writes refused because the proposal queue was full", |s| {
        load(&s.node.stats.proposals_refused)
    }),
    gauge(
        "flotilla_compared_index",
        "Log index of the core at which this node last compared the sum of its state",
        |s| s.node.group.state.sums.last().map_or(0.0, |compared| compared.index as f64),
    ),
    gauge(
        "flotilla_compared_differs",
        "1 if the sums differed then: on the leader those of all nodes, elsewhere this node's and the majority's; must be 0",
        |s| {
            f64::from(u8::from(
                s.node.group.state.sums.last().is_some_and(|c| c.outcome == Comparison::Differs),
            ))
        },
    ),
    gauge(
        "flotilla_verified_index",
        "Log index of the last state checksum comparison that this node led",
        |s| load(&s.node.group.state.verified_index),
    ),
    gauge("flotilla_divergent_nodes", "Nodes whose state differed in that comparison; must be 0", |s| {
        load(&s.node.group.state.divergent_nodes)
    }),
    gauge(
        "flotilla_backup_last_success_timestamp_seconds",
        "When this node took its last backup; 0 = none since its start",
        |s| backups(s).last.map_or(0.0, |last| last.taken_at_ms as f64 / 1000.0),
    ),
    counter("flotilla_backups", "Backups that this node has taken", |s| backups(s).taken as f64),
    counter("flotilla_backups_failed", "Backups of this node that failed", |s| backups(s).failed as f64),
    gauge(
        "flotilla_archive_restorable_timestamp_seconds",
        "Log time up to which a restore can stop at any moment, as the leader has archived it; 0 = it archives nothing",
        |s| backups(s).archived.map_or(0.0, |archived| archived.restorable_ms as f64 / 1000.0),
    ),
    gauge("flotilla_raft_term", "Raft term", |s| s.node.group.state.term() as f64),
    gauge("flotilla_raft_is_leader", "1 if this node leads", |s| {
        f64::from(u8::from(s.node.group.state.leadership() == Leadership::Leads))
    }),
    gauge(
        "flotilla_raft_has_leader",
        "1 if this node knows a leader that is in contact with a majority",
        |s| f64::from(u8::from(s.node.group.state.leadership().is_sound())),
    ),
    gauge("flotilla_raft_last_index", "Index of the last log entry", |s| {
        s.node.group.state.last_index() as f64
    }),
    gauge("flotilla_raft_committed_index", "Index of the last committed entry", |s| {
        s.node.group.state.committed_index() as f64
    }),
    gauge("flotilla_raft_applied_index", "Index of the last applied entry", |s| {
        s.node.group.state.applied_index() as f64
    }),
    gauge("flotilla_raft_purged_index", "Index of the last purged entry", |s| {
        s.node.group.state.purged_index() as f64
    }),
    gauge("flotilla_raft_log_bytes", "Bytes of log segments on disk", |s| {
        s.node.group.state.log_bytes() as f64
    }),
    gauge(
        "flotilla_log_time_ahead_seconds",
        "Seconds by which log time is ahead of wall time: on the leader, that of a majority; elsewhere, this node's",
        |s| s.node.group.state.clock.ahead_ms() as f64 / 1000.0,
    ),
    gauge("flotilla_core_index", "Index of the last entry of the core's log that is applied here", |s| {
        load(&s.node.group.state.edge.core_index)
    }),
    gauge("flotilla_edges", "Edges that this core node feeds", |s| s.node.group.state.fed.len() as f64),
    gauge("flotilla_edge_lag_entries", "On an edge: entries of the core that are missing", |s| {
        s.node.group.state.edge.lag_entries() as f64
    }),
    gauge("flotilla_edge_lag_bytes", "On an edge: estimated bytes of those entries", |s| {
        s.node.group.state.edge.lag_bytes() as f64
    }),
    gauge(
        "flotilla_edge_lag_seconds",
        "On an edge: seconds since it last had all that the core had committed",
        |s| {
            if s.node.group.state.edge.is_edge() { s.node.group.state.edge.lag().as_secs_f64() } else { 0.0 }
        },
    ),
    gauge("flotilla_edge_is_following", "On an edge: 1 while it follows the core", |s| {
        f64::from(u8::from(*s.node.group.state.edge.following.read() == Following::Log))
    }),
    counter(
        "flotilla_edge_received_bytes",
        "On an edge: bytes received from the core, as compressed on the wire",
        |s| load(&s.node.group.state.edge.received_bytes),
    ),
    counter("flotilla_edge_bootstraps", "On an edge: bootstrap snapshots taken", |s| {
        load(&s.node.group.state.edge.bootstraps)
    }),
    counter(
        "flotilla_edge_contradictions",
        "On an edge: times that its data contradicted the core's log; must be 0",
        |s| load(&s.node.group.state.edge.contradictions),
    ),
    gauge(
        "flotilla_edge_bootstrap_received_bytes",
        "On an edge: bytes of a bootstrap snapshot that are here",
        |s| match *s.node.group.state.edge.following.read() {
            Following::Bootstrap { bytes, .. } => bytes as f64,
            Following::No | Following::Cut(_) | Following::Log | Following::Site => 0.0,
        },
    ),
    gauge("flotilla_edge_bootstrap_size_bytes", "On an edge: bytes that a bootstrap snapshot has", |s| {
        match *s.node.group.state.edge.following.read() {
            Following::Bootstrap { of_bytes, .. } => of_bytes as f64,
            Following::No | Following::Cut(_) | Following::Log | Following::Site => 0.0,
        }
    }),
    gauge("flotilla_proposals_queued_bytes", "Bytes of writes that wait to be put into the log", |s| {
        s.node.group.state.queued_bytes.load(Ordering::Relaxed) as f64
    }),
    gauge("flotilla_backup_running", "1 while this node takes a backup", |s| {
        f64::from(u8::from(backups(s).running.is_some()))
    }),
];

fn backups(sample: &Sample<'_>) -> BackupStatus {
    sample.node.backups.status()
}
