//! The report of how things are: what a person asks first, and what `doctor` judges.
//!
//! Bounded: ten calls, keys of each kind, and levels; words are cut.

use super::rates::{PerSecond, Sample};
use crate::{
    feature_level,
    ops::certificates::Certificate,
    session::{Node, ProcessUsage, memory_limit_bytes},
    state::{DurationCounts, Following},
    store::{EngineStats, StoreStats},
    time::now_ms,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

/// Calls and keys that are shown of each kind.
const SHOWN: usize = 10;
/// Characters of a key, and of a word of a call; words of a call.
const CHARACTERS_MAX: usize = 96;
const WORDS_MAX: usize = 8;

/// What was looked at beside the node.
pub(super) struct Around<'a> {
    pub(super) shown: &'a [Certificate],
    pub(super) engine: EngineStats,
    /// Stops and delays of the last ten minutes.
    pub(super) recent: (u64, u64),
}

pub(super) fn report(node: &Node, process: &ProcessUsage, sample: &Sample, around: Around<'_>) -> Value {
    let store = node.group.store.stats();
    let state = &node.group.state;
    let role = if state.edge.is_edge() { "edge" } else { "core" };
    json!({
        "name": node.identity.node_name,
        "id": node.identity.node_id.to_string(),
        "role": role,
        "version": env!("CARGO_PKG_VERSION"),
        "feature_level": state.feature_level(),
        "feature_levels": [feature_level::OLDEST, feature_level::NEWEST],
        "at_ms": now_ms(),
        "uptime_seconds": node.uptime_seconds(),
        "unready": node.unready(),
        "is_stopping": node.stopping.load(Ordering::Relaxed),
        "raft": raft(node),
        "per_second": per_second(&sample.last),
        "per_second_of_ten": per_second(&sample.window),
        "latency": latency(sample),
        "stages": stages(sample),
        "clients": clients(node),
        "memory": memory(node, process),
        "keys": node.group.store.published().state().databases().iter().map(|db| db.keys).sum::<u64>(),
        "store": of_store(&store, &around),
        "disk": disk(node),
        "backup": backup(node),
        "certificates": around.shown.iter().map(certificate).collect::<Vec<_>>(),
        "edge": state.edge.is_edge().then(|| edge(node)),
        "slow": slow(node),
        "hot": hot(node),
        "largest": largest(node),
        "access": access(node),
    })
}

fn raft(node: &Node) -> Value {
    let state = &node.group.state;
    json!({
        "leadership": state.leadership().name(),
        "problem": state.problem(),
        "term": state.term(),
        "last": state.last_index(),
        "committed": state.committed_index(),
        "applied": state.applied_index(),
        "purged": state.purged_index(),
        "log_bytes": state.log_bytes(),
        "queued_bytes": state.queued_bytes.load(Ordering::Relaxed),
        "clock_ahead_ms": state.clock.ahead_ms(),
        "divergent_nodes": state.divergent_nodes.load(Ordering::Relaxed),
        "compared": state.sums.last().map(|compared| json!({
            "outcome": compared.outcome.word(),
            "index": compared.index,
            "seconds_ago": compared.seconds_ago(),
        })),
        "is_damaged": state.is_damaged(),
        "raises_feature_level": node.config.settings().auto_upgrade,
    })
}

fn per_second(rates: &PerSecond) -> Value {
    json!({
        "commands": rates.commands.round(),
        "errors": tenths(rates.errors),
        "in_bytes": rates.in_bytes.round(),
        "out_bytes": rates.out_bytes.round(),
        "hits": rates.hits.round(),
        "misses": rates.misses.round(),
        "refused_writes": tenths(rates.refused),
        "evicted_keys": tenths(rates.evicted),
        "expired_keys": tenths(rates.expired),
        "cpu_cores": (rates.cpu * 100.0).round() / 100.0,
    })
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Of the last ten seconds; classes that were not called are left out.
fn latency(sample: &Sample) -> Vec<Value> {
    let called = sample.classes.iter().filter(|(_, counts)| counts.count() > 0);
    called.map(|(class, counts)| percentiles(class.name(), counts, sample.window_seconds)).collect()
}

fn stages(sample: &Sample) -> Vec<Value> {
    let passed = sample.stages.iter().filter(|(_, counts)| counts.count() > 0);
    passed.map(|(name, counts)| percentiles(name, counts, sample.window_seconds)).collect()
}

fn percentiles(name: &str, counts: &DurationCounts, seconds: f64) -> Value {
    let micros = |share: f64| counts.quantile(share) / 1000;
    json!({
        "name": name,
        "per_second": tenths(counts.count() as f64 / seconds.max(0.001)),
        "p50_us": micros(0.5),
        "p99_us": micros(0.99),
        "p999_us": micros(0.999),
    })
}

fn clients(node: &Node) -> Value {
    json!({
        "connected": node.clients.len(),
        "max": node.config.settings().maxclients,
        "blocked": node.clients.blocked(),
        "rejected": node.stats.connections_rejected.load(Ordering::Relaxed),
        "auth_failures": node.stats.auth_failures.load(Ordering::Relaxed),
    })
}

fn memory(node: &Node, process: &ProcessUsage) -> Value {
    let limit = node.config.settings().data_limit;
    let owners = node.memory().by_owner().map(|(owner, bytes)| json!({ "owner": owner, "bytes": bytes }));
    json!({
        "rss_bytes": process.rss_bytes,
        "limit_bytes": memory_limit_bytes(),
        "owners": owners,
        "dataset_bytes": node.group.state.memory.bytes(),
        "maxmemory_bytes": limit.bytes,
        "maxmemory_policy": node.config.value("maxmemory-policy"),
    })
}

fn of_store(store: &StoreStats, around: &Around<'_>) -> Value {
    let engine = &around.engine;
    let levels = engine.levels.iter().take(SHOWN);
    let levels =
        levels.map(|(level, (files, bytes))| json!({ "level": level, "files": files, "bytes": bytes }));
    json!({
        "bytes": store.live_sst_bytes,
        "levels": levels.collect::<Vec<_>>(),
        "recent_stops": around.recent.0,
        "recent_delays": around.recent.1,
        "write_delays": engine.delays,
        "write_stops": engine.stops,
        "is_stopped": engine.is_stopped,
        "background_errors": engine.background_errors,
        "pending_compaction_bytes": engine.pending_compaction_bytes,
        "memtables_waiting": engine.memtables_waiting,
        "flushes_running": engine.flushes_running,
        "compactions_running": engine.compactions_running,
    })
}

fn disk(node: &Node) -> Value {
    let disk = &node.group.state.disk;
    json!({
        "state": disk.state().name(),
        "left_bytes": disk.left(),
        "low_bytes": disk.low(),
        "total_bytes": disk.total(),
        "refuses_growth": node.group.state.refuses_growth(),
    })
}

fn backup(node: &Node) -> Value {
    let (status, settings) = (node.backups.status(), node.config.settings());
    json!({
        "is_configured": settings.backup.is_some(),
        "interval_seconds": settings.backup.as_ref().map_or(0, |backup| backup.interval_seconds),
        "archive_seconds": settings.backup.as_ref().map_or(0, |backup| backup.archive_seconds),
        "last": status.last.map(|last| json!({
            "name": last.name, "taken_at_ms": last.taken_at_ms, "bytes": last.bytes, "millis": last.millis,
        })),
        "running": status.running.map(|running| json!({ "bytes": running.bytes, "bytes_done": running.bytes_done })),
        "error": status.error,
        "restorable_ms": status.archived.map_or(0, |archived| archived.restorable_ms),
        "archive_error": status.archive_error,
    })
}

fn certificate(one: &Certificate) -> Value {
    json!({ "port": one.port, "expires_at_seconds": one.expires_at_seconds })
}

fn edge(node: &Node) -> Value {
    let edge = &node.group.state.edge;
    let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let following = edge.following.read().clone();
    let (why, bootstrap) = match &following {
        Following::Cut(why) => (Some(why.clone()), None),
        Following::Bootstrap { bytes, of_bytes } => {
            (None, Some(json!({ "bytes": bytes, "of_bytes": of_bytes })))
        }
        Following::No | Following::Log | Following::Site => (None, None),
    };
    json!({
        "site": *edge.site.read(),
        "upstream": *edge.upstream.read(),
        "state": following.name(),
        "why": why,
        "bootstrap": bootstrap,
        "core_index": load(&edge.core_index),
        "lag_entries": edge.lag_entries(),
        "lag_bytes": edge.lag_bytes(),
        "lag_ms": u64::try_from(edge.lag().as_millis()).unwrap_or(u64::MAX),
        "contradictions": load(&edge.contradictions),
    })
}

fn slow(node: &Node) -> Vec<Value> {
    let entries = node.stats.command_logs.slow.latest(SHOWN);
    let call = |argv: &[Vec<u8>]| {
        let mut words: Vec<String> = argv.iter().take(WORDS_MAX).map(|word| shown(word)).collect();
        if argv.len() > WORDS_MAX {
            words.push("…".to_owned());
        }
        words.join(" ")
    };
    let entry = |entry: &crate::session::CommandLogEntry| {
        json!({
            "at_seconds": entry.at_seconds, "micros": entry.value, "call": call(&entry.argv), "client": entry.peer,
        })
    };
    entries.iter().map(entry).collect()
}

/// Of the session of HOTKEYS that is under way, or of the last one.
fn hot(node: &Node) -> Value {
    let Some(report) = node.stats.hot_keys.report() else { return Value::Null };
    let (cpu, net) = (report.by_cpu.unwrap_or_default(), report.by_net.unwrap_or_default());
    let of = |list: &[(bytes::Bytes, u64)], key: &bytes::Bytes| {
        list.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    };
    let names: BTreeSet<&bytes::Bytes> = cpu.iter().chain(&net).map(|(name, _)| name).collect();
    let mut keys: Vec<(u64, u64, &bytes::Bytes)> =
        names.into_iter().map(|key| (of(&cpu, key).unwrap_or(0), of(&net, key).unwrap_or(0), key)).collect();
    keys.sort_by(|a, b| b.cmp(a));
    let keys = keys.iter().take(SHOWN);
    let keys =
        keys.map(|(micros, bytes, key)| json!({ "key": shown(key), "micros": micros, "bytes": bytes }));
    json!({ "is_under_way": report.is_under_way, "keys": keys.collect::<Vec<_>>() })
}

/// As far as somebody has asked for them (MEMORY LARGEST).
fn largest(node: &Node) -> Value {
    let known = node.group.store.known_largest_keys();
    if known.keys.is_empty() {
        return Value::Null;
    }
    let keys = known.keys.iter().take(SHOWN).map(
        |key| json!({ "db": key.db, "key": shown(&key.key), "type": key.kind.name(), "bytes": key.bytes }),
    );
    json!({ "is_complete": known.is_complete, "keys": keys.collect::<Vec<_>>() })
}

/// Whether anybody who reaches the client port may do everything.
fn access(node: &Node) -> Value {
    let settings = node.config.settings();
    let is_local = settings.bind.iter().all(std::net::IpAddr::is_loopback);
    json!({
        "is_open": node.users.is_open(&settings),
        "is_protected": settings.protected_mode || is_local,
        "peers_in_the_clear": settings.is_one_of_many() && settings.peer_tls.is_none() && !is_local,
    })
}

/// Bytes of a client as people read them; bytes that are no text are replaced.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..CHARACTERS_MAX.saturating_mul(4)).unwrap_or(bytes));
    let mut shown: String = text.chars().take(CHARACTERS_MAX).map(visible).collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() || bytes.len() > CHARACTERS_MAX.saturating_mul(4) {
        shown.push('…');
    }
    shown
}

/// Control characters would move a terminal's cursor, and those that turn the direction of text would mislead its reader.
fn visible(letter: char) -> char {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if letter.is_control() || turns { '\u{fffd}' } else { letter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_named_is_shown_as_text_and_cut() {
        assert_eq!(shown(b"<script>alert(1)</script>"), "<script>alert(1)</script>");
        assert_eq!(shown(b"a\x1b[2Jb\r\nc\xff"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}");
        assert_eq!(shown("abc\u{202e}cba".as_bytes()), "abc\u{fffd}cba");
        let long = shown(&[b'k'; 100_000]);
        assert_eq!((long.chars().count(), long.ends_with('…')), (CHARACTERS_MAX + 1, true));
        assert_eq!(shown(&[b'k'; CHARACTERS_MAX]), "k".repeat(CHARACTERS_MAX));
    }
}
