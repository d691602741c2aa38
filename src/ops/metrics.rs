//! Prometheus metrics: a table of rows, each a name, a kind, a help text and where the number comes from.
//!
//! Names end in their unit; counters in `_total` (the exposition adds it). See the OpenMetrics specification.

use crate::{
    session::{Node, ProcessUsage},
    state::{FedSeen, Following, Leadership},
    store::StoreStats,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use std::sync::{Arc, atomic::Ordering};

/// Everything a row may read, taken once per scrape.
struct Sample<'a> {
    node: &'a Node,
    store: StoreStats,
    process: ProcessUsage,
}

enum Kind {
    Counter,
    Gauge,
}

struct Row {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    read: fn(&Sample<'_>) -> f64,
}

const fn counter(name: &'static str, help: &'static str, read: fn(&Sample<'_>) -> f64) -> Row {
    Row { name, kind: Kind::Counter, help, read }
}

const fn gauge(name: &'static str, help: &'static str, read: fn(&Sample<'_>) -> f64) -> Row {
    Row { name, kind: Kind::Gauge, help, read }
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
        "Client connections refused because maxclients were connected",
        |s| load(&s.node.stats.connections_rejected),
    ),
    gauge("flotilla_connected_clients", "Client connections open now", |s| s.node.clients.len() as f64),
    counter("flotilla_commands_processed", "Commands run or refused", |s| {
        load(&s.node.stats.commands_processed)
    }),
    counter("flotilla_error_replies", "Error replies sent", |s| load(&s.node.stats.error_replies)),
    counter("flotilla_protocol_errors", "Connections closed because they broke the protocol", |s| {
        load(&s.node.stats.protocol_errors)
    }),
    counter("flotilla_auth_failures", "Wrong passwords", |s| load(&s.node.stats.auth_failures)),
    counter("flotilla_output_limit_disconnections", "Clients closed because they took no replies", |s| {
        load(&s.node.stats.output_limit_disconnections)
    }),
    counter("flotilla_net_input_bytes", "Bytes read from clients", |s| load(&s.node.stats.net_input_bytes)),
    counter("flotilla_net_output_bytes", "Bytes written to clients", |s| {
        load(&s.node.stats.net_output_bytes)
    }),
    counter("flotilla_keyspace_hits", "Lookups of keys that were there", |s| s.node.store.lookups().0 as f64),
    counter("flotilla_keyspace_misses", "Lookups of keys that were not there", |s| {
        s.node.store.lookups().1 as f64
    }),
    counter("flotilla_expired_keys", "Keys deleted because their time had come", |s| {
        load(&s.node.stats.expired_keys)
    }),
    counter("flotilla_expired_fields", "Fields of hashes deleted because their time had come", |s| {
        load(&s.node.stats.expired_subkeys)
    }),
    counter("flotilla_blocking_reads", "Reads that moved to the blocking pool", |s| {
        load(&s.node.stats.blocking_reads)
    }),
    counter("flotilla_proposals_refused", "Writes refused because the proposal queue was full", |s| {
        load(&s.node.stats.proposals_refused)
    }),
    gauge("flotilla_keys", "Keys stored in all databases", |s| {
        s.node.store.published().state().databases().iter().map(|d| d.keys as f64).sum()
    }),
    gauge(
        "flotilla_verified_index",
        "Log index at which this node, leading, last compared all states",
        |s| load(&s.node.log.verified_index),
    ),
    gauge("flotilla_divergent_nodes", "Nodes whose state differed then", |s| {
        load(&s.node.log.divergent_nodes)
    }),
    gauge("flotilla_raft_term", "Raft term", |s| s.node.log.term() as f64),
    gauge("flotilla_raft_is_leader", "1 if this node leads", |s| {
        f64::from(u8::from(s.node.log.leadership() == Leadership::Leads))
    }),
    gauge("flotilla_raft_has_leader", "1 if a leader is known that a majority hears", |s| {
        f64::from(u8::from(s.node.log.leadership().is_sound()))
    }),
    gauge("flotilla_raft_last_index", "Index of the last log entry", |s| s.node.log.last_index() as f64),
    gauge("flotilla_raft_committed_index", "Index of the last committed entry", |s| {
        s.node.log.committed_index() as f64
    }),
    gauge("flotilla_raft_applied_index", "Index of the last applied entry", |s| {
        s.node.log.applied_index() as f64
    }),
    gauge("flotilla_raft_purged_index", "Index of the last purged entry", |s| {
        s.node.log.purged_index() as f64
    }),
    gauge("flotilla_raft_log_bytes", "Bytes of log segments on disk", |s| s.node.log.log_bytes() as f64),
    gauge(
        "flotilla_log_time_ahead_seconds",
        "How far log time is ahead of wall clocks: where this node leads most of the core's, else its own",
        |s| s.node.log.clock.ahead_ms() as f64 / 1000.0,
    ),
    gauge("flotilla_core_index", "Entry of the core's log that the data stand at", |s| {
        load(&s.node.log.edge.core_index)
    }),
    gauge("flotilla_edges", "Edges that this core node feeds", |s| s.node.log.fed.len() as f64),
    gauge("flotilla_edge_lag_entries", "On an edge: entries of the core that are missing", |s| {
        s.node.log.edge.lag_entries() as f64
    }),
    gauge("flotilla_edge_lag_bytes", "On an edge: bytes that are missing, about", |s| {
        s.node.log.edge.lag_bytes() as f64
    }),
    gauge("flotilla_edge_lag_seconds", "On an edge: how long ago nothing was missing", |s| {
        if s.node.log.edge.is_edge() { s.node.log.edge.lag().as_secs_f64() } else { 0.0 }
    }),
    gauge("flotilla_edge_is_following", "On an edge: 1 while it follows the core", |s| {
        f64::from(u8::from(*s.node.log.edge.following.read() == Following::Log))
    }),
    counter("flotilla_edge_received_bytes", "On an edge: bytes of feeds, as they came", |s| {
        load(&s.node.log.edge.received_bytes)
    }),
    counter("flotilla_edge_seeds", "On an edge: bootstrap snapshots taken", |s| load(&s.node.log.edge.seeds)),
    counter(
        "flotilla_edge_contradictions",
        "On an edge: times that its data contradicted the core's log",
        |s| load(&s.node.log.edge.contradictions),
    ),
    gauge(
        "flotilla_edge_seed_bytes",
        "On an edge: bytes of a bootstrap snapshot that are here",
        |s| match *s.node.log.edge.following.read() {
            Following::Bootstrap { bytes, .. } => bytes as f64,
            Following::No | Following::Cut(_) | Following::Log | Following::Site => 0.0,
        },
    ),
    gauge("flotilla_edge_seed_of_bytes", "On an edge: bytes that a bootstrap snapshot has", |s| {
        match *s.node.log.edge.following.read() {
            Following::Bootstrap { of_bytes, .. } => of_bytes as f64,
            Following::No | Following::Cut(_) | Following::Log | Following::Site => 0.0,
        }
    }),
    gauge("flotilla_store_live_bytes", "Bytes of live store files on disk", |s| {
        s.store.live_sst_bytes as f64
    }),
    gauge("flotilla_memtable_bytes", "Bytes in memtables", |s| s.store.memtable_bytes as f64),
    gauge("flotilla_block_cache_bytes", "Bytes in the block cache", |s| s.store.block_cache_bytes as f64),
    gauge("flotilla_hot_cache_bytes", "Bytes in the hot cache", |s| s.store.hot_bytes as f64),
    gauge("flotilla_hot_cache_records", "Records in the hot cache", |s| s.store.hot_records as f64),
    counter("flotilla_hot_cache_hits", "Reads answered by the hot cache", |s| s.store.hot_hits as f64),
    counter("flotilla_hot_cache_misses", "Reads that the hot cache could not answer", |s| {
        s.store.hot_misses as f64
    }),
    gauge("flotilla_uptime_seconds", "Seconds since start", |s| s.node.uptime_seconds() as f64),
    gauge("flotilla_ready", "1 if the node can serve, as /readyz says", |s| {
        f64::from(u8::from(s.node.unready().is_none()))
    }),
    gauge("process_resident_memory_bytes", "Resident memory", |s| s.process.rss_bytes as f64),
    counter("process_cpu_seconds", "User and system CPU time", |s| {
        s.process.user_seconds + s.process.system_seconds
    }),
    gauge("process_open_fds", "Open file descriptors", |s| s.process.open_fds as f64),
];

/// What a core node tells of each edge that it feeds.
struct EdgeRow {
    name: &'static str,
    help: &'static str,
    read: fn(&FedSeen, u64) -> f64,
}

static EDGE_ROWS: &[EdgeRow] = &[
    EdgeRow {
        name: "flotilla_fed_edge_lag_entries",
        help: "Entries that an edge fed by this node has not applied",
        read: |seen, committed| seen.lag_entries(committed) as f64,
    },
    EdgeRow {
        name: "flotilla_fed_edge_lag_seconds",
        help: "How long ago nothing was missing at an edge fed by this node, as it says",
        read: |seen, _| seen.report.lag_ms as f64 / 1000.0,
    },
    EdgeRow {
        name: "flotilla_fed_edge_sent_bytes",
        help: "Bytes sent on the present connection of an edge",
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
        let sample = Sample { node: &self.0, store: self.0.store.stats(), process: ProcessUsage::read() };
        for row in ROWS {
            let value = (row.read)(&sample);
            match row.kind {
                Kind::Counter => {
                    let metric = ConstCounter::new(value);
                    metric.encode(encoder.encode_descriptor(
                        row.name,
                        row.help,
                        None,
                        metric.metric_type(),
                    )?)?;
                }
                Kind::Gauge => {
                    let metric = ConstGauge::new(value);
                    metric.encode(encoder.encode_descriptor(
                        row.name,
                        row.help,
                        None,
                        metric.metric_type(),
                    )?)?;
                }
            }
        }
        let (edges, committed) = (self.0.log.fed.seen(), self.0.log.committed_index());
        for row in EDGE_ROWS.iter().filter(|_| !edges.is_empty()) {
            let kind = prometheus_client::metrics::MetricType::Gauge;
            let mut family = encoder.encode_descriptor(row.name, row.help, None, kind)?;
            for edge in &edges {
                let labels = [("site", edge.site.as_str()), ("name", edge.name.as_str())];
                ConstGauge::new((row.read)(edge, committed)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// A registry over the node.
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
