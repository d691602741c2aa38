//! The parameters of edge sites, both for edge nodes and for the core nodes that feed them.

use super::{
    parameter::{Change, Kind, Parameter},
    table::{SIZE, row},
};

pub(super) static PARAMETERS: &[Parameter] = &[
    row(
        "role",
        Kind::Choice(&["core", "edge"]),
        "core",
        Change::Start,
        "Role of this node: `core` agrees on writes, `edge` follows a core. `flotilla edge` sets `edge`.",
    ),
    row(
        "site",
        Kind::Text,
        "",
        Change::Start,
        "Edge: name of its site: 1 to 57 lowercase letters, digits or hyphens. Its nodes are named edge-SITE or edge-SITE.NODE.",
    ),
    row(
        "upstream",
        Kind::Text,
        "",
        Change::Start,
        "Edge: peer addresses `host:port,…` of core nodes, in order of preference. The edge follows one at a time.",
    ),
    row(
        "upstream-discovery",
        Kind::Bool,
        "yes",
        Change::Start,
        "Edge: if no upstream can be reached, follow another core node that an upstream named earlier.",
    ),
    row(
        "edge-writes",
        Kind::Choice(&["forward", "reject"]),
        "forward",
        Change::Start,
        "Edge: forward writes to the core, or reject them with READONLY.",
    ),
    row(
        "edge-write-wait-ms",
        Kind::Number { min: 0, max: 600_000 },
        "2000",
        Change::Live,
        "Edge: milliseconds that a read waits for the connection's own forwarded writes to come back from the core; 0 = do not wait.",
    ),
    row(
        "edge-lag-max-ms",
        Kind::Number { min: 0, max: 31_536_000_000 },
        "0",
        Change::Live,
        "Edge: /readyz fails while the site is more milliseconds behind the core than this; 0 = no limit.",
    ),
    row(
        "edges-max",
        Kind::Number { min: 0, max: 4096 },
        "256",
        Change::Start,
        "Core: edge streams that this node serves at a time. An edge beyond that is turned away and tries another node.",
    ),
    row(
        "edge-bootstraps-max",
        Kind::Number { min: 1, max: 64 },
        "2",
        Change::Start,
        "Core: edges that may fetch a bootstrap snapshot from this node at a time; others wait their turn.",
    )
    .also("edge-seeds-max"),
    row(
        "edge-bootstrap-bytes-per-second",
        SIZE,
        "0",
        Change::Start,
        "Core: bytes per second at which this node sends bootstrap snapshots, over all edges together; 0 = no limit.",
    )
    .also("edge-seed-bytes-per-second"),
];
