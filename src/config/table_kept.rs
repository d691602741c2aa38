//! Redis parameters that CONFIG stores and shows because clients and tools set them. None has an effect.

use super::parameter::{Change, Kind, Parameter};
use super::table::{INT, SIZE, row};

const fn kept(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Parameter {
    row(name, kind, default, Change::NoEffect, help)
}

const COUNT: Kind = Kind::Number { min: 0, max: i64::MAX };
const POSITIVE: Kind = Kind::Number { min: 1, max: i32::MAX as i64 };
const PERCENT: Kind = Kind::Number { min: 0, max: 1000 };

const NONE: &str = "Accepted for compatibility, no effect.";
const ENCODING: &str =
    "Accepted for compatibility: OBJECT ENCODING names what Redis would choose by default.";
const FREES: &str = "Accepted for compatibility: deletes never wait for memory to be freed.";
const REPLICATION: &str = "Accepted for compatibility: replication is Raft's.";
const FAILOVER: &str = "Accepted for compatibility: Raft elects the leader.";
const NO_RDB: &str = "Accepted for compatibility: snapshots are checkpoints of the store.";
const NO_AOF: &str = "Accepted for compatibility: the Raft log is purged automatically.";
const EVICTION: &str =
    "Accepted for compatibility: the leader evicts keys by entries of the log, which all replicas apply.";
const DEFRAG: &str = "Accepted for compatibility: there is no active defragmentation.";

pub(super) static PARAMETERS: &[Parameter] = &[
    kept("hash-max-listpack-entries", COUNT, "512", ENCODING).also("hash-max-ziplist-entries"),
    kept("hash-max-listpack-value", SIZE, "64", ENCODING).also("hash-max-ziplist-value"),
    kept(
        "list-max-listpack-size",
        Kind::Number { min: i32::MIN as i64, max: i32::MAX as i64 },
        "-2",
        ENCODING,
    )
    .also("list-max-ziplist-size"),
    kept("list-compress-depth", INT, "0", ENCODING),
    kept("set-max-intset-entries", COUNT, "512", ENCODING),
    kept("set-max-listpack-entries", COUNT, "128", ENCODING),
    kept("set-max-listpack-value", SIZE, "64", ENCODING),
    kept("zset-max-listpack-entries", COUNT, "128", ENCODING).also("zset-max-ziplist-entries"),
    kept("zset-max-listpack-value", SIZE, "64", ENCODING).also("zset-max-ziplist-value"),
    kept("hll-sparse-max-bytes", SIZE, "3000", ENCODING),
    kept(
        "stream-node-max-bytes",
        SIZE,
        "4096",
        "Accepted for compatibility: approximate trimming counts nodes of 100 entries.",
    ),
    kept(
        "stream-node-max-entries",
        COUNT,
        "100",
        "Accepted for compatibility: approximate trimming counts nodes of 100 entries.",
    ),
    kept("maxmemory-eviction-tenacity", Kind::Number { min: 0, max: 100 }, "10", EVICTION),
    kept("replica-ignore-maxmemory", Kind::Bool, "yes", EVICTION).also("slave-ignore-maxmemory"),
    kept("hz", Kind::Clamped { min: 1, max: 500 }, "10", NONE),
    kept("dynamic-hz", Kind::Bool, "yes", NONE),
    kept("activerehashing", Kind::Bool, "yes", NONE),
    kept(
        "active-expire-effort",
        Kind::Number { min: 1, max: 10 },
        "1",
        "Accepted for compatibility: expired keys are deleted as they expire.",
    ),
    kept("busy-reply-threshold", COUNT, "5000", NONE).also("lua-time-limit"),
    kept("acl-pubsub-default", Kind::Choice(&["allchannels", "resetchannels"]), "resetchannels", NONE),
    kept(
        "sanitize-dump-payload",
        Kind::Choice(&["no", "yes", "clients"]),
        "yes",
        "Accepted for compatibility: RESTORE checks every payload.",
    ),
    kept("lazyfree-lazy-eviction", Kind::Bool, "yes", FREES),
    kept("lazyfree-lazy-expire", Kind::Bool, "yes", FREES),
    kept("lazyfree-lazy-server-del", Kind::Bool, "yes", FREES),
    kept("lazyfree-lazy-user-del", Kind::Bool, "yes", FREES),
    kept("lazyfree-lazy-user-flush", Kind::Bool, "yes", FREES),
    kept("replica-lazy-flush", Kind::Bool, "yes", FREES).also("slave-lazy-flush"),
    kept("rdbcompression", Kind::Bool, "yes", NO_RDB),
    kept("rdb-del-sync-files", Kind::Bool, "no", NO_RDB),
    kept("rdb-save-incremental-fsync", Kind::Bool, "yes", NO_RDB),
    kept(
        "stop-writes-on-bgsave-error",
        Kind::Bool,
        "yes",
        "Accepted for compatibility: writes do not depend on BGSAVE.",
    ),
    kept("no-appendfsync-on-rewrite", Kind::Bool, "no", NO_AOF),
    kept("auto-aof-rewrite-percentage", INT, "100", NO_AOF),
    kept("auto-aof-rewrite-min-size", SIZE, "67108864", NO_AOF),
    kept("aof-rewrite-incremental-fsync", Kind::Bool, "yes", NO_AOF),
    kept("aof-load-truncated", Kind::Bool, "yes", NO_AOF),
    kept("aof-use-rdb-preamble", Kind::Bool, "yes", NO_AOF),
    kept("aof-disable-auto-gc", Kind::Bool, "no", NO_AOF),
    kept("masterauth", Kind::Secret, "", REPLICATION),
    kept("masteruser", Kind::Text, "", REPLICATION),
    kept(
        "repl-backlog-size",
        Kind::Bytes { min: 1, max: 1 << 50 },
        "1048576",
        "Accepted for compatibility: see log-retain-bytes.",
    ),
    kept("repl-backlog-ttl", COUNT, "3600", "Accepted for compatibility: see log-retain-seconds."),
    kept("repl-timeout", POSITIVE, "60", REPLICATION),
    kept("repl-ping-replica-period", POSITIVE, "10", REPLICATION).also("repl-ping-slave-period"),
    kept("repl-disable-tcp-nodelay", Kind::Bool, "no", REPLICATION),
    kept("repl-diskless-sync", Kind::Bool, "yes", REPLICATION),
    kept("repl-diskless-sync-delay", INT, "5", REPLICATION),
    kept("repl-diskless-sync-max-replicas", INT, "0", REPLICATION),
    kept("repl-diskless-load", Kind::Choice(&["disabled", "on-empty-db", "swapdb"]), "disabled", REPLICATION),
    kept("min-replicas-max-lag", INT, "10", REPLICATION).also("min-slaves-max-lag"),
    kept("cluster-node-timeout", COUNT, "15000", FAILOVER),
    kept("cluster-replica-validity-factor", INT, "10", FAILOVER).also("cluster-slave-validity-factor"),
    kept(
        "cluster-require-full-coverage",
        Kind::Bool,
        "yes",
        "Accepted for compatibility: the one shard has all slots.",
    ),
    kept("cluster-allow-pubsubshard-when-down", Kind::Bool, "yes", NONE),
    kept("cluster-link-sendbuf-limit", SIZE, "0", "Accepted for compatibility: there is no cluster bus."),
    kept("jemalloc-bg-thread", Kind::Bool, "yes", "Accepted for compatibility: the allocator is mimalloc."),
    kept("active-defrag-cycle-min", Kind::Number { min: 1, max: 99 }, "1", DEFRAG),
    kept("active-defrag-cycle-max", Kind::Number { min: 1, max: 99 }, "25", DEFRAG),
    kept("active-defrag-threshold-lower", PERCENT, "10", DEFRAG),
    kept("active-defrag-threshold-upper", PERCENT, "100", DEFRAG),
    kept("active-defrag-max-scan-fields", Kind::Number { min: 1, max: i64::MAX }, "1000", DEFRAG),
    kept("active-defrag-ignore-bytes", Kind::Bytes { min: 1, max: 1 << 50 }, "104857600", DEFRAG),
    kept("crash-log-enabled", Kind::Bool, "yes", NONE),
    kept("crash-memcheck-enabled", Kind::Bool, "yes", NONE),
    kept("ignore-warnings", Kind::Text, "", NONE),
    kept("oom-score-adj-values", Kind::Text, "0 200 800", "Accepted for compatibility: see oom-score-adj."),
    kept(
        "proc-title-template",
        Kind::Text,
        "{title} {listen-addr} {server-mode}",
        "Accepted for compatibility: see set-proc-title.",
    ),
    kept(
        "tls-prefer-server-ciphers",
        Kind::Bool,
        "no",
        "Accepted for compatibility: the TLS library chooses.",
    ),
    kept("tls-session-caching", Kind::Bool, "yes", "Accepted for compatibility: the TLS library chooses."),
    kept("tls-session-cache-size", INT, "20480", "Accepted for compatibility: the TLS library chooses."),
    kept("tls-session-cache-timeout", INT, "300", "Accepted for compatibility: the TLS library chooses."),
    kept(
        "loglevel",
        Kind::Choice(&["debug", "verbose", "notice", "warning", "nothing"]),
        "notice",
        "Accepted for compatibility; see log-level.",
    ),
    row(
        "dbfilename",
        Kind::Text,
        "dump.rdb",
        Change::Protected,
        "Accepted for compatibility: no such file is written.",
    ),
];
