//! Prometheus metrics: tables of rows, each with a name, a kind, a help text and a function that reads the value. `clients.rs`,
//! `followers.rs`, `node.rs`, `replication.rs`, `source.rs` and `storage.rs` have the rows with one value; `labelled.rs` those with one for each of a few labels,
//! whose number no client decides; `durations.rs` the histograms.
//!
//! Names end in their unit; counters in `_total` (the exposition adds it). See the OpenMetrics specification.

mod clients;
mod durations;
mod followers;
mod labelled;
mod node;
mod replication;
mod source;
mod storage;

use crate::{
    commands::scripting::Kept,
    session::{Node, ProcessUsage, memory_limit_bytes},
    store::{EngineStats, StoreStats},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// All that rows read, sampled once per scrape.
struct Sample<'a> {
    node: &'a Node,
    store: StoreStats,
    engine: EngineStats,
    process: ProcessUsage,
    memory_limit: u64,
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

fn load(n: &AtomicU64) -> f64 {
    n.load(Ordering::Relaxed) as f64
}

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
            engine: self.0.group.store.engine_stats(),
            process: ProcessUsage::read(),
            memory_limit: memory_limit_bytes(),
            kept: Kept::of(&self.0),
        };
        let tables =
            [clients::ROWS, followers::ROWS, node::ROWS, replication::ROWS, source::ROWS, storage::ROWS];
        for row in tables.into_iter().flatten() {
            let value = (row.read)(&sample);
            let metric = encoder.encode_descriptor(row.name, row.help, None, row.kind)?;
            match row.kind {
                MetricType::Counter => ConstCounter::new(value).encode(metric)?,
                _ => ConstGauge::new(value).encode(metric)?,
            }
        }
        labelled::encode(&sample, &mut encoder)?;
        durations::encode(&sample, &mut encoder)
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
