//! INFO: what exporters, clients and people read.
//!
//! Field names are Redis's where the meaning is the same; what only Flotilla has begins with `flotilla_`. Memory is the
//! process's resident memory, since data does not live in it.

use super::info_edge;
use crate::{
    command::{Args, Command, Flags, Group, Run},
    commands::table,
    error::Result,
    limits::REPORTED_REDIS_VERSION,
    resp::{Protocol, Reply},
    session::{Context, Follower, Node, ProcessUsage, Stats, Subscribed},
    time::now_ms,
};
use bytes::Bytes;
use std::{fmt::Write, sync::atomic::Ordering};

pub(super) const INFO: Command = Command {
    name: "INFO",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    arity: -1,
    run: Run::Local(info),
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::DANGEROUS),
    group: Group::Server,
    summary: "Describes the server in lines of text, by section.",
    syntax: "[section [section ...]]",
    ..Command::BASE
};

type Write1 = fn(&Node, &mut String);

/// Sections in order; false = only on request (`all`, `everything`, by name).
const SECTIONS: [(&str, bool, Write1); 12] = [
    ("Server", true, server),
    ("Clients", true, clients),
    ("Memory", true, memory),
    ("Persistence", true, persistence),
    ("Stats", true, stats),
    ("Replication", true, replication),
    ("CPU", true, cpu),
    ("Modules", true, |_, _| {}),
    ("Commandstats", false, commandstats),
    ("Errorstats", true, errorstats),
    ("Cluster", true, cluster),
    ("Keyspace", true, keyspace),
];

fn info(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let wanted: Vec<String> =
        args.rest().iter().map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect();
    let any = |word: &str| wanted.iter().any(|wanted| wanted == word);
    let (all, default) = (any("all") || any("everything"), wanted.is_empty() || any("default"));
    let mut out = String::new();
    for (name, is_default, write) in SECTIONS {
        if all || (default && is_default) || any(&name.to_ascii_lowercase()) {
            if !out.is_empty() {
                out.push_str("\r\n");
            }
            out.push_str(&format!("# {name}\r\n"));
            write(context.node, &mut out);
        }
    }
    Ok(match context.session.protocol {
        Protocol::Resp2 => Reply::bulk(out),
        Protocol::Resp3 => Reply::Verbatim("txt", Bytes::from(out)),
    })
}

/// Appends `name:value`; writing to a String cannot fail.
pub(super) fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = write!(out, "{name}:{value}\r\n");
}

fn server(node: &Node, out: &mut String) {
    let settings = node.config.settings();
    let uptime = node.uptime_seconds();
    line(out, "redis_version", REPORTED_REDIS_VERSION);
    line(out, "flotilla_version", env!("CARGO_PKG_VERSION"));
    line(out, "redis_git_sha1", "00000000");
    line(out, "redis_git_dirty", 0);
    let mode = if node.config.settings().cluster_enabled { "cluster" } else { "standalone" };
    line(out, "redis_mode", mode);
    let kernel = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let os = format!("{} {} {}", text(kernel.sysname()), text(kernel.release()), text(kernel.machine()));
    line(out, "os", os);
    line(out, "arch_bits", usize::BITS);
    line(out, "monotonic_clock", "POSIX clock_gettime");
    line(out, "multiplexing_api", "epoll");
    line(out, "process_id", std::process::id());
    line(out, "process_supervised", "no");
    line(out, "run_id", &node.identity.run_id);
    line(out, "tcp_port", node.port.load(Ordering::Relaxed));
    line(out, "server_time_usec", crate::time::now_micros());
    line(out, "uptime_in_seconds", uptime);
    line(out, "uptime_in_days", uptime / 86_400);
    line(out, "hz", 10);
    line(out, "configured_hz", 10);
    line(out, "lru_clock", now_ms() / 1000 % (1 << 24));
    line(out, "executable", std::env::current_exe().unwrap_or_default().display());
    line(out, "config_file", "");
    line(out, "io_threads_active", u8::from(settings.network_threads > 1));
    line(out, "flotilla_node_name", &node.identity.node_name);
    line(out, "flotilla_node_id", node.identity.node_id);
    let cluster = node.identity.cluster.read().clone();
    line(out, "flotilla_cluster_id", &cluster.cluster_id);
    line(out, "flotilla_history_id", node.history_id());
}

fn clients(node: &Node, out: &mut String) {
    line(out, "connected_clients", node.clients.len());
    line(out, "cluster_connections", 0);
    line(out, "maxclients", node.config.settings().maxclients);
    let all = node.clients.select(&crate::session::ClientFilter::default(), now_ms());
    let largest =
        |read: fn(&crate::session::Client) -> u64| all.iter().map(|client| read(client)).max().unwrap_or(0);
    line(out, "client_recent_max_input_buffer", largest(|client| client.query_bytes.load(Ordering::Relaxed)));
    line(
        out,
        "client_recent_max_output_buffer",
        largest(|client| client.output_bytes.load(Ordering::Relaxed)),
    );
    line(out, "blocked_clients", node.clients.blocked());
    line(out, "tracking_clients", 0);
    line(out, "clients_in_timeout_table", 0);
}

fn memory(node: &Node, out: &mut String) {
    let (usage, store) = (ProcessUsage::read(), node.store.stats());
    let mut sized = |name: &str, bytes: u64| {
        line(out, name, bytes);
        line(out, &format!("{name}_human"), human(bytes));
    };
    sized("used_memory", usage.rss_bytes);
    sized("used_memory_rss", usage.rss_bytes);
    sized("used_memory_peak", usage.rss_peak_bytes);
    sized("total_system_memory", usage.system_memory_bytes);
    sized("used_memory_lua", 0);
    sized("maxmemory", 0);
    line(out, "used_memory_overhead", usage.rss_bytes.saturating_sub(store.hot_bytes));
    line(out, "used_memory_startup", 0);
    line(out, "used_memory_dataset", store.hot_bytes);
    line(out, "maxmemory_policy", "noeviction");
    line(out, "mem_fragmentation_ratio", "1.00");
    line(out, "mem_allocator", "mimalloc");
    line(out, "lazyfree_pending_objects", 0);
    line(out, "flotilla_hot_cache_bytes", store.hot_bytes);
    line(out, "flotilla_hot_cache_records", store.hot_records);
    line(out, "flotilla_hot_cache_hits", store.hot_hits);
    line(out, "flotilla_hot_cache_misses", store.hot_misses);
    line(out, "flotilla_block_cache_bytes", store.block_cache_bytes);
    line(out, "flotilla_memtable_bytes", store.memtable_bytes);
    line(out, "flotilla_table_readers_bytes", store.table_reader_bytes);
}

fn human(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "K", "M", "G", "T"] {
        if size < 1024.0 || unit == "T" {
            return if unit == "B" { format!("{bytes}B") } else { format!("{size:.2}{unit}") };
        }
        size /= 1024.0;
    }
    format!("{bytes}B")
}

fn persistence(node: &Node, out: &mut String) {
    let load = |flag: &std::sync::atomic::AtomicBool| flag.load(Ordering::Relaxed);
    let store = node.store.stats();
    let is_empty = node.log.edge.is_edge() && !node.log.edge.has_data();
    line(out, "loading", u8::from(!load(&node.ready) || is_empty));
    line(out, "async_loading", 0);
    line(out, "rdb_changes_since_last_save", 0);
    line(out, "rdb_bgsave_in_progress", u8::from(load(&node.checkpoint_running)));
    line(out, "rdb_last_save_time", node.last_save.load(Ordering::Relaxed));
    line(out, "rdb_last_bgsave_status", if load(&node.last_checkpoint_ok) { "ok" } else { "err" });
    line(out, "rdb_last_bgsave_time_sec", -1);
    line(out, "rdb_current_bgsave_time_sec", -1);
    line(out, "aof_enabled", 1);
    line(out, "aof_rewrite_in_progress", 0);
    line(out, "aof_rewrite_scheduled", 0);
    line(out, "aof_last_bgrewrite_status", "ok");
    line(out, "aof_last_write_status", "ok");
    line(out, "flotilla_log_bytes", node.log.log_bytes.load(Ordering::Relaxed));
    line(out, "flotilla_log_last_index", node.log.last_index.load(Ordering::Relaxed));
    line(out, "flotilla_log_applied_index", node.log.applied_index.load(Ordering::Relaxed));
    line(out, "flotilla_log_purged_index", node.log.purged_index.load(Ordering::Relaxed));
    line(out, "flotilla_store_bytes", store.live_sst_bytes);
}

fn stats(node: &Node, out: &mut String) {
    let (stats, get) = (&node.stats, Stats::get);
    let (hits, misses) = node.store.lookups();
    line(out, "total_connections_received", get(&stats.connections_received));
    line(out, "total_commands_processed", get(&stats.commands_processed));
    line(out, "instantaneous_ops_per_sec", get(&stats.ops_per_second));
    line(out, "total_net_input_bytes", get(&stats.net_input_bytes));
    line(out, "total_net_output_bytes", get(&stats.net_output_bytes));
    line(out, "rejected_connections", get(&stats.connections_rejected));
    line(out, "sync_full", 0);
    line(out, "sync_partial_ok", 0);
    line(out, "sync_partial_err", 0);
    line(out, "expired_keys", get(&stats.expired_keys));
    line(out, "expired_subkeys", get(&stats.expired_subkeys));
    line(out, "evicted_keys", 0);
    line(out, "evicted_clients", 0);
    line(out, "keyspace_hits", hits);
    line(out, "keyspace_misses", misses);
    line(out, "pubsub_channels", node.pubsub.len(Subscribed::Channel));
    line(out, "pubsub_patterns", node.pubsub.len(Subscribed::Pattern));
    line(out, "pubsubshard_channels", node.pubsub.len(Subscribed::Shard));
    line(out, "flotilla_pubsub_dropped", node.pubsub.dropped.load(Ordering::Relaxed));
    line(out, "flotilla_pubsub_repeated", node.pubsub.repeated.load(Ordering::Relaxed));
    line(out, "latest_fork_usec", 0);
    line(out, "total_error_replies", get(&stats.error_replies));
    line(out, "total_reads_processed", get(&stats.commands_processed));
    line(out, "acl_access_denied_auth", get(&stats.auth_failures));
    line(out, "flotilla_protocol_errors", get(&stats.protocol_errors));
    line(out, "flotilla_blocking_reads", get(&stats.blocking_reads));
    line(out, "flotilla_output_limit_disconnections", get(&stats.output_limit_disconnections));
}

fn replication(node: &Node, out: &mut String) {
    let committed = node.log.committed_index.load(Ordering::Relaxed);
    let (follows, is_edge) = (node.log.follows(), node.log.edge.is_edge());
    line(out, "role", if follows || is_edge { "slave" } else { "master" });
    if is_edge {
        info_edge::edge(node, out);
    } else if follows {
        let (host, port) = node.log.leader_clients();
        line(out, "master_host", host);
        line(out, "master_port", port);
        line(out, "master_link_status", if node.log.knows_leader() { "up" } else { "down" });
        line(out, "master_last_io_seconds_ago", 0);
        line(out, "master_sync_in_progress", 0);
        line(out, "slave_read_repl_offset", node.log.applied_index.load(Ordering::Relaxed));
        line(out, "slave_repl_offset", node.log.applied_index.load(Ordering::Relaxed));
        line(out, "slave_priority", 100);
        line(out, "slave_read_only", 0);
        line(out, "replica_announced", 1);
    }
    let followers = node.log.followers();
    line(out, "connected_slaves", followers.len());
    for (index, follower) in followers.iter().enumerate() {
        let Follower { host, port, offset, is_online } = follower;
        let state = if *is_online { "online" } else { "offline" };
        line(
            out,
            &format!("slave{index}"),
            format!("ip={host},port={port},state={state},offset={offset},lag=0"),
        );
    }
    line(out, "master_failover_state", "no-failover");
    // 40 hexadecimal digits that change with the history, as clients expect of a replication id.
    line(out, "master_replid", replid(&node.history_id()));
    line(out, "master_replid2", "0".repeat(40));
    let offset = if is_edge { node.log.edge.committed.load(Ordering::Relaxed) } else { committed };
    line(out, "master_repl_offset", offset);
    line(out, "flotilla_core_index", node.log.edge.core_index.load(Ordering::Relaxed));
    line(out, "second_repl_offset", -1);
    line(out, "repl_backlog_active", 0);
    line(out, "repl_backlog_size", 0);
    line(out, "repl_backlog_first_byte_offset", 0);
    line(out, "repl_backlog_histlen", 0);
    line(out, "flotilla_raft_applied_index", node.log.applied_index.load(Ordering::Relaxed));
    line(out, "flotilla_raft_term", node.log.term.load(Ordering::Relaxed));
    line(out, "flotilla_raft_is_leader", u8::from(node.log.is_leader.load(Ordering::Relaxed)));
    line(out, "flotilla_verified_index", node.log.verified_index.load(Ordering::Relaxed));
    line(out, "flotilla_divergent_nodes", node.log.divergent_nodes.load(Ordering::Relaxed));
    line(out, "flotilla_raft_leader_id", node.log.leader_id.load(Ordering::Relaxed));
    if !is_edge {
        info_edge::fed(node, out);
    }
}

fn replid(history: &str) -> String {
    let digits: String = history.chars().filter(char::is_ascii_hexdigit).collect();
    format!("{digits:0<40}").chars().take(40).collect::<String>().to_ascii_lowercase()
}

fn cpu(_node: &Node, out: &mut String) {
    let usage = ProcessUsage::read();
    line(out, "used_cpu_sys", format!("{:.6}", usage.system_seconds));
    line(out, "used_cpu_user", format!("{:.6}", usage.user_seconds));
    line(out, "used_cpu_sys_children", "0.000000");
    line(out, "used_cpu_user_children", "0.000000");
}

fn commandstats(node: &Node, out: &mut String) {
    for (name, stats) in table().names().iter().zip(&node.stats.commands) {
        let (calls, micros) = (Stats::get(&stats.calls), Stats::get(&stats.micros));
        let (rejected, failed) = (Stats::get(&stats.rejected), Stats::get(&stats.failed));
        if calls > 0 || rejected > 0 {
            let each = if calls > 0 { micros as f64 / calls as f64 } else { 0.0 };
            let text = format!(
                "calls={calls},usec={micros},usec_per_call={each:.2},rejected_calls={rejected},failed_calls={failed}"
            );
            line(out, &format!("cmdstat_{name}"), text);
        }
    }
}

fn errorstats(node: &Node, out: &mut String) {
    for (code, count) in node.stats.errors.lock().iter() {
        line(out, &format!("errorstat_{code}"), format!("count={count}"));
    }
}

fn cluster(node: &Node, out: &mut String) {
    line(out, "cluster_enabled", u8::from(node.config.settings().cluster_enabled));
}

fn keyspace(node: &Node, out: &mut String) {
    for (db, counts) in node.store.published().state().databases().iter().enumerate() {
        if counts.keys > 0 {
            let text = format!("keys={},expires={},avg_ttl=0", counts.keys, counts.expires);
            line(out, &format!("db{db}"), text);
        }
    }
}
