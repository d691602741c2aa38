//! Metrics of servers that follow by PSYNC.

use super::{Row, Sample, counter, gauge, load};
use crate::psync::{FollowerPhase, StreamStatus};

pub(super) static ROWS: &[Row] = &[
    gauge("flotilla_psync_replicas", "Servers that follow this node by PSYNC", |s| {
        status(s).followers.len() as f64
    }),
    gauge(
        "flotilla_psync_lag_bytes",
        "Bytes of the stream that the slowest server which follows by PSYNC and has its copy does not have yet",
        |s| {
            let status = status(s);
            let online = status.followers.iter().filter(|one| one.phase == FollowerPhase::Online);
            online.map(|one| one.lag_bytes).max().unwrap_or(0) as f64
        },
    ),
    gauge(
        "flotilla_psync_kept_bytes",
        "Bytes of the stream for servers that follow by PSYNC in memory",
        |s| status(s).kept_bytes as f64,
    ),
    counter("flotilla_psync_sent_bytes", "Bytes of the stream made for servers that follow by PSYNC", |s| {
        load(&s.node.psync.totals.bytes)
    }),
    counter("flotilla_psync_copies", "Copies of all data asked for by PSYNC", |s| {
        load(&s.node.psync.totals.full_copies)
    }),
    counter(
        "flotilla_psync_slow_disconnections",
        "Servers that followed by PSYNC and were disconnected because they were too slow",
        |s| load(&s.node.psync.totals.dropped),
    ),
    counter(
        "flotilla_psync_restarts",
        "Times that all servers which follow by PSYNC had to get all data again",
        |s| load(&s.node.psync.totals.restarts),
    ),
];

fn status(sample: &Sample<'_>) -> StreamStatus {
    sample.node.psync.status()
}
