//! Histograms: how long calls take by class of command, writes through the log, and the stages behind them.
//!
//! Buckets end at powers of two of a nanosecond, where what is counted can be told apart exactly: 16 µs to 17 s.

use super::Sample;
use crate::state::DurationCounts;
use prometheus_client::{
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

const POWERS: std::ops::RangeInclusive<u32> = 14..=34;

/// A family of histograms, by the values of its label.
struct Family {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    read: fn(&Sample<'_>) -> Vec<(&'static str, DurationCounts)>,
}

const fn histograms(
    name: &'static str,
    label: &'static str,
    help: &'static str,
    read: fn(&Sample<'_>) -> Vec<(&'static str, DurationCounts)>,
) -> Family {
    Family { name, help, label, read }
}

static FAMILIES: &[Family] = &[
    histograms(
        "flotilla_command_duration_seconds",
        "class",
        "Time from a call to its reply, by class of command; counted while latency-tracking is on",
        |s| {
            s.node.stats.threads.classes().into_iter().map(|(class, counts)| (class.name(), counts)).collect()
        },
    ),
    histograms(
        "flotilla_stage_duration_seconds",
        "stage",
        "Time that a stage takes: writes through the log (commit), a write of the log with its fsync (log_sync), applying a batch of \
         entries (apply), reads that waited for the disk (disk_read), checkpoints (snapshot), deleting expired keys (expire)",
        |s| {
            let mut stages = s.node.group.state.latency.stages();
            stages.insert(0, ("commit", s.node.stats.threads.commits()));
            stages
        },
    ),
];

pub(super) fn encode(
    sample: &Sample<'_>,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    for row in FAMILIES {
        let mut family = encoder.encode_descriptor(row.name, row.help, None, MetricType::Histogram)?;
        for (value, counts) in (row.read)(sample) {
            one(family.encode_family(&[(row.label, value)])?, &counts)?;
        }
    }
    Ok(())
}

fn one(mut metric: MetricEncoder<'_>, counts: &DurationCounts) -> Result<(), std::fmt::Error> {
    let below = counts.below(POWERS);
    let mut before = 0;
    let ends = POWERS.map(|power| 2_f64.powi(i32::try_from(power).unwrap_or(i32::MAX)) / 1e9);
    // The encoder takes what each bucket has, and adds up itself.
    let mut buckets: Vec<(f64, u64)> = ends
        .zip(below)
        .map(|(end, below)| (end, below.saturating_sub(std::mem::replace(&mut before, below))))
        .collect();
    let all = counts.count();
    buckets.push((f64::INFINITY, all.saturating_sub(before)));
    metric.encode_histogram::<NoLabelSet>(counts.seconds(), all, &buckets, None)
}
