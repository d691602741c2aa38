//! Metrics of clients and of what they send.

use super::{Row, counter, gauge, load};

pub(super) static ROWS: &[Row] = &[
    counter("flotilla_connections_received", "Client connections accepted", |s| {
        load(&s.node.stats.connections_received)
    }),
    counter(
        "flotilla_connections_rejected",
        "Client connections refused because maxclients was reached",
        |s| load(&s.node.stats.connections_rejected),
    ),
    gauge("flotilla_connected_clients", "Open client connections", |s| s.node.clients.len() as f64),
    counter("flotilla_commands_processed", "Commands executed or refused", |s| {
        load(&s.node.stats.commands_processed)
    }),
    counter("flotilla_error_replies", "Error replies sent", |s| load(&s.node.stats.error_replies)),
    counter("flotilla_protocol_errors", "Client connections closed after a protocol error", |s| {
        load(&s.node.stats.protocol_errors)
    }),
    counter("flotilla_auth_failures", "Failed AUTH attempts", |s| load(&s.node.stats.auth_failures)),
    counter(
        "flotilla_output_limit_disconnections",
        "Clients disconnected because they did not read their replies",
        |s| load(&s.node.stats.output_limit_disconnections),
    ),
    counter(
        "flotilla_evicted_clients",
        "Clients closed because all together used more memory than maxmemory-clients",
        |s| load(&s.node.stats.evicted_clients),
    ),
    gauge("flotilla_clients_memory_bytes", "Memory of client connections", |s| {
        s.node.clients.memory.bytes() as f64
    }),
    gauge("flotilla_tracking_clients", "Clients that track keys (CLIENT TRACKING)", |s| {
        s.node.tracking.totals().clients as f64
    }),
    gauge("flotilla_tracking_keys", "Keys that clients track", |s| s.node.tracking.totals().keys as f64),
    counter("flotilla_tracking_invalidations", "Messages to clients that tracked keys have changed", |s| {
        s.node.tracking.totals().told as f64
    }),
    counter(
        "flotilla_tracking_forgotten_keys",
        "Tracked keys whose clients were told to drop them because the table of keys was full",
        |s| s.node.tracking.totals().forgotten as f64,
    ),
    counter("flotilla_reads_told", "Keys that other nodes have said were read there", |s| {
        s.node.group.store.reads_told() as f64
    }),
    gauge(
        "flotilla_tracking_changed_keys",
        "Recently changed keys that clients that reconnect can be told of",
        |s| s.node.tracking.recent.size().0 as f64,
    ),
    counter("flotilla_net_input_bytes", "Bytes read from clients", |s| load(&s.node.stats.net_input_bytes)),
    counter("flotilla_net_output_bytes", "Bytes written to clients", |s| {
        load(&s.node.stats.net_output_bytes)
    }),
    gauge("flotilla_blocked_clients", "Clients that wait for others to write", |s| {
        s.node.clients.blocked() as f64
    }),
    gauge("flotilla_maxclients", "Client connections that may be open", |s| {
        s.node.config.settings().maxclients as f64
    }),
    counter("flotilla_denied_commands", "Calls refused because the user may not call the command", |s| {
        load(&s.node.users.denied_commands)
    }),
];
