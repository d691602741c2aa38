//! INFO's lines about servers that follow by PSYNC. They are no `slaveN:` lines: those are nodes of the core, at an offset of the log, and
//! clients and Sentinels that find nodes there would take a Redis for one.

use super::info::line;
use crate::session::Node;
use std::sync::atomic::Ordering;

/// Nothing, unless somebody has followed.
pub(super) fn psync(node: &Node, out: &mut String) {
    let (status, totals) = (node.psync.status(), &node.psync.totals);
    let joined = totals.full_copies.load(Ordering::Relaxed);
    line(out, "flotilla_psync_replicas", status.followers.len());
    if joined == 0 {
        return;
    }
    for (number, follower) in status.followers.iter().enumerate() {
        line(
            out,
            &format!("flotilla_psync_replica{number}"),
            format!(
                "ip={},port={},state={},offset={},lag_bytes={},lag={}",
                follower.address,
                follower.port,
                follower.phase.name(),
                follower.acked,
                follower.lag_bytes,
                follower.silent_seconds
            ),
        );
    }
    line(out, "flotilla_psync_active", u8::from(status.is_active));
    line(out, "flotilla_psync_replid", &status.replid);
    line(out, "flotilla_psync_offset", status.offset);
    line(out, "flotilla_psync_kept_bytes", status.kept_bytes);
    for (name, counter) in [
        ("flotilla_psync_full", &totals.full_copies),
        ("flotilla_psync_partial_ok", &totals.partial),
        ("flotilla_psync_partial_err", &totals.partial_refused),
        ("flotilla_psync_slow_disconnections", &totals.dropped),
        ("flotilla_psync_restarts", &totals.restarts),
        ("flotilla_psync_lost_element_expiries", &totals.lost_expiries),
        ("flotilla_psync_values_sent", &totals.values),
        ("flotilla_psync_commands_sent", &totals.commands),
    ] {
        line(out, name, counter.load(Ordering::Relaxed));
    }
}
