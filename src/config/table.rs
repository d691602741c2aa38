//! Every parameter, one row each.

/// How a value is written and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number of bytes; `kb`, `mb`, `gb` (1024-based), `k`, `m`, `g` (1000-based) as in Redis.
    Bytes { min: u64, max: u64 },
    /// A plain number; the unit is in the help.
    Number { min: i64, max: i64 },
    /// `yes` or `no`.
    Bool,
    /// Any text.
    Text,
    /// As `Text`, but never shown.
    Secret,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// IP addresses separated by spaces.
    Addresses,
    /// `class hard soft seconds`, as Redis writes client-output-buffer-limit.
    OutputLimit,
    /// Stands for itself and cannot be given another value, because that would promise what the server does not do.
    Fixed,
}

/// When a parameter may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// At start only.
    Start,
    /// Also by CONFIG SET.
    Live,
    /// Never: it is what it is.
    Never,
    /// Known to CONFIG GET and SET for the sake of clients; changing it has no effect.
    NoEffect,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// As in CONFIG GET, the file and (with `--`) on the command line.
    pub name: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    pub change: Change,
    /// One line; unit, range and the meaning of zero or empty.
    pub help: &'static str,
}

const fn row(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    change: Change,
    help: &'static str,
) -> Parameter {
    Parameter { name, kind, default, change, help }
}

const PORT: Kind = Kind::Number { min: 0, max: 65535 };
const SIZE: Kind = Kind::Bytes { min: 0, max: 1 << 50 };
const COUNT: Kind = Kind::Number { min: 0, max: i64::MAX };

/// All parameters, those of Flotilla first, then those that only exist because clients and tools ask for them.
pub static PARAMETERS: &[Parameter] = &[
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
        "cluster",
        Kind::Text,
        "",
        Change::Start,
        "All nodes of the core, `name=host:peer-port,…`, the same list on each of them; empty = this node is alone.",
    ),
    row(
        "peer-insecure",
        Kind::Bool,
        "no",
        Change::Start,
        "Talk to other nodes beyond loopback although that is not encrypted yet; who can reach the peer port owns the data.",
    ),
    row("requirepass", Kind::Secret, "", Change::Live, "Password that AUTH must give; empty = none."),
    row(
        "protected-mode",
        Kind::Bool,
        "yes",
        Change::Start,
        "Refuse to listen beyond loopback without a password.",
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
        Change::Start,
        "Seconds between TCP keepalive probes; 0 = off.",
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
    row("block-cache-bytes", SIZE, "256mb", Change::Start, "RocksDB's block cache."),
    row("hot-cache-bytes", SIZE, "256mb", Change::Start, "Cache of records in use; 0 = none."),
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
        "Raft log kept after the store has flushed its entries.",
    ),
    row(
        "write-timeout-ms",
        Kind::Number { min: 100, max: 3_600_000 },
        "30000",
        Change::Live,
        "Milliseconds after which a write without an answer from the log is reported as outcome unknown.",
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
    row("databases", Kind::Fixed, "16", Change::Never, "Logical databases."),
    row(
        "appendonly",
        Kind::Fixed,
        "yes",
        Change::NoEffect,
        "Always: every write is in the Raft log before it is acknowledged.",
    ),
    row(
        "appendfsync",
        Kind::Fixed,
        "always",
        Change::NoEffect,
        "Always: every write is fsynced before it is acknowledged.",
    ),
    row(
        "save",
        Kind::Fixed,
        "",
        Change::NoEffect,
        "No timed snapshots; the log needs none. BGSAVE writes a checkpoint.",
    ),
    row(
        "maxmemory",
        Kind::Fixed,
        "0",
        Change::NoEffect,
        "No limit on data: it lives on disk, the caches have limits of their own.",
    ),
    row("maxmemory-policy", Kind::Fixed, "noeviction", Change::NoEffect, "Keys are never evicted."),
    row("maxmemory-samples", COUNT, "5", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("maxmemory-clients", SIZE, "0", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("notify-keyspace-events", Kind::Fixed, "", Change::NoEffect, "Keyspace events are not sent yet."),
    row("cluster-enabled", Kind::Fixed, "no", Change::Never, "Redis Cluster's protocol is not spoken yet."),
    row(
        "client-output-buffer-limit",
        Kind::OutputLimit,
        "normal 0 0 0 slave 0 0 0 pubsub 33554432 8388608 60",
        Change::NoEffect,
        "Accepted for compatibility: a client that takes no replies is pushed back, then closed after 60 s.",
    ),
    row("hz", COUNT, "10", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("dynamic-hz", Kind::Bool, "yes", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("activerehashing", Kind::Bool, "yes", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("lua-time-limit", COUNT, "5000", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("busy-reply-threshold", COUNT, "5000", Change::NoEffect, "Accepted for compatibility, no effect."),
    row(
        "slowlog-log-slower-than",
        Kind::Number { min: -1, max: i64::MAX },
        "10000",
        Change::NoEffect,
        "Accepted for compatibility, no effect.",
    ),
    row("slowlog-max-len", COUNT, "128", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("latency-monitor-threshold", COUNT, "0", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("latency-tracking", Kind::Bool, "yes", Change::NoEffect, "Accepted for compatibility, no effect."),
    row(
        "hash-max-listpack-entries",
        COUNT,
        "512",
        Change::NoEffect,
        "Accepted for compatibility, no effect.",
    ),
    row("hash-max-listpack-value", COUNT, "64", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("hash-max-ziplist-entries", COUNT, "512", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("hash-max-ziplist-value", COUNT, "64", Change::NoEffect, "Accepted for compatibility, no effect."),
    row(
        "list-max-listpack-size",
        Kind::Number { min: -5, max: i64::MAX },
        "-2",
        Change::NoEffect,
        "Accepted for compatibility, no effect.",
    ),
    row("set-max-intset-entries", COUNT, "512", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("set-max-listpack-entries", COUNT, "128", Change::NoEffect, "Accepted for compatibility, no effect."),
    row(
        "zset-max-listpack-entries",
        COUNT,
        "128",
        Change::NoEffect,
        "Accepted for compatibility, no effect.",
    ),
    row("zset-max-listpack-value", COUNT, "64", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("zset-max-ziplist-entries", COUNT, "128", Change::NoEffect, "Accepted for compatibility, no effect."),
    row(
        "lazyfree-lazy-expire",
        Kind::Bool,
        "yes",
        Change::NoEffect,
        "Accepted for compatibility: deletes never wait for memory to be freed.",
    ),
    row(
        "lazyfree-lazy-server-del",
        Kind::Bool,
        "yes",
        Change::NoEffect,
        "Accepted for compatibility: deletes never wait for memory to be freed.",
    ),
    row(
        "lazyfree-lazy-user-del",
        Kind::Bool,
        "yes",
        Change::NoEffect,
        "Accepted for compatibility: deletes never wait for memory to be freed.",
    ),
    row(
        "lazyfree-lazy-user-flush",
        Kind::Bool,
        "yes",
        Change::NoEffect,
        "Accepted for compatibility: FLUSHDB and FLUSHALL take constant time.",
    ),
    row("rdbcompression", Kind::Bool, "yes", Change::NoEffect, "Accepted for compatibility, no effect."),
    row(
        "stop-writes-on-bgsave-error",
        Kind::Bool,
        "yes",
        Change::NoEffect,
        "Accepted for compatibility, no effect.",
    ),
    row(
        "no-appendfsync-on-rewrite",
        Kind::Bool,
        "no",
        Change::NoEffect,
        "Accepted for compatibility, no effect.",
    ),
    row(
        "auto-aof-rewrite-percentage",
        COUNT,
        "100",
        Change::NoEffect,
        "Accepted for compatibility, no effect.",
    ),
    row(
        "auto-aof-rewrite-min-size",
        SIZE,
        "67108864",
        Change::NoEffect,
        "Accepted for compatibility, no effect.",
    ),
    row("replica-read-only", Kind::Bool, "yes", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("slave-read-only", Kind::Bool, "yes", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("repl-backlog-size", SIZE, "1048576", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("min-replicas-to-write", COUNT, "0", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("min-replicas-max-lag", COUNT, "10", Change::NoEffect, "Accepted for compatibility, no effect."),
    row("io-threads", COUNT, "1", Change::NoEffect, "Accepted for compatibility; see network-threads."),
    row("dbfilename", Kind::Text, "dump.rdb", Change::NoEffect, "Accepted for compatibility, no effect."),
    row(
        "loglevel",
        Kind::Choice(&["debug", "verbose", "notice", "warning"]),
        "notice",
        Change::NoEffect,
        "Accepted for compatibility; see log-level.",
    ),
    row(
        "daemonize",
        Kind::Fixed,
        "no",
        Change::Never,
        "The process stays in the foreground; let a supervisor run it.",
    ),
];

/// The row of a name, whatever its case.
pub(super) fn find(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name))
}

/// The environment variable of a parameter.
pub(super) fn environment_name(name: &str) -> String {
    format!("FLOTILLA_{}", name.replace('-', "_").to_ascii_uppercase())
}
