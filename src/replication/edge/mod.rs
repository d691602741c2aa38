//! Edge sites: how entries of the core get to them, and writes from them to the core.
//!
//! ```text
//!  core node, leader or not                                   edge site
//!  wal         ─▶ feed.rs ─ entries, heartbeats, messages ───────▶ follow.rs ─▶ the site's Raft group ─▶ replica
//!  queue       ◀─ upstream.rs ◀─ writes, read index, reports ─ forward.rs, follow.rs
//!  snapshot    ─▶ upstream.rs ─ files ──────────────────────▶ bootstrap.rs
//! ```
//!
//! | side | file | does |
//! |---|---|---|
//! | core | `feed.rs`, `frames.rs` | sends committed entries as they are applied; a frame is made once for all edges |
//! | core | `upstream.rs`, `bootstrap_source.rs` | takes writes and messages, says how far a read must go, gives copies away |
//! | edge | `follow.rs`, `following.rs` | connects, checks each item against the data here, proposes it into the site's group |
//! | edge | `bootstrap.rs`, `goal.rs` | takes a copy of the core's data, and says when a site that never was whole may answer |
//! | edge | `upstreams.rs`, `preference.rs`, `core_nodes.rs` | which core nodes there are, and which one is followed |
//! | edge | `forward.rs`, `tasks.rs` | writes, reads and messages of its clients that go to the core |
//! | edge | `site.rs` | what the nodes of one site give each other |
//!
//! Any core node can feed, the leader is not needed for it. An edge that is cut off goes on serving what it has, says how
//! old that is, and comes back by itself. Behind the core's log it takes a copy of the data, file by file, while the old
//! data serve.
//!
//! **Invariants.**
//! * Only what is committed and applied on a core node is fed, in order, without gaps; an EXEC is never split. What is fed
//!   says which entry it continues, and the edge takes it only if that is its own last one.
//! * The core keeps nothing of an edge that is not connected, and what it makes for a connected one that does not read is
//!   bounded by HTTP/2's windows and one item.
//! * The only proposer in a site's group is the follow task of its leader; sessions' writes go to the core.
//! * An edge never follows a history that is not its data's: it takes a bootstrap snapshot of the other one instead, and serves the
//!   old one until that is complete.

mod bootstrap;
mod bootstrap_source;
mod core_nodes;
mod feed;
mod follow;
mod following;
mod forward;
mod frames;
mod goal;
mod in_flight;
mod options;
mod preference;
mod site;
mod tasks;
mod upstream;
mod upstreams;

pub use options::EdgeOptions;
pub use site::{keep_others, offer_snapshot};
pub use tasks::EdgeTasks;
pub use upstream::{Feeding, Upstream};

#[cfg(test)]
pub use feed::Feed;
#[cfg(test)]
pub use frames::{Frame, Frames, Next, decode};
