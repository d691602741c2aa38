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

/// All parameters: Flotilla's own first, then those that exist only because Redis clients and tools ask for them.
pub static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
    [
        PLAIN,
        super::table_core::PARAMETERS,
        super::backup::PARAMETERS,
        super::table_edge::PARAMETERS,
        super::psync::PARAMETERS,
        super::table_data::PARAMETERS,
        super::client_tls::PARAMETERS,
        super::table_observe::PARAMETERS,
        super::table_only::PARAMETERS,
        super::table_kept::PARAMETERS,
    ]
    .concat()
});

static PLAIN: &[Parameter] = &[
    row("bind", Kind::Addresses, "127.0.0.1", Change::Start, "Addresses to listen on, separated by spaces."),
    row(
        "port",
        PORT,
        "6379",
        Change::Start,
        "TCP port for clients; 0 = any free port, printed at start, or none if there is a `tls-port` or a `unixsocket`.",
    ),
    row(
        "unixsocket",
        Kind::Text,
        "",
        Change::Start,
        "Path of a Unix socket for clients of this machine; empty = none. Removed at stop; one that a killed server left is replaced.",
    ),
    row(
        "unixsocketperm",
        Kind::Number { min: 0, max: 777 },
        "0",
        Change::Start,
        "Permissions of `unixsocket`, octal, for instance 770: who may write to it may connect. 0 = as the umask has it.",
    ),
    row(
        "peer-port",
        PORT,
        "7379",
        Change::Start,
        "TCP port for other nodes. A node that runs alone does not listen on it.",
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
        "Directory for the log, the store and the node's identity; created if missing.",
    ),
    row(
        "node-name",
        Kind::Text,
        "core-0",
        Change::Start,
        "Name of this node. It is written into a new data directory and must not change afterwards.",
    ),
    row(
        "requirepass",
        Kind::Secret,
        "",
        Change::Live,
        "Password of the user default on this node, never shown; empty = none. Without effect once ACL SETUSER has set one for all nodes.",
    ),
    row(
        "requirepass-file",
        Kind::Text,
        "",
        Change::Start,
        "File with that password, instead of `requirepass`; read again when it changes. Each further line is a password that is valid \
         as well, so that clients can change over.",
    ),
    row(
        "aclfile",
        Kind::Text,
        "",
        Change::Start,
        "File of users, a line `user NAME RULES` for each. A core that has no users takes them from it at start, before it serves \
         anybody; after that ACL LOAD makes it the users of all nodes, and ACL SAVE writes it. Empty = none.",
    ),
    row(
        "acllog-max-len",
        Kind::Number { min: 0, max: 10_000 },
        "128",
        Change::Live,
        "Entries that ACL LOG keeps on this node: what users were refused.",
    ),
    row(
        "protected-mode",
        Kind::Bool,
        "yes",
        Change::Live,
        "While no password is set: refuse to start on an address that others can reach, and refuse clients that are not on loopback.",
    ),
    row(
        "maxclients",
        Kind::Number { min: 1, max: 1_000_000 },
        "10000",
        Change::Live,
        "Clients connected at a time. One more gets an error and is disconnected. Reduced at start if the limit of open files is too low.",
    ),
    row(
        "timeout",
        Kind::Number { min: 0, max: 315_360_000 },
        "0",
        Change::Live,
        "Seconds after which an idle client is disconnected; 0 = never.",
    ),
    row(
        "preauth-timeout-ms",
        Kind::Number { min: 100, max: 3_600_000 },
        "10000",
        Change::Live,
        "Milliseconds that a client has to authenticate if a password is set; after that it is disconnected.",
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
        "Connections that the kernel queues until the server accepts them.",
    ),
    row(
        "network-threads",
        Kind::Number { min: 0, max: 256 },
        "0",
        Change::Start,
        "Threads that serve client connections; 0 = one fewer than the CPU cores, at least one.",
    ),
    row(
        "disable-thp",
        Kind::Bool,
        "no",
        Change::Start,
        "Turn transparent huge pages off for this process. They make look-ups in large caches faster, on some machines by two \
         thirds, and take up to a third more memory.",
    ),
    row("block-cache-bytes", SIZE, "256mb", Change::Start, "Size of RocksDB's block cache."),
    row(
        "hot-cache-bytes",
        SIZE,
        "256mb",
        Change::Start,
        "Size of the hot cache: recently used values, fields and elements, decoded; 0 = no cache.",
    ),
    row(
        "memtable-bytes",
        Kind::Bytes { min: 1 << 20, max: 1 << 30 },
        "4mb",
        Change::Start,
        "Size of one RocksDB memtable; there are up to eight.",
    ),
    row(
        "disk-low-bytes",
        SIZE,
        "0",
        Change::Start,
        "While the disk of the data directory has fewer bytes left, writes that may make the data grow are refused with -OOM; \
         below a sixteenth of it all writes are. 0 = a twentieth of the file system, from 256mb to 1gb, at most a quarter.",
    ),
    row(
        "disk-reserve-bytes",
        SIZE,
        "0",
        Change::Start,
        "Size of the file RESERVE in the data directory, which is given up piece by piece when others fill the disk, so that \
         data can still be deleted; 0 = a quarter of `disk-low-bytes`.",
    ),
    row(
        "log-retain-bytes",
        Kind::Bytes { min: 1 << 20, max: 1 << 50 },
        "64mb",
        Change::Start,
        "Raft log that is always kept after the store has flushed its entries, so that nodes and sites that were away can catch up from it.",
    ),
    row(
        "log-retain-seconds",
        Kind::Number { min: 0, max: 31_536_000 },
        "600",
        Change::Start,
        "Raft log younger than this many seconds is kept too, up to `log-retain-bytes-max`.",
    ),
    row(
        "log-retain-bytes-max",
        Kind::Bytes { min: 1 << 20, max: 1 << 50 },
        "1gb",
        Change::Start,
        "Upper bound on the Raft log kept for `log-retain-seconds` or while an edge fetches a bootstrap snapshot. \
         `log-retain-bytes` takes precedence if it is larger.",
    ),
    row(
        "write-timeout-ms",
        Kind::Number { min: 100, max: 3_600_000 },
        "30000",
        Change::Live,
        "Milliseconds to wait for a write to commit. After that the client gets an error: the outcome is unknown.",
    ),
    row(
        "shutdown-timeout",
        Kind::Number { min: 0, max: 2_147_483_647 },
        "10",
        Change::Live,
        "Seconds that SHUTDOWN, SIGTERM and SIGINT wait for running commands. Clients whose writes have no result by then get \
         an error: the outcome is unknown. The process exits at most 5 s later. 0 = do not wait.",
    ),
    row(
        "client-query-buffer-limit",
        Kind::Bytes { min: 1 << 20, max: 1 << 40 },
        "1gb",
        Change::Live,
        "Bytes of unprocessed requests that one client may queue before it is disconnected.",
    ),
    row(
        "maxmemory-clients",
        Kind::MemoryShare,
        "20%",
        Change::Live,
        "Memory that all clients together may use: requests, queued transactions, watched keys, subscriptions, replies, messages. \
         Beyond it the largest are disconnected, except those that sent CLIENT NO-EVICT on. A percentage is of the machine's or \
         the control group's memory; 0 = no limit.",
    ),
    row(
        "client-output-buffer-limit",
        Kind::OutputLimit,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        Change::Live,
        "By class of client: bytes of unsent replies and messages that disconnect it at once, and bytes that do so after some \
         seconds; 0 = no limit. No client is of the class slave (or replica). Whatever the limits, a client that takes nothing \
         for 60 s is disconnected.",
    ),
    row(
        "tracking-table-max-keys",
        Kind::Number { min: 0, max: i64::MAX },
        "1000000",
        Change::Live,
        "Keys that clients of this node may track together (CLIENT TRACKING); beyond it, keys are forgotten and their clients told that \
         they have changed. 0 = no limit but that of their memory, 256 MiB.",
    ),
    row(
        "tracking-changes-bytes",
        Kind::Bytes { min: 0, max: 1 << 40 },
        "0",
        Change::Live,
        "Memory for the names of recently changed keys: a client that reconnects with the revision up to which it was told of changes \
         (CLIENT TRACKING … SINCE, CLIENT CACHED) is told of those alone. Set it alike on all nodes and edges that clients move between. \
         0 = off: such a client is told to drop everything.",
    ),
    row(
        "proto-max-bulk-len",
        Kind::Bytes { min: 1 << 20, max: 512 << 20 },
        "512mb",
        Change::Live,
        "Size of the largest argument that a command may have.",
    ),
    row(
        "log-level",
        Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        "info",
        Change::Start,
        "Least severe level that is logged.",
    ),
    row(
        "log-format",
        Kind::Choice(&["text", "json"]),
        "text",
        Change::Start,
        "Format of log lines: text for people, JSON for machines.",
    ),
    row(
        "enable-debug-command",
        Kind::Choice(&["no", "yes", "local"]),
        "local",
        Change::Start,
        "Who may use DEBUG: no = nobody, yes = everybody, local = clients on loopback.",
    ),
    row(
        "enable-migrate-command",
        Kind::Choice(&["no", "yes", "local"]),
        "no",
        Change::Start,
        "Who may use MIGRATE, by which this node connects wherever a client says: no = nobody, yes = everybody, local = clients \
         on loopback.",
    ),
    row(
        "notify-keyspace-events",
        Kind::EventClasses,
        "",
        Change::Live,
        "Keyspace events that this node publishes to its own subscribers, as Redis's letters; empty = none.",
    ),
    row(
        "latency-tracking",
        Kind::Bool,
        "yes",
        Change::Live,
        "Record a latency histogram of each command for INFO latencystats.",
    ),
    row(
        "latency-tracking-info-percentiles",
        Kind::Percentiles,
        "50 99 99.9",
        Change::Live,
        "Percentiles that INFO latencystats shows; empty = none.",
    ),
    row(
        "enable-protected-configs",
        Kind::Choice(&["no", "yes", "local"]),
        "no",
        Change::Start,
        "Who may set protected parameters: no = nobody, yes = everybody, local = clients on loopback.",
    ),
];

/// The row with this name or older name; case does not matter.
pub(super) fn find(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.is_called(name))
}
