//! Prometheus metrics: a table of rows, each with a name, a kind, a help text and a function that reads the value.
//!
//! Names end in their unit; counters in `_total` (the exposition adds it). See the OpenMetrics specification.

use crate::{
    commands::scripting::{self, Counts, Kept},
    session::{Node, ProcessUsage},
    state::{BackupStatus, Comparison, FedSeen, Following, Leadership},
    store::StoreStats,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use std::sync::{Arc, atomic::Ordering};

/// All that rows read, sampled once per scrape.
struct Sample<'a> {
    node: &'a Node,
    store: StoreStats,
    process: ProcessUsage,
    kept: Kept,
}

struct Row {
    name: &'static str,
    kind: MetricType,
    help: &'static str,
    read: fn(&Sample<'_>) -> f64,
}

const fn counter(name: &'static str, help: &'static str, read: fn(&Sample<'_>) -> f64) -> Row {
    Row { name, kind: MetricType::Counter, help, read }
}

const fn gauge(name: &'static str, help: &'static str, read: fn(&Sample<'_>) -> f64) -> Row {
    Row { name, kind: MetricType::Gauge, help, read }
}

fn load(n: &std::sync::atomic::AtomicU64) -> f64 {
    n.load(Ordering::Relaxed) as f64
}

static ROWS: &[Row] = &[
    counter("flotilla_connections_received", "Client connections accepted", |s| {
        load(&s.node.stats.connections_received)
    }),
    counter(
        "flotilla_connections_rejected",
        "Client connections refused because maxclients was reached",
        |s| load(&s.node.stats.connections_rejected),
    ),
    gauge("flotilla_connected_clients", "Open client connections", |s| s.node.clients.len() as f64),
    counter("flotilla_commands_processed", "Commands executed or refused", |s| {
        load(&s.node.stats.commands_processed)
    }),
    counter("flotilla_error_replies", "Error replies sent", |s| load(&s.node.stats.error_replies)),
    counter("flotilla_protocol_errors", "Client connections closed after a protocol error", |s| {
        load(&s.node.stats.protocol_errors)
    }),
    counter("flotilla_auth_failures", "Failed AUTH attempts", |s| load(&s.node.stats.auth_failures)),
    counter(
        "flotilla_output_limit_disconnections",
        "Clients disconnected because they did not read their replies",
        |s| load(&s.node.stats.output_limit_disconnections),
    ),
    counter(
        "flotilla_evicted_clients",
        "Clients closed because all together used more memory than maxmemory-clients",
        |s| load(&s.node.stats.evicted_clients),
    ),
    gauge("flotilla_clients_memory_bytes", "Memory of client connections", |s| {
        s.node.clients.memory.bytes() as f64
    }),
    gauge("flotilla_tracking_clients", "Clients that track keys (CLIENT TRACKING)", |s| {
        s.node.tracking.totals().clients as f64
    }),
    gauge("flotilla_tracking_keys", "Keys that clients track", |s| s.node.tracking.totals().keys as f64),
    counter("flotilla_tracking_invalidations", "Messages to clients that tracked keys have changed", |s| {
        s.node.tracking.totals().told as f64
    }),
    counter(
        "flotilla_tracking_forgotten_keys",
        "Tracked keys whose clients were told to drop them because the table of keys was full",
        |s| s.node.tracking.totals().forgotten as f64,
    ),
    counter("flotilla_reads_told", "Keys that other nodes have said were read there", |s| {
        s.node.group.store.reads_told() as f64
    }),
    gauge(
        "flotilla_largest_key_bytes",
        "Bytes at rest of the largest key; 0 until MEMORY LARGEST was called",
        |s| s.node.group.store.known_largest_keys().keys.first().map_or(0.0, |key| key.bytes as f64),
    ),
    gauge(
        "flotilla_tracking_changed_keys",
        "Recently changed keys that clients that reconnect can be told of",
        |s| s.node.tracking.recent.size().0 as f64,
    ),
    counter("flotilla_net_input_bytes", "Bytes read from clients", |s| load(&s.node.stats.net_input_bytes)),
    counter("flotilla_net_output_bytes", "Bytes written to clients", |s| {
        load(&s.node.stats.net_output_bytes)
    }),
    counter("flotilla_keyspace_hits", "Lookups of keys that were there", |s| {
        s.node.group.store.lookups().0 as f64
    }),
    counter("flotilla_keyspace_misses", "Lookups of keys that were not there", |s| {
        s.node.group.store.lookups().1 as f64
    }),
    counter("flotilla_expired_keys", "Keys deleted because they expired", |s| {
        load(&s.node.stats.expired_keys)
    }),
    counter("flotilla_expired_fields", "Hash fields and set members deleted because they expired", |s| {
        load(&s.node.stats.expired_subkeys)
    }),
    counter("flotilla_blocking_reads", "Reads that needed the disk and ran on the blocking pool", |s| {
        load(&s.node.stats.blocking_reads)
    }),
    counter("flotilla_proposals_refused", "Writes refused because the proposal queue was full", |s| {
        load(&s.node.stats.proposals_refused)
    }),
    gauge("flotilla_keys", "Keys stored in all databases", |s| {
        s.node.group.store.published().state().databases().iter().map(|d| d.keys as f64).sum()
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
    gauge("flotilla_scripts", "Scripts kept for EVALSHA", |s| {
        s.kept.scripts.scripts.saturating_add(s.kept.scripts.loaded) as f64
    }),
    gauge("flotilla_scripts_bytes", "Bytes of those scripts", |s| {
        s.kept.scripts.bytes.saturating_add(s.kept.scripts.loaded_bytes) as f64
    }),
    counter("flotilla_scripts_evicted", "Scripts of EVAL that made room for later ones", |s| {
        s.kept.scripts.evicted as f64
    }),
    gauge("flotilla_functions", "Functions of all libraries", |s| s.kept.libraries.functions as f64),
    gauge("flotilla_function_libraries", "Libraries of functions", |s| s.kept.libraries.libraries as f64),
    gauge("flotilla_function_libraries_bytes", "Bytes of those libraries", |s| s.kept.libraries.bytes as f64),
    counter(
        "flotilla_script_runs",
        "Runs of scripts and functions on this node: where the log is applied, for reads, and to try them out",
        |_| Counts::now().runs as f64,
    ),
    counter("flotilla_script_seconds", "Time that those runs took, with the commands they called", |_| {
        Counts::now().micros as f64 / 1e6
    }),
    counter("flotilla_script_instructions", "Instructions of those runs that came to their end", |_| {
        Counts::now().instructions as f64
    }),
    counter("flotilla_scripts_limited", "Runs that a limit ended: instructions, memory or reply", |_| {
        Counts::now().limited as f64
    }),
    gauge("flotilla_long_scripts", "Scripts and functions that have been running for milliseconds", |_| {
        scripting::long_runs().0 as f64
    }),
    gauge("flotilla_longest_script_seconds", "How long the longest of them has been running", |_| {
        scripting::long_runs().1 as f64 / 1000.0
    }),
    gauge("flotilla_dataset_bytes", "Bytes that keys and values take at rest, before compression", |s| {
        s.node.group.state.memory.bytes() as f64
    }),
    gauge("flotilla_maxmemory_bytes", "Bytes that they may take (maxmemory); 0 = no limit", |s| {
        s.node.config.settings().data_limit.bytes as f64
    }),
    counter("flotilla_evicted_keys", "Keys that this node, as leader, has evicted", |s| {
        load(&s.node.stats.evicted_keys)
    }),
    gauge("flotilla_disk_left_bytes", "Space left on the disk of the data directory", |s| {
        s.node.group.state.disk.left() as f64
    }),
    gauge("flotilla_disk_total_bytes", "Size of the file system of the data directory", |s| {
        s.node.group.state.disk.total() as f64
    }),
    gauge("flotilla_disk_low_bytes", "Space below which the disk counts as almost full", |s| {
        s.node.group.state.disk.low() as f64
    }),
    gauge(
        "flotilla_growth_refused",
        "1 if writes that may make the data grow are refused for want of disk",
        |s| f64::from(u8::from(s.node.group.state.refuses_growth())),
    ),
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
    gauge("flotilla_store_live_bytes", "Bytes of the store's live SST files on disk", |s| {
        s.store.live_sst_bytes as f64
    }),
    gauge("flotilla_memtable_bytes", "Bytes in memtables", |s| s.store.memtable_bytes as f64),
    gauge("flotilla_block_cache_bytes", "Bytes in the block cache", |s| s.store.block_cache_bytes as f64),
    gauge("flotilla_hot_cache_bytes", "Bytes in the hot cache", |s| s.store.hot_bytes as f64),
    gauge("flotilla_hot_cache_records", "Records in the hot cache", |s| s.store.hot_records as f64),
    counter("flotilla_hot_cache_hits", "Reads answered by the hot cache", |s| s.store.hot_hits as f64),
    counter("flotilla_hot_cache_misses", "Reads not answered by the hot cache", |s| {
        s.store.hot_misses as f64
    }),
    gauge("flotilla_uptime_seconds", "Seconds since start", |s| s.node.uptime_seconds() as f64),
    gauge("flotilla_ready", "1 if the node is ready to serve clients, as /readyz reports", |s| {
        f64::from(u8::from(s.node.unready().is_none()))
    }),
    gauge("flotilla_feature_level", "The active feature level, which says what log entries may mean", |s| {
        f64::from(s.node.group.state.feature_level())
    }),
    gauge("process_resident_memory_bytes", "Resident memory in bytes", |s| s.process.rss_bytes as f64),
    counter("process_cpu_seconds", "User and system CPU time in seconds", |s| {
        s.process.user_seconds + s.process.system_seconds
    }),
    gauge("process_open_fds", "Open file descriptors", |s| s.process.open_fds as f64),
];

fn backups(sample: &Sample<'_>) -> BackupStatus {
    sample.node.backups.status()
}

/// A metric that a core node has for each edge it feeds.
struct EdgeRow {
    name: &'static str,
    help: &'static str,
    read: fn(&FedSeen, u64) -> f64,
}

static EDGE_ROWS: &[EdgeRow] = &[
    EdgeRow {
        name: "flotilla_fed_edge_lag_entries",
        help: "Entries committed by the core and not yet applied by an edge that this node feeds",
        read: |seen, committed| seen.lag_entries(committed) as f64,
    },
    EdgeRow {
        name: "flotilla_fed_edge_lag_seconds",
        help: "Seconds since an edge that this node feeds last had all that the core had committed, as it reports",
        read: |seen, _| seen.report.lag_ms as f64 / 1000.0,
    },
    EdgeRow {
        name: "flotilla_fed_edge_sent_bytes",
        help: "Bytes sent on the current connection to an edge",
        read: |seen, _| seen.sent_bytes as f64,
    },
];

struct Metrics(Arc<Node>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let sample = Sample {
            node: &self.0,
            store: self.0.group.store.stats(),
            process: ProcessUsage::read(),
            kept: Kept::of(&self.0),
        };
        for row in ROWS {
            let value = (row.read)(&sample);
            let metric = encoder.encode_descriptor(row.name, row.help, None, row.kind)?;
            match row.kind {
                MetricType::Counter => ConstCounter::new(value).encode(metric)?,
                _ => ConstGauge::new(value).encode(metric)?,
            }
        }
        let (edges, committed) = (self.0.group.state.fed.seen(), self.0.group.state.committed_index());
        for row in EDGE_ROWS.iter().filter(|_| !edges.is_empty()) {
            let mut family = encoder.encode_descriptor(row.name, row.help, None, MetricType::Gauge)?;
            for edge in &edges {
                let labels = [("site", edge.site.as_str()), ("name", edge.name.as_str())];
                ConstGauge::new((row.read)(edge, committed)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// A registry of the node's metrics.
pub(super) fn registry(node: Arc<Node>) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(node)));
    registry
}

/// The exposition text.
pub(super) fn exposition(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    text::encode(&mut out, registry)?;
    Ok(out)
}
