//! The parameters of edge sites: of a node of one, and of the core that feeds them.

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
        "What this node is: of a core, which holds the truth, or of an edge site, which follows one; `flotilla edge` means edge.",
    ),
    row(
        "site",
        Kind::Text,
        "",
        Change::Start,
        "Edge: name of its site, of small letters, digits and hyphens. Its nodes are named edge-SITE or edge-SITE.NODE.",
    ),
    row(
        "upstream",
        Kind::Text,
        "",
        Change::Start,
        "Edge: peer addresses `host:port,…` of nodes of the core, the preferred one first; any of them will do.",
    ),
    row(
        "upstream-discovery",
        Kind::Bool,
        "yes",
        Change::Start,
        "Edge: whether other nodes of the core, of which the upstreams tell, are followed when no upstream is reached.",
    ),
    row(
        "edge-writes",
        Kind::Choice(&["forward", "reject"]),
        "forward",
        Change::Start,
        "Edge: what becomes of writes: they are sent to the core, or refused with READONLY.",
    ),
    row(
        "edge-write-wait-ms",
        Kind::Number { min: 0, max: 600_000 },
        "2000",
        Change::Live,
        "Edge: how long a connection's next read waits until what the connection wrote at the core has come here.",
    ),
    row(
        "edge-lag-max-ms",
        Kind::Number { min: 0, max: 31_536_000_000 },
        "0",
        Change::Live,
        "Edge: /readyz says no while the site is further behind the core than this; 0 = however far.",
    ),
    row(
        "edges-max",
        Kind::Number { min: 0, max: 4096 },
        "256",
        Change::Start,
        "Core: edge sites that this node feeds at a time; one more is sent away and tries another node.",
    ),
    row(
        "edge-seeds-max",
        Kind::Number { min: 1, max: 64 },
        "2",
        Change::Start,
        "Core: edge sites that fetch a bootstrap snapshot of the data from this node at a time.",
    ),
    row(
        "edge-seed-bytes-per-second",
        SIZE,
        "0",
        Change::Start,
        "Core: how fast this node gives bootstrap snapshots away, all edges together; 0 = as fast as it goes.",
    ),
];
