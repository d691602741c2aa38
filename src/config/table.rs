//! Every parameter, one row each.

use super::parameter::{Change, Kind, Parameter};
use std::sync::LazyLock;

pub(super) const fn row(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    change: Change,
    help: &'static str,
) -> Parameter {
    Parameter { name, alias: "", kind, default, change, help }
}

pub(super) const PORT: Kind = Kind::Number { min: 0, max: 65535 };
pub(super) const SIZE: Kind = Kind::Bytes { min: 0, max: 1 << 50 };
pub(super) const INT: Kind = Kind::Number { min: 0, max: i32::MAX as i64 };

/// All parameters, those of Flotilla first, then those that only exist because clients and tools ask for them.
pub static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
    [
        PLAIN,
        super::table_core::PARAMETERS,
        super::table_edge::PARAMETERS,
        super::table_only::PARAMETERS,
        super::table_kept::PARAMETERS,
    ]
    .concat()
});

static PLAIN: &[Parameter] = &[
    row("bind", Kind::Addresses, "127.0.0.1", Change::Start, "Addresses to listen on, separated by spaces."),
    row("port", PORT, "6379", Change::Start, "TCP port for clients; 0 = any free port, printed at start."),
    row(
        "peer-port",
        PORT,
        "7379",
        Change::Start,
        "TCP port for other nodes; a node that is alone does not listen.",
    ),
    row(
        "http-port",
        PORT,
        "8379",
        Change::Start,
        "TCP port for /metrics, /healthz and /readyz; 0 = any free port, printed at start.",
    ),
    row(
        "data-dir",
        Kind::Text,
        "./data",
        Change::Start,
        "Directory of the log, the store and the node's identity; created if missing.",
    ),
    row(
        "node-name",
        Kind::Text,
        "core-0",
        Change::Start,
        "Name of this node, written into a new data directory.",
    ),
    row(
        "requirepass",
        Kind::Secret,
        "",
        Change::Live,
        "Password that AUTH must give to this node, never shown; empty = none. Each node has its own.",
    ),
    row(
        "protected-mode",
        Kind::Bool,
        "yes",
        Change::Live,
        "Without a password: refuse to start where others could connect, and refuse clients from beyond loopback.",
    ),
    row(
        "maxclients",
        Kind::Number { min: 1, max: 1_000_000 },
        "10000",
        Change::Live,
        "Clients connected at a time; one more is told so and closed.",
    ),
    row(
        "timeout",
        Kind::Number { min: 0, max: 315_360_000 },
        "0",
        Change::Live,
        "Seconds after which a silent client is closed; 0 = never.",
    ),
    row(
        "preauth-timeout-ms",
        Kind::Number { min: 100, max: 3_600_000 },
        "10000",
        Change::Live,
        "Milliseconds a client has to authenticate when a password is set.",
    ),
    row(
        "tcp-keepalive",
        Kind::Number { min: 0, max: 86_400 },
        "300",
        Change::Live,
        "Seconds between TCP keepalive probes of new connections; 0 = off.",
    ),
    row(
        "tcp-backlog",
        Kind::Number { min: 1, max: 65_535 },
        "511",
        Change::Start,
        "Connections the kernel queues before they are accepted.",
    ),
    row(
        "network-threads",
        Kind::Number { min: 0, max: 256 },
        "0",
        Change::Start,
        "Threads that own client connections; 0 = one less than the cores, at least one.",
    ),
    row(
        "disable-thp",
        Kind::Bool,
        "yes",
        Change::Start,
        "Keep the kernel from backing this process's memory with transparent huge pages: clearing one stalls whoever \
         touches it first for milliseconds.",
    ),
    row("block-cache-bytes", SIZE, "256mb", Change::Start, "RocksDB's block cache."),
    row(
        "hot-cache-bytes",
        SIZE,
        "256mb",
        Change::Start,
        "Cache of rows, sub-keys and pages of collections in use; 0 = none.",
    ),
    row(
        "memtable-bytes",
        Kind::Bytes { min: 1 << 20, max: 1 << 30 },
        "4mb",
        Change::Start,
        "One memtable; up to eight in all.",
    ),
    row(
        "log-retain-bytes",
        Kind::Bytes { min: 1 << 20, max: 1 << 50 },
        "64mb",
        Change::Start,
        "Raft log kept at least after the store has flushed its entries, for nodes and sites that were away.",
    ),
    row(
        "log-retain-seconds",
        Kind::Number { min: 0, max: 31_536_000 },
        "600",
        Change::Start,
        "Raft log written this recently is kept as well, up to `log-retain-bytes-max`.",
    ),
    row(
        "log-retain-bytes-max",
        Kind::Bytes { min: 1 << 20, max: 1 << 50 },
        "1gb",
        Change::Start,
        "Raft log that is kept at most for `log-retain-seconds`, or while an edge fetches a bootstrap snapshot; \
         `log-retain-bytes` goes before it.",
    ),
    row(
        "write-timeout-ms",
        Kind::Number { min: 100, max: 3_600_000 },
        "30000",
        Change::Live,
        "Milliseconds after which a write without an answer from the log is reported as outcome unknown.",
    ),
    row(
        "shutdown-timeout",
        Kind::Number { min: 0, max: 2_147_483_647 },
        "10",
        Change::Live,
        "Seconds that SHUTDOWN, SIGTERM and SIGINT wait for what is under way; a write without an answer by then is \
         outcome unknown. The process is gone 5 s later at the latest. 0 = wait for nothing.",
    ),
    row(
        "client-query-buffer-limit",
        Kind::Bytes { min: 1 << 20, max: 1 << 40 },
        "1gb",
        Change::Live,
        "Unread request bytes of one client before it is closed.",
    ),
    row(
        "proto-max-bulk-len",
        Kind::Bytes { min: 1 << 20, max: 512 << 20 },
        "512mb",
        Change::Live,
        "Largest single argument.",
    ),
    row(
        "log-level",
        Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        "info",
        Change::Start,
        "What is written to the log.",
    ),
    row(
        "log-format",
        Kind::Choice(&["text", "json"]),
        "text",
        Change::Start,
        "How it is written: text for people, JSON lines for machines.",
    ),
    row(
        "enable-debug-command",
        Kind::Choice(&["no", "yes", "local"]),
        "local",
        Change::Start,
        "Who may use DEBUG: nobody, everybody, or clients on loopback.",
    ),
    row(
        "notify-keyspace-events",
        Kind::EventClasses,
        "",
        Change::Live,
        "Which keyspace events this node publishes to its own subscribers, in Redis's letters; empty = none.",
    ),
    row(
        "latency-tracking",
        Kind::Bool,
        "yes",
        Change::Live,
        "Keep a histogram of each command's latency for INFO latencystats.",
    ),
    row(
        "latency-tracking-info-percentiles",
        Kind::Percentiles,
        "50 99 99.9",
        Change::Live,
        "The percentiles that INFO latencystats shows; empty = none.",
    ),
    row(
        "enable-protected-configs",
        Kind::Choice(&["no", "yes", "local"]),
        "no",
        Change::Start,
        "Who may set protected parameters: nobody, everybody, or clients on loopback.",
    ),
];

/// The row of a name, whatever its case.
pub(super) fn find(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.is_called(name))
}
