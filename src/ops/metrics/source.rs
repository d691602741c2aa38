//! Metrics of a Redis or Valkey that the data follow (`flotilla admin replicate-from`). They come from the replicated record, so all nodes
//! that are up to date say the same. Without a record they are 0, and there is no phase.

use super::{Row, Sample, counter, gauge, labelled::Labels};
use crate::store::{SourcePhase, SourceRecord};

const PHASES: [SourcePhase; 7] = [
    SourcePhase::Connecting,
    SourcePhase::Loading,
    SourcePhase::Following,
    SourcePhase::CuttingOver,
    SourcePhase::Failed,
    SourcePhase::Stopped,
    SourcePhase::CutOver,
];

pub(super) static ROWS: &[Row] = &[
    gauge(
        "flotilla_source_lag_bytes",
        "Bytes of the followed Redis's stream that are not applied here, as far as it has said; 0 while its data are loaded",
        |s| of(s, |record, _| record.lag_bytes() as f64),
    ),
    gauge(
        "flotilla_source_lag_seconds",
        "Seconds since the data were last known to be level with the followed Redis, which is asked at least every ten; 0 while its data are loaded, and once it is not followed any more",
        |s| of(s, level_age),
    ),
    gauge(
        "flotilla_source_has_error",
        "1 if the followed Redis is not followed at the moment, or not any more, for a reason that --status tells",
        |s| of(s, |record, _| f64::from(u8::from(record.is_engaged() && !record.error.is_empty()))),
    ),
    gauge("flotilla_source_loaded_keys", "Keys of the followed Redis's snapshot that are here", |s| {
        of(s, |record, _| record.keys as f64)
    }),
    gauge("flotilla_source_expected_keys", "Keys that it had about then; 0 = not known", |s| {
        of(s, |record, _| record.keys_total as f64)
    }),
    gauge("flotilla_source_loaded_bytes", "Bytes of that snapshot that are here", |s| {
        of(s, |record, _| record.bytes as f64)
    }),
    gauge("flotilla_source_expected_bytes", "Bytes that it has; 0 = not known", |s| {
        of(s, |record, _| record.bytes_total as f64)
    }),
    counter(
        "flotilla_source_commands",
        "Commands of the followed Redis's stream that were applied; begins again with a snapshot",
        |s| of(s, |record, _| record.commands as f64),
    ),
    counter("flotilla_source_full_syncs", "Snapshots that the followed Redis has sent", |s| {
        of(s, |record, _| record.full_syncs as f64)
    }),
    counter("flotilla_source_partial_syncs", "Times that its stream went on where it was cut", |s| {
        of(s, |record, _| record.partial_syncs as f64)
    }),
];

fn of(sample: &Sample<'_>, read: fn(&SourceRecord, u64) -> f64) -> f64 {
    let now = sample.node.group.state.clock.now_ms();
    sample.node.group.store.latest().source().map_or(0.0, |record| read(record, now))
}

/// Counts on when the source is not heard any more.
fn level_age(record: &SourceRecord, now: u64) -> f64 {
    match record.phase {
        SourcePhase::Following | SourcePhase::CuttingOver => {
            now.saturating_sub(record.level_at) as f64 / 1000.0
        }
        SourcePhase::Connecting
        | SourcePhase::Loading
        | SourcePhase::Failed
        | SourcePhase::Stopped
        | SourcePhase::CutOver => 0.0,
    }
}

/// One for each phase; that in which it is has 1.
pub(super) fn phases(sample: &Sample<'_>) -> Vec<(Labels, f64)> {
    let latest = sample.node.group.store.latest();
    let Some(record) = latest.source() else { return Vec::new() };
    let value = |phase: SourcePhase| f64::from(u8::from(phase == record.phase));
    PHASES.into_iter().map(|phase| (vec![("phase", phase.name().to_owned())], value(phase))).collect()
}
