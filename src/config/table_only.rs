//! Redis parameters that accept one value only, because the server could not honour another.
//!
//! CONFIG SET refuses other values and says why. Redis does not let the `fixed` ones change, either.

use super::parameter::{Change, Kind, Parameter};
use super::table::{INT, PORT, row};

/// CONFIG SET accepts the default only.
const fn only(
    name: &'static str,
    kind: &'static Kind,
    default: &'static str,
    why: &'static str,
) -> Parameter {
    row(name, Kind::Only(kind), default, Change::NoEffect, why)
}

/// CONFIG SET accepts no value, as in Redis.
const fn fixed(name: &'static str, default: &'static str, why: &'static str) -> Parameter {
    row(name, Kind::Only(&Kind::Text), default, Change::Never, why)
}

const TLS_CHOICES: &str = "The TLS library chooses: it speaks only ciphers and key exchanges that are safe.";
const TLS_FILES: &str = "See tls-cert-file, tls-key-file and tls-ca-cert-file; the key is not encrypted.";
const PEER_TLS: &str = "Nodes speak TLS to each other with peer-tls-cert, peer-tls-key and peer-tls-ca.";
const ANNOUNCE: &str = "Set at start by announce-host, announce-port and announce-tls-port.";
const FILES: &str = "There is no such file: the log and the store are in data-dir.";
const SUPERVISOR: &str = "Left to the supervisor that starts the process.";
const ONE_SHARD: &str = "The core is one shard whose leader is elected by Raft.";
const STDERR: &str = "The log goes to standard error; see log-level and log-format.";

pub(super) static PARAMETERS: &[Parameter] = &[
    only(
        "appendonly",
        &Kind::Bool,
        "yes",
        "Always: every write is in the Raft log before it is acknowledged.",
    ),
    only(
        "appendfsync",
        &Kind::Choice(&["everysec", "always", "no"]),
        "always",
        "Always: every write is fsynced before it is acknowledged.",
    ),
    only("save", &Kind::Text, "", "No timed snapshots; the log needs none. BGSAVE writes a checkpoint."),
    only(
        "aof-timestamp-enabled",
        &Kind::Bool,
        "no",
        "The log carries times, but not in an append-only file.",
    ),
    only(
        "activedefrag",
        &Kind::Bool,
        "no",
        "Not supported: moving keys does not defragment the allocator (mimalloc).",
    ),
    only("replica-read-only", &Kind::Bool, "yes", "Followers and edges never hold writes of their own.")
        .also("slave-read-only"),
    only(
        "replica-priority",
        &INT,
        "100",
        "Raft elects the leader; a node that must not lead joins as standby.",
    )
    .also("slave-priority"),
    only("replica-announced", &Kind::Bool, "yes", "Clients always learn of all nodes of the core."),
    only("replica-announce-ip", &Kind::Text, "", ANNOUNCE).also("slave-announce-ip"),
    only("replica-announce-port", &PORT, "0", ANNOUNCE).also("slave-announce-port"),
    only("replica-ignore-disk-write-errors", &Kind::Bool, "no", "A failed write to disk stops the process."),
    only(
        "propagation-error-behavior",
        &Kind::Choice(&["ignore", "panic", "panic-on-replicas"]),
        "ignore",
        "Replicas compare checksums of their data instead (verify-interval).",
    ),
    only("min-replicas-to-write", &INT, "0", "A write is always acknowledged by a majority of the core.")
        .also("min-slaves-to-write"),
    only("cluster-replica-no-failover", &Kind::Bool, "no", "A node that must not lead joins as standby.")
        .also("cluster-slave-no-failover"),
    only(
        "cluster-allow-reads-when-down",
        &Kind::Bool,
        "no",
        "Each client chooses for itself: CLIENT CONSISTENCY.",
    ),
    only("cluster-announce-ip", &Kind::Text, "", ANNOUNCE),
    only("cluster-announce-hostname", &Kind::Text, "", ANNOUNCE),
    only("cluster-announce-human-nodename", &Kind::Text, "", "A node's name is set at start: node-name."),
    only("cluster-announce-port", &PORT, "0", ANNOUNCE),
    only("cluster-announce-tls-port", &PORT, "0", ANNOUNCE),
    only("cluster-announce-bus-port", &PORT, "0", "There is no cluster bus; nodes talk on the peer port."),
    only(
        "cluster-preferred-endpoint-type",
        &Kind::Choice(&["ip", "hostname", "unknown-endpoint"]),
        "ip",
        "Clients are given announce-host, whether it is an address or a name.",
    ),
    only("bind-source-addr", &Kind::Text, "", "The kernel's routing chooses the source address."),
    only("oom-score-adj", &Kind::Choice(&["no", "yes", "relative", "absolute"]), "no", SUPERVISOR),
    only(
        "shutdown-on-sigint",
        &Kind::Text,
        "default",
        "Every acknowledged write is on disk already; there is nothing to save.",
    ),
    only(
        "shutdown-on-sigterm",
        &Kind::Text,
        "default",
        "Every acknowledged write is on disk already; there is nothing to save.",
    ),
    only("locale-collate", &Kind::Text, "", "SORT ALPHA compares bytes, so that all nodes agree."),
    only("tls-cluster", &Kind::Bool, "no", PEER_TLS),
    only("tls-replication", &Kind::Bool, "no", PEER_TLS),
    only("tls-key-file-pass", &Kind::Secret, "", TLS_FILES),
    only("tls-client-cert-file", &Kind::Text, "", PEER_TLS),
    only("tls-client-key-file", &Kind::Text, "", PEER_TLS),
    only("tls-client-key-file-pass", &Kind::Secret, "", PEER_TLS),
    only("tls-dh-params-file", &Kind::Text, "", TLS_CHOICES),
    only("tls-ca-cert-dir", &Kind::Text, "", TLS_FILES),
    only("tls-ciphers", &Kind::Text, "", TLS_CHOICES),
    only("tls-ciphersuites", &Kind::Text, "", TLS_CHOICES),
    fixed("databases", "16", "Logical databases."),
    fixed("daemonize", "no", "The process stays in the foreground; let a supervisor run it."),
    fixed("supervised", "no", SUPERVISOR),
    fixed("pidfile", "", SUPERVISOR),
    fixed("set-proc-title", "no", SUPERVISOR),
    fixed("always-show-logo", "no", "There is no logo."),
    fixed("server_cpulist", "", SUPERVISOR),
    fixed("bio_cpulist", "", SUPERVISOR),
    fixed("aof_rewrite_cpulist", "", SUPERVISOR),
    fixed("bgsave_cpulist", "", SUPERVISOR),
    fixed("io-threads", "1", "See network-threads."),
    fixed("io-threads-do-reads", "no", "See network-threads."),
    fixed("socket-mark-id", "0", SUPERVISOR),
    fixed("logfile", "", STDERR),
    fixed("syslog-enabled", "no", STDERR),
    fixed("syslog-ident", "redis", STDERR),
    fixed("syslog-facility", "local0", STDERR),
    fixed("appendfilename", "", FILES),
    fixed("appenddirname", "", FILES),
    fixed("rdbchecksum", "yes", "All files have checksums."),
    fixed("replicaof", "", "Followers follow the leader, edges their upstream.").also("slaveof"),
    fixed("cluster-config-file", "", "The log holds the members of the core."),
    fixed("cluster-port", "0", "There is no cluster bus; see peer-port."),
    fixed("enable-module-command", "no", "There are no modules."),
    only("cluster-allow-replica-migration", &Kind::Bool, "yes", ONE_SHARD),
    only("cluster-migration-barrier", &INT, "1", ONE_SHARD),
];
