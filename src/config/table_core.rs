//! The parameters of a node in a core of several nodes.

use super::{
    parameter::{Change, Kind, Parameter},
    table::{PORT, SIZE, row},
};

pub(super) static PARAMETERS: &[Parameter] = &[
    row(
        "cluster",
        Kind::Text,
        "",
        Change::Start,
        "All nodes that found the core, `name=host:peer-port,…`, the same list on each of them; empty = this node runs alone. A node that the list \
         does not name needs `join`.",
    ),
    row(
        "join",
        Kind::Text,
        "",
        Change::Start,
        "Peer addresses `host:port,…` of nodes of a core that a new node asks to join; empty = none.",
    ),
    row(
        "join-as",
        Kind::Choice(&["voter", "standby"]),
        "voter",
        Change::Start,
        "What a joining node becomes once it has caught up. A standby has all data but never votes or leads.",
    ),
    row(
        "peer-address",
        Kind::Text,
        "",
        Change::Start,
        "Address where other nodes reach this one, host:port; empty = its address in `cluster`, else the first bound address and the peer port.",
    ),
    row(
        "compare-interval",
        Kind::Number { min: 0, max: 86_400 },
        "60",
        Change::Start,
        "Seconds between two comparisons of the sums that all nodes, and edges, keep over their state. Each costs an entry of the log and a message to each node. 0 = never.",
    ),
    row(
        "verify-interval",
        Kind::Number { min: 0, max: 31_536_000 },
        "604800",
        Change::Start,
        "Seconds between two checks in which every node of the core reads all its data, for all to compare. 0 = only when sums differ, or `flotilla admin verify` asks for it.",
    ),
    row(
        "verify-bytes-per-second",
        SIZE,
        "64mb",
        Change::Start,
        "Bytes per second at which a node reads its data for that; 0 = no limit.",
    ),
    row(
        "repair-damaged",
        Kind::Bool,
        "yes",
        Change::Start,
        "Repair damaged files at the next start: fetch the data from another node or, if log or votes are damaged, rejoin as a new node. no = stop and wait for an administrator. A node that runs alone cannot repair itself and stops.",
    ),
    row(
        "auto-upgrade",
        Kind::Bool,
        "yes",
        Change::Start,
        "Let the leader raise the feature level by itself once all nodes and edges understand the next one. After that no earlier build can open the data. no = wait for `flotilla admin upgrade finish`.",
    ),
    row(
        "on-follower",
        Kind::Choice(&["auto", "forward", "redirect", "readonly"]),
        "auto",
        Change::Start,
        "How a follower handles writes: forward = pass them to the leader, redirect = send the client to the leader (-MOVED), readonly = refuse them (-READONLY); auto = redirect with `cluster-enabled`, else forward.",
    ),
    row(
        "replica-serve-stale-data",
        Kind::Bool,
        "yes",
        Change::Live,
        "Serve clients while the link to the leader (on an edge: to the core) is down, within what CLIENT CONSISTENCY allows. no = answer \
         -MASTERDOWN at once to commands that Redis does not flag as stale.",
    )
    .also("slave-serve-stale-data"),
    row(
        "lease-reads",
        Kind::Bool,
        "yes",
        Change::Start,
        "Let the leader answer linearizable reads by its lease. no = it asks a majority before each read: for machines whose \
         clocks may stop while others run on (paused, snapshotted or migrated VMs). Must be the same on all nodes.",
    ),
    row(
        "cluster-enabled",
        Kind::Bool,
        "no",
        Change::Start,
        "Speak the Redis Cluster protocol: one shard owns all slots, the leader is its master, followers are its replicas.",
    ),
    row(
        "cluster-allow-cross-slot",
        Kind::Bool,
        "no",
        Change::Live,
        "With `cluster-enabled`: allow commands and transactions with keys of several slots; all slots are on one shard. no = refuse them with -CROSSSLOT, as Redis does.",
    ),
    row(
        "announce-host",
        Kind::Text,
        "",
        Change::Start,
        "Host that cluster- and sentinel-aware clients are given for this node; empty = the host of its peer address.",
    ),
    row("announce-port", PORT, "0", Change::Start, "Port that these clients are given; 0 = the client port."),
    row(
        "announce-tls-port",
        PORT,
        "0",
        Change::Start,
        "Port that these clients are given if they speak TLS; 0 = the `tls-port`.",
    ),
    row(
        "sentinel-master-name",
        Kind::Text,
        "flotilla",
        Change::Start,
        "Master name by which SENTINEL commands report the core's leader.",
    ),
    row(
        "sentinel-port",
        PORT,
        "0",
        Change::Start,
        "Extra port for clients that expect a sentinel; ROLE answers `sentinel` there. 0 = none; the client port answers SENTINEL too.",
    ),
    row(
        "snapshot-bytes-per-second",
        SIZE,
        "0",
        Change::Start,
        "Bytes per second at which this node fetches a snapshot from another node; 0 = no limit.",
    ),
    row(
        "peer-tls-cert",
        Kind::Text,
        "",
        Change::Start,
        "PEM file: the certificate that this node shows to other nodes, valid for its name and its host. Reloaded when it changes.",
    ),
    row("peer-tls-key", Kind::Text, "", Change::Start, "PEM file: the key of `peer-tls-cert`."),
    row(
        "peer-tls-ca",
        Kind::Text,
        "",
        Change::Start,
        "PEM file: the CA that signed all nodes' certificates. With these three files set, nodes accept mutual TLS only.",
    ),
    row(
        "peer-insecure",
        Kind::Bool,
        "no",
        Change::Start,
        "Allow unencrypted connections to nodes on other machines. Anyone who reaches the peer port can then read and change all data.",
    ),
];
