//! INFO's lines about edge sites: on an edge, its upstream; on a core node, the edges it feeds.

use super::info::line;
use crate::{
    config::EdgeWrites,
    session::Node,
    state::{FedSeen, Following},
};
use std::sync::atomic::Ordering;

/// The upstream's host and port, reported as the master in INFO and ROLE; empty and 0 before the first one.
pub(super) fn upstream(node: &Node) -> (String, u16) {
    let address = node.group.state.edge.upstream.read().clone();
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parts.unwrap_or_default()
}

/// Fields of a replica in INFO replication, for an edge.
pub(super) fn edge(node: &Node, out: &mut String) {
    let edge = &node.group.state.edge;
    let following = edge.following.read().clone();
    let (host, port) = upstream(node);
    line(out, "master_host", host);
    line(out, "master_port", port);
    line(out, "master_link_status", if node.group.state.is_link_up() { "up" } else { "down" });
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
    if let Following::Cut(why) = &following {
        line(out, "flotilla_edge_cut", why.replace(['\r', '\n'], " "));
    }
    if let Following::Bootstrap { bytes, of_bytes } = following {
        line(out, "flotilla_bootstrap_received_bytes", bytes);
        line(out, "flotilla_bootstrap_size_bytes", of_bytes);
    }
    line(out, "flotilla_bootstraps", edge.bootstraps.load(Ordering::Relaxed));
    line(out, "flotilla_contradictions", edge.contradictions.load(Ordering::Relaxed));
    line(out, "flotilla_lag_entries", edge.lag_entries());
    line(out, "flotilla_lag_bytes", edge.lag_bytes());
    line(out, "flotilla_lag_ms", edge.lag().as_millis());
}

/// The edges that a core node feeds.
pub(super) fn fed(node: &Node, out: &mut String) {
    let committed = node.group.state.committed_index();
    let edges = node.group.state.fed.seen();
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
