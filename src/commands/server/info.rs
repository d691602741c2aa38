//! INFO: what exporters, clients and people read.
//!
//! All fields of Redis 7.2, with true values, or 0 if the thing does not exist here; Flotilla's own fields start with
//! `flotilla_`. `info_memory.rs` and `info_stats.rs` have the longer sections.

use super::{info_edge, info_memory, info_psync, info_source, info_stats};
use crate::{
    command::{Args, Command, Flags, Group, Run},
    config::OnFollower,
    error::Result,
    feature_level,
    limits::REPORTED_REDIS_VERSION,
    resp::{Protocol, Reply},
    session::{Context, Node, ProcessUsage},
    state::{Follower, Leadership, PortKind},
    time::{monotonic_ms, now_ms},
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
const SECTIONS: [(&str, bool, Write1); 13] = [
    ("Server", true, server),
    ("Clients", true, clients),
    ("Memory", true, info_memory::memory),
    ("Persistence", true, persistence),
    ("Stats", true, info_stats::stats),
    ("Replication", true, replication),
    ("CPU", true, cpu),
    ("Modules", true, |_, _| {}),
    ("Commandstats", false, info_stats::commandstats),
    ("Errorstats", true, info_stats::errorstats),
    ("Latencystats", false, info_stats::latencystats),
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
    line(out, "redis_build_id", "0");
    let mode = if node.config.settings().cluster_enabled { "cluster" } else { "standalone" };
    line(out, "redis_mode", mode);
    let kernel = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let os = format!("{} {} {}", text(kernel.sysname()), text(kernel.release()), text(kernel.machine()));
    line(out, "os", os);
    line(out, "arch_bits", usize::BITS);
    line(out, "monotonic_clock", "POSIX clock_gettime");
    line(out, "multiplexing_api", "epoll");
    line(out, "atomicvar_api", "rust-builtin");
    // There is no C compiler to report.
    line(out, "gcc_version", "0.0.0");
    line(out, "process_id", std::process::id());
    line(out, "process_supervised", "no");
    line(out, "run_id", &node.identity.run_id);
    line(out, "tcp_port", node.port.load(Ordering::Relaxed));
    line(out, "server_time_usec", crate::time::now_micros());
    line(out, "uptime_in_seconds", uptime);
    line(out, "uptime_in_days", uptime / 86_400);
    line(out, "hz", node.config.value("hz"));
    line(out, "configured_hz", node.config.value("hz"));
    line(out, "lru_clock", now_ms() / 1000 % (1 << 24));
    line(out, "executable", std::env::current_exe().unwrap_or_default().display());
    line(out, "config_file", "");
    line(out, "io_threads_active", u8::from(settings.network_threads > 1));
    let port = node.port.load(Ordering::Relaxed);
    for (number, ip) in settings.bind.iter().enumerate() {
        line(out, &format!("listener{number}"), format!("name=tcp,bind={ip},port={port}"));
    }
    line(out, "flotilla_feature_level", node.group.state.feature_level());
    line(out, "flotilla_feature_levels", format!("{}-{}", feature_level::OLDEST, feature_level::NEWEST));
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
    let all = node.clients.select(&crate::session::ClientFilter::default(), monotonic_ms());
    let largest =
        |read: fn(&crate::session::Client) -> u64| all.iter().map(|client| read(client)).max().unwrap_or(0);
    line(
        out,
        "client_recent_max_input_buffer",
        largest(|client| client.memory.query.load(Ordering::Relaxed)),
    );
    line(
        out,
        "client_recent_max_output_buffer",
        largest(|client| client.memory.unsent.load(Ordering::Relaxed)),
    );
    line(out, "blocked_clients", node.clients.blocked());
    line(out, "tracking_clients", node.tracking.totals().clients);
    line(out, "clients_in_timeout_table", 0);
    line(out, "total_blocking_keys", node.parking.keys());
    line(out, "total_blocking_keys_on_nokey", 0);
}

fn persistence(node: &Node, out: &mut String) {
    let load = |flag: &std::sync::atomic::AtomicBool| flag.load(Ordering::Relaxed);
    let store = node.group.store.stats();
    let is_empty = node.group.state.edge.is_edge() && !node.group.state.edge.has_data();
    let saving_since = node.checkpoint_began_ms.load(Ordering::Relaxed);
    let saving_for = match saving_since {
        0 => -1,
        since => i64::try_from(monotonic_ms().saturating_sub(since) / 1000).unwrap_or(i64::MAX),
    };
    line(out, "loading", u8::from(!load(&node.ready) || is_empty));
    line(out, "async_loading", 0);
    line(out, "current_cow_peak", 0);
    line(out, "current_cow_size", 0);
    line(out, "current_cow_size_age", 0);
    line(out, "current_fork_perc", "0.00");
    line(out, "current_save_keys_processed", 0);
    line(out, "current_save_keys_total", 0);
    line(out, "rdb_changes_since_last_save", 0);
    line(out, "rdb_bgsave_in_progress", u8::from(load(&node.checkpoint_running)));
    line(out, "rdb_last_save_time", node.last_save.load(Ordering::Relaxed));
    line(out, "rdb_last_bgsave_status", if load(&node.last_checkpoint_ok) { "ok" } else { "err" });
    line(out, "rdb_last_bgsave_time_sec", node.checkpoint_seconds.load(Ordering::Relaxed));
    line(out, "rdb_current_bgsave_time_sec", saving_for);
    line(out, "rdb_saves", node.checkpoints.load(Ordering::Relaxed));
    line(out, "rdb_last_cow_size", 0);
    line(out, "rdb_last_load_keys_expired", 0);
    line(out, "rdb_last_load_keys_loaded", 0);
    // The Raft log takes the role of Redis's append-only file.
    line(out, "aof_enabled", 1);
    line(out, "aof_rewrite_in_progress", 0);
    line(out, "aof_rewrite_scheduled", 0);
    line(out, "aof_last_rewrite_time_sec", -1);
    line(out, "aof_current_rewrite_time_sec", -1);
    line(out, "aof_last_bgrewrite_status", "ok");
    line(out, "aof_rewrites", 0);
    line(out, "aof_rewrites_consecutive_failures", 0);
    line(out, "aof_last_write_status", "ok");
    line(out, "aof_last_cow_size", 0);
    line(out, "module_fork_in_progress", 0);
    line(out, "module_fork_last_cow_size", 0);
    line(out, "aof_current_size", node.group.state.log_bytes());
    line(out, "aof_base_size", 0);
    line(out, "aof_pending_rewrite", 0);
    line(out, "aof_buffer_length", node.group.state.queued_bytes.load(Ordering::Relaxed));
    line(out, "aof_pending_bio_fsync", 0);
    line(out, "aof_delayed_fsync", 0);
    line(out, "flotilla_log_bytes", node.group.state.log_bytes());
    line(out, "flotilla_log_last_index", node.group.state.last_index());
    line(out, "flotilla_log_applied_index", node.group.state.applied_index());
    line(out, "flotilla_log_purged_index", node.group.state.purged_index());
    let backups = node.backups.status();
    line(out, "flotilla_backup_in_progress", u8::from(backups.running.is_some()));
    line(out, "flotilla_backup_last_time", backups.last.as_ref().map_or(0, |last| last.taken_at_ms / 1000));
    line(out, "flotilla_backup_last_status", if backups.error.is_some() { "err" } else { "ok" });
    line(out, "flotilla_archived_revision", backups.archived.as_ref().map_or(0, |archived| archived.index));
    line(out, "flotilla_archive_status", if backups.archive_error.is_some() { "err" } else { "ok" });
    line(out, "flotilla_store_bytes", store.live_sst_bytes);
    line(out, "flotilla_disk_state", node.group.state.disk.state().name());
    line(out, "flotilla_disk_left_bytes", node.group.state.disk.left());
    line(out, "flotilla_disk_low_bytes", node.group.state.disk.low());
    line(out, "flotilla_disk_total_bytes", node.group.state.disk.total());
    line(out, "flotilla_growth_refused", u8::from(node.group.state.refuses_growth()));
}

fn replication(node: &Node, out: &mut String) {
    let committed = node.group.state.committed_index();
    let (leadership, is_edge) = (node.group.state.leadership(), node.group.state.edge.is_edge());
    line(out, "role", if node.group.state.is_replica() { "slave" } else { "master" });
    if is_edge {
        info_edge::edge(node, out);
    } else if leadership != Leadership::Leads {
        let (host, port) = node.group.state.leader_clients(PortKind::Plain);
        line(out, "master_host", host);
        line(out, "master_port", port);
        let silent = node.group.state.silent_seconds();
        line(out, "master_link_status", if node.group.state.is_link_up() { "up" } else { "down" });
        line(
            out,
            "master_last_io_seconds_ago",
            if leadership.is_sound() { silent.to_string() } else { "-1".into() },
        );
        line(out, "master_sync_in_progress", 0);
        line(out, "slave_read_repl_offset", node.group.state.applied_index());
        line(out, "slave_repl_offset", node.group.state.applied_index());
        if !leadership.is_sound() {
            line(out, "master_link_down_since_seconds", silent);
        }
        line(out, "slave_priority", 100);
        // Whether writes sent here are refused; else they are sent on to the leader.
        let forwards = node.config.settings().on_follower == OnFollower::Forward;
        line(out, "slave_read_only", u8::from(!forwards));
        line(out, "replica_announced", 1);
    }
    let followers = node.group.state.followers();
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
    let offset = if is_edge { node.group.state.edge.committed.load(Ordering::Relaxed) } else { committed };
    line(out, "master_repl_offset", offset);
    line(out, "flotilla_core_index", node.group.state.edge.core_index.load(Ordering::Relaxed));
    line(out, "second_repl_offset", -1);
    line(out, "repl_backlog_active", 0);
    line(out, "repl_backlog_size", 0);
    line(out, "repl_backlog_first_byte_offset", 0);
    line(out, "repl_backlog_histlen", 0);
    line(out, "flotilla_raft_applied_index", node.group.state.applied_index());
    line(out, "flotilla_raft_term", node.group.state.term());
    line(out, "flotilla_raft_is_leader", u8::from(leadership == Leadership::Leads));
    line(out, "flotilla_raft_leadership", leadership.name());
    let sums = &node.group.state.sums;
    let compared = sums.last();
    line(out, "flotilla_compared_index", compared.as_ref().map_or(0, |compared| compared.index));
    line(out, "flotilla_compared", compared.as_ref().map_or("never", |compared| compared.outcome.word()));
    line(out, "flotilla_compared_seconds_ago", compared.map_or(-1, |compared| compared.seconds_ago()));
    line(out, "flotilla_compared_differences", sums.differed.load(Ordering::Relaxed));
    line(out, "flotilla_verified_index", node.group.state.verified_index.load(Ordering::Relaxed));
    line(out, "flotilla_divergent_nodes", node.group.state.divergent_nodes.load(Ordering::Relaxed));
    line(out, "flotilla_raft_leader_id", node.group.state.sound_leader_id());
    line(out, "flotilla_log_time_ms", node.group.state.clock.now_ms());
    line(out, "flotilla_log_time_ahead_ms", node.group.state.clock.ahead_ms());
    if !is_edge {
        info_edge::fed(node, out);
    }
    info_source::source(node, out);
    info_psync::psync(node, out);
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
    // Several threads do here what Redis's main thread does.
    line(out, "used_cpu_sys_main_thread", format!("{:.6}", usage.network_system_seconds));
    line(out, "used_cpu_user_main_thread", format!("{:.6}", usage.network_user_seconds));
}

fn cluster(node: &Node, out: &mut String) {
    line(out, "cluster_enabled", u8::from(node.config.settings().cluster_enabled));
}

fn keyspace(node: &Node, out: &mut String) {
    for (db, counts) in node.group.store.published().state().databases().iter().enumerate() {
        if counts.keys > 0 {
            let db = u32::try_from(db).unwrap_or(u32::MAX);
            let avg_ttl = if counts.expires > 0 { node.group.store.mean_lifetime_ms(db) } else { 0 };
            let text = format!("keys={},expires={},avg_ttl={avg_ttl}", counts.keys, counts.expires);
            line(out, &format!("db{db}"), text);
        }
    }
}
