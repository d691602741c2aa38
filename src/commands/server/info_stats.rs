//! INFO stats, commandstats, errorstats and latencystats: counts since start or the last CONFIG RESETSTAT.

use super::info::line;
use crate::{
    commands::{
        scripting::{self, Kept},
        table,
    },
    session::{Node, Stats, Subscribed},
};
use std::sync::atomic::Ordering;

pub(super) fn stats(node: &Node, out: &mut String) {
    let (stats, get) = (&node.stats, Stats::get);
    let (hits, misses) = node.group.store.lookups();
    let (reads, writes) = stats.threads.sockets();
    let kib = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    line(out, "total_connections_received", get(&stats.connections_received));
    line(out, "total_commands_processed", get(&stats.commands_processed));
    line(out, "instantaneous_ops_per_sec", get(&stats.rates.commands));
    line(out, "total_net_input_bytes", get(&stats.net_input_bytes));
    line(out, "total_net_output_bytes", get(&stats.net_output_bytes));
    line(out, "total_net_repl_input_bytes", get(&node.group.state.edge.received_bytes));
    line(out, "total_net_repl_output_bytes", 0);
    line(out, "instantaneous_input_kbps", kib(get(&stats.rates.input_bytes)));
    line(out, "instantaneous_output_kbps", kib(get(&stats.rates.output_bytes)));
    line(out, "instantaneous_input_repl_kbps", "0.00");
    line(out, "instantaneous_output_repl_kbps", "0.00");
    line(out, "rejected_connections", get(&stats.connections_rejected));
    line(out, "sync_full", 0);
    line(out, "sync_partial_ok", 0);
    line(out, "sync_partial_err", 0);
    line(out, "expired_keys", get(&stats.expired_keys));
    line(out, "expired_subkeys", get(&stats.expired_subkeys));
    // Keys are deleted as they expire: a sampling cycle would find none.
    line(out, "expired_stale_perc", "0.00");
    line(out, "expired_time_cap_reached_count", 0);
    line(out, "expire_cycle_cpu_milliseconds", 0);
    line(out, "evicted_keys", get(&stats.evicted_keys));
    line(out, "evicted_clients", get(&stats.evicted_clients));
    line(out, "evicted_scripts", Kept::of(node).scripts.evicted);
    let (exceeded, exceeded_now) = node.group.state.memory.exceeded();
    line(out, "total_eviction_exceeded_time", exceeded.as_millis());
    line(out, "current_eviction_exceeded_time", exceeded_now.as_millis());
    line(out, "keyspace_hits", hits);
    line(out, "keyspace_misses", misses);
    line(out, "pubsub_channels", node.pubsub.len(Subscribed::Channel));
    line(out, "pubsub_patterns", node.pubsub.len(Subscribed::Pattern));
    line(out, "pubsubshard_channels", node.pubsub.len(Subscribed::Shard));
    line(out, "flotilla_pubsub_dropped", node.pubsub.dropped.load(Ordering::Relaxed));
    line(out, "flotilla_pubsub_repeated", node.pubsub.repeated.load(Ordering::Relaxed));
    line(out, "latest_fork_usec", 0);
    line(out, "total_forks", 0);
    line(out, "migrate_cached_sockets", 0);
    line(out, "slave_expires_tracked_keys", 0);
    line(out, "flotilla_reads_told", node.group.store.reads_told());
    for name in ["hits", "misses", "key_hits", "key_misses"] {
        line(out, &format!("active_defrag_{name}"), 0);
    }
    line(out, "total_active_defrag_time", 0);
    line(out, "current_active_defrag_time", 0);
    let tracking = node.tracking.totals();
    line(out, "tracking_total_keys", tracking.keys);
    line(out, "tracking_total_items", tracking.items);
    line(out, "tracking_total_prefixes", tracking.prefixes);
    line(out, "flotilla_tracking_bytes", tracking.bytes);
    line(out, "flotilla_tracking_invalidations", tracking.told);
    line(out, "flotilla_tracking_forgotten_keys", tracking.forgotten);
    let (changed_keys, changed_bytes) = node.tracking.recent.size();
    line(out, "flotilla_tracking_changed_keys", changed_keys);
    line(out, "flotilla_tracking_changed_bytes", changed_bytes);
    line(out, "unexpected_error_replies", 0);
    line(out, "total_error_replies", get(&stats.error_replies));
    line(out, "dump_payload_sanitizations", 0);
    line(out, "total_reads_processed", reads);
    line(out, "total_writes_processed", writes);
    line(out, "io_threaded_reads_processed", 0);
    line(out, "io_threaded_writes_processed", 0);
    line(out, "client_query_buffer_limit_disconnections", get(&stats.query_limit_disconnections));
    line(out, "client_output_buffer_limit_disconnections", get(&stats.output_limit_disconnections));
    line(out, "reply_buffer_shrinks", 0);
    line(out, "reply_buffer_expands", 0);
    // There is no one loop for all clients.
    line(out, "eventloop_cycles", 0);
    line(out, "eventloop_duration_sum", 0);
    line(out, "eventloop_duration_cmd_sum", 0);
    line(out, "instantaneous_eventloop_cycles_per_sec", 0);
    line(out, "instantaneous_eventloop_duration_usec", 0);
    line(out, "acl_access_denied_auth", get(&stats.auth_failures));
    line(out, "acl_access_denied_cmd", get(&node.users.denied_commands));
    line(out, "acl_access_denied_key", get(&node.users.denied_keys));
    line(out, "acl_access_denied_channel", get(&node.users.denied_channels));
    line(out, "acl_access_denied_db", get(&node.users.denied_databases));
    line(out, "flotilla_protocol_errors", get(&stats.protocol_errors));
    line(out, "flotilla_blocking_reads", get(&stats.blocking_reads));
    line(out, "flotilla_output_limit_disconnections", get(&stats.output_limit_disconnections));
}

pub(super) fn commandstats(node: &Node, out: &mut String) {
    for (index, (name, stats)) in table().names().iter().zip(&node.stats.commands).enumerate() {
        let of_scripts = scripting::inner_calls(index);
        let calls = Stats::get(&stats.calls).saturating_add(of_scripts.calls);
        let failed = Stats::get(&stats.failed).saturating_add(of_scripts.failed);
        let micros = Stats::get(&stats.micros).saturating_add(of_scripts.micros);
        let rejected = Stats::get(&stats.rejected);
        if calls > 0 || rejected > 0 {
            let each = if calls > 0 { micros as f64 / calls as f64 } else { 0.0 };
            let text = format!(
                "calls={calls},usec={micros},usec_per_call={each:.2},rejected_calls={rejected},failed_calls={failed}"
            );
            line(out, &format!("cmdstat_{name}"), text);
        }
    }
}

pub(super) fn errorstats(node: &Node, out: &mut String) {
    for (code, count) in node.stats.errors.lock().iter() {
        line(out, &format!("errorstat_{code}"), format!("count={count}"));
    }
}

pub(super) fn latencystats(node: &Node, out: &mut String) {
    let settings = node.config.settings();
    if !settings.latency_tracking {
        return;
    }
    for (index, name) in table().names().iter().enumerate() {
        let Some(nanos) = node.stats.threads.percentiles(index, &settings.latency_percentiles) else {
            continue;
        };
        let pairs = settings.latency_percentiles.iter().zip(nanos);
        let words: Vec<String> =
            pairs.map(|(percentile, nanos)| format!("p{percentile}={:.3}", nanos as f64 / 1000.0)).collect();
        line(out, &format!("latency_percentiles_usec_{name}"), words.join(","));
    }
}
