//! INFO's lines about edge sites: of an edge, what it follows; of a core node, whom it feeds.

use super::info::line;
use crate::{
    config::EdgeWrites,
    session::Node,
    state::{FedSeen, Following},
};
use std::sync::atomic::Ordering;

/// The upstream's host and port, as INFO and ROLE tell of a master; empty and 0 before there was one.
pub(super) fn upstream(node: &Node) -> (String, u16) {
    let address = node.log.edge.upstream.read().clone();
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parts.unwrap_or_default()
}

/// What replicas say in INFO replication, of an edge.
pub(super) fn edge(node: &Node, out: &mut String) {
    let edge = &node.log.edge;
    let following = edge.following.read().clone();
    let (host, port) = upstream(node);
    line(out, "master_host", host);
    line(out, "master_port", port);
    line(out, "master_link_status", if node.log.is_fed() { "up" } else { "down" });
    line(out, "master_last_io_seconds_ago", edge.lag().as_secs());
    line(out, "master_sync_in_progress", u8::from(matches!(following, Following::Bootstrap { .. })));
    let index = edge.core_index.load(Ordering::Relaxed);
    line(out, "slave_read_repl_offset", index);
    line(out, "slave_repl_offset", index);
    line(out, "slave_priority", 0);
    // Whether writes sent here are refused; else they are sent on to the core.
    let refuses = node.config.settings().edge.as_ref().is_some_and(|edge| edge.writes == EdgeWrites::Reject);
    line(out, "slave_read_only", u8::from(refuses));
    line(out, "replica_announced", 0);
    line(out, "flotilla_site", edge.site.read());
    line(out, "flotilla_upstream", edge.upstream.read());
    line(out, "flotilla_edge_state", following.name());
    if let Following::Bootstrap { bytes, of_bytes } = following {
        line(out, "flotilla_seed_bytes", bytes);
        line(out, "flotilla_seed_of_bytes", of_bytes);
    }
    line(out, "flotilla_seeds", edge.seeds.load(Ordering::Relaxed));
    line(out, "flotilla_contradictions", edge.contradictions.load(Ordering::Relaxed));
    line(out, "flotilla_lag_entries", edge.lag_entries());
    line(out, "flotilla_lag_bytes", edge.lag_bytes());
    line(out, "flotilla_lag_ms", edge.lag().as_millis());
}

/// The edges that a core node feeds.
pub(super) fn fed(node: &Node, out: &mut String) {
    let committed = node.log.committed_index();
    let edges = node.log.fed.seen();
    line(out, "flotilla_edges", edges.len());
    for (number, seen) in edges.iter().enumerate() {
        let FedSeen { name, site, sent_index, report, .. } = seen;
        let text = format!(
            "name={name},site={site},state={},offset={},sent={sent_index},lag_entries={},lag_ms={}",
            report.state,
            report.core_index,
            seen.lag_entries(committed),
            report.lag_ms
        );
        line(out, &format!("flotilla_edge{number}"), text);
    }
}
