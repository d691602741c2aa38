//! INFO's lines about a Redis that the data follow, or have followed.

use super::info::line;
use crate::{session::Node, store::SourceRecord};

/// Nothing, unless there was one.
pub(super) fn source(node: &Node, out: &mut String) {
    let latest = node.group.store.latest();
    let Some(record) = latest.source() else { return };
    let now = node.group.state.clock.now_ms();
    line(out, "flotilla_source", &record.address);
    line(out, "flotilla_source_phase", record.phase.name());
    line(out, "flotilla_source_offset", if record.is_loading() { 0 } else { record.position });
    line(out, "flotilla_source_lag_bytes", record.lag_bytes());
    line(out, "flotilla_source_lag_ms", record.lag_ms(now));
    line(out, "flotilla_source_full_syncs", record.full_syncs);
    line(out, "flotilla_source_error", one_line(record));
}

fn one_line(record: &SourceRecord) -> String {
    record.error.replace(['\r', '\n'], " ")
}
