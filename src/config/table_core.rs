//! The parameters of a node that is one of several.

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
        "All nodes of the core, `name=host:peer-port,…`, the same list on each of them; empty = this node is alone.",
    ),
    row(
        "join",
        Kind::Text,
        "",
        Change::Start,
        "Peer addresses `host:port,…` of nodes of a core that this node, if it is new, asks to let it in; empty = none.",
    ),
    row(
        "join-as",
        Kind::Choice(&["voter", "standby"]),
        "voter",
        Change::Start,
        "What a joining node becomes once it has caught up; a standby has all data but no vote.",
    ),
    row(
        "peer-address",
        Kind::Text,
        "",
        Change::Start,
        "Where other nodes reach this one, host:port; empty = as in `cluster`, else the first bound address and the peer port.",
    ),
    row(
        "verify-interval",
        Kind::Number { min: 0, max: 31_536_000 },
        "3600",
        Change::Start,
        "Seconds between two comparisons of all nodes' states by checksum; each reads the whole store once. 0 = never.",
    ),
    row(
        "on-follower",
        Kind::Choice(&["auto", "forward", "redirect", "readonly"]),
        "auto",
        Change::Start,
        "What a follower does with writes: send them to the leader, send the client there, or refuse; auto = redirect with `cluster-enabled`, else forward.",
    ),
    row(
        "lease-reads",
        Kind::Bool,
        "yes",
        Change::Start,
        "Whether the leader answers linearizable reads by its lease. no = each asks a majority first: for machines whose \
         clocks may stand still while others' go on (paused, snapshotted or migrated VMs). The same on all nodes.",
    ),
    row(
        "cluster-enabled",
        Kind::Bool,
        "no",
        Change::Start,
        "Speak Redis Cluster's protocol: one shard of all slots, the leader its master, followers its replicas.",
    ),
    row(
        "cluster-allow-cross-slot",
        Kind::Bool,
        "no",
        Change::Live,
        "With `cluster-enabled`: let a call or transaction name keys of several slots, which all are on the one shard; no = refuse with -CROSSSLOT, as Redis.",
    ),
    row(
        "announce-host",
        Kind::Text,
        "",
        Change::Start,
        "Host by which clients reach this node, told to cluster- and sentinel-aware clients; empty = the host of its peer address.",
    ),
    row("announce-port", PORT, "0", Change::Start, "The port to go with it; 0 = the client port."),
    row(
        "sentinel-master-name",
        Kind::Text,
        "flotilla",
        Change::Start,
        "Name under which SENTINEL commands tell of the core's leader.",
    ),
    row(
        "sentinel-port",
        PORT,
        "0",
        Change::Start,
        "One more port for clients, for those that want to see a sentinel (ROLE says so there); 0 = none, the client port answers SENTINEL too.",
    ),
    row(
        "snapshot-bytes-per-second",
        SIZE,
        "0",
        Change::Start,
        "How fast this node fetches a snapshot from another one at most; 0 = as fast as it goes.",
    ),
    row(
        "peer-tls-cert",
        Kind::Text,
        "",
        Change::Start,
        "PEM file: this node's certificate for other nodes, valid for its name and its host; read again when it changes.",
    ),
    row("peer-tls-key", Kind::Text, "", Change::Start, "PEM file: the key of `peer-tls-cert`."),
    row(
        "peer-tls-ca",
        Kind::Text,
        "",
        Change::Start,
        "PEM file: the authority that signed all nodes' certificates. With these three, nodes talk by mutual TLS only.",
    ),
    row(
        "peer-insecure",
        Kind::Bool,
        "no",
        Change::Start,
        "Talk to other nodes beyond loopback without TLS; who can reach the peer port then owns the data.",
    ),
];
