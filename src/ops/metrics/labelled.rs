//! Metrics with one value for each of a few labels: owners of memory, levels of the store, certificates, edges.

use super::{Sample, source};
use crate::{feature_level, ops::certificates, state::FedSeen};
use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

pub(super) type Labels = Vec<(&'static str, String)>;

/// A family of gauges.
struct Family {
    name: &'static str,
    help: &'static str,
    read: fn(&Sample<'_>) -> Vec<(Labels, f64)>,
}

const fn gauges(
    name: &'static str,
    help: &'static str,
    read: fn(&Sample<'_>) -> Vec<(Labels, f64)>,
) -> Family {
    Family { name, help, read }
}

static FAMILIES: &[Family] = &[
    gauges("flotilla_build_info", "The build that runs, and its role; always 1", |s| {
        let role = if s.node.group.state.edge.is_edge() { "edge" } else { "core" };
        let labels = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("feature_levels", format!("{}-{}", feature_level::OLDEST, feature_level::NEWEST)),
            ("role", role.to_owned()),
        ];
        vec![(labels.into(), 1.0)]
    }),
    gauges("flotilla_memory_bytes", "Memory in use, by what takes it", |s| {
        let used = s.node.memory().by_owner();
        used.into_iter().map(|(owner, bytes)| (vec![("owner", owner.to_owned())], bytes as f64)).collect()
    }),
    gauges("flotilla_store_level_files", "Files of the store, by their level", |s| {
        by_level(s, |files, _| files)
    }),
    gauges("flotilla_store_level_bytes", "Bytes of those files, to the MiB", |s| {
        by_level(s, |_, bytes| bytes)
    }),
    gauges(
        "flotilla_certificate_expiry_timestamp_seconds",
        "When a certificate of this node expires, by the port that shows it",
        |s| {
            let all = certificates::of(&s.node.config.settings());
            let label = |port: &str| vec![("port", port.to_owned())];
            all.iter().map(|one| (label(one.port), one.expires_at_seconds.unwrap_or(0) as f64)).collect()
        },
    ),
    gauges(
        "flotilla_fed_edge_lag_entries",
        "Entries committed by the core and not yet applied by an edge that this node feeds",
        |s| fed(s, |seen, committed| seen.lag_entries(committed) as f64),
    ),
    gauges(
        "flotilla_fed_edge_lag_seconds",
        "Seconds since an edge that this node feeds last had all that the core had committed, as it reports",
        |s| fed(s, |seen, _| seen.report.lag_ms as f64 / 1000.0),
    ),
    gauges(
        "flotilla_source_phase",
        "1 for the phase in which following a Redis is, 0 for the others",
        source::phases,
    ),
    gauges("flotilla_fed_edge_sent_bytes", "Bytes sent on the current connection to an edge", |s| {
        fed(s, |seen, _| seen.sent_bytes as f64)
    }),
];

fn by_level(sample: &Sample<'_>, read: fn(u64, u64) -> u64) -> Vec<(Labels, f64)> {
    let levels = sample.engine.levels.iter();
    levels
        .map(|(level, (files, bytes))| (vec![("level", level.to_string())], read(*files, *bytes) as f64))
        .collect()
}

/// Of each edge that this node feeds.
fn fed(sample: &Sample<'_>, read: fn(&FedSeen, u64) -> f64) -> Vec<(Labels, f64)> {
    let (edges, committed) = (sample.node.group.state.fed.seen(), sample.node.group.state.committed_index());
    let labels = |edge: &FedSeen| vec![("site", edge.site.clone()), ("name", edge.name.clone())];
    edges.iter().map(|edge| (labels(edge), read(edge, committed))).collect()
}

pub(super) fn encode(
    sample: &Sample<'_>,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    for row in FAMILIES {
        let values = (row.read)(sample);
        if values.is_empty() {
            continue;
        }
        let mut family = encoder.encode_descriptor(row.name, row.help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}
