//! Edge sites: carries the core's entries to them, and their writes to the core.
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
//! | core | `upstream.rs`, `bootstrap_source.rs` | accepts writes and messages, answers read indexes, serves bootstrap snapshots |
//! | edge | `follow.rs`, `following.rs` | connects, checks each item against the data here, proposes it into the site's group |
//! | edge | `bootstrap.rs`, `goal.rs` | fetches a bootstrap snapshot; decides when a new site may answer |
//! | edge | `upstreams.rs`, `preference.rs`, `core_nodes.rs` | knows the core's nodes and chooses the one to follow |
//! | edge | `forward.rs`, `tasks.rs` | sends its clients' writes, reads and messages to the core |
//! | edge | `site.rs` | exchanges snapshots between the nodes of one site |
//!
//! Any core node can feed edges, not only the leader. An edge that is cut off goes on serving its data, says how old they are,
//! and reconnects by itself. If the core has purged the entries it needs, it fetches a bootstrap snapshot, file by file, and
//! serves the old data meanwhile.
//!
//! **Invariants.**
//! * A core node feeds only entries that are committed and applied there, in order and without gaps; an EXEC is never split.
//!   Each batch names the entry it continues, and the edge accepts it only if that is its own last entry.
//! * The core keeps nothing for an edge that is not connected. For a connected edge that does not read, it buffers no more than
//!   HTTP/2's windows and one item.
//! * The follow task of the site's leader is the only proposer in a site's group; clients' writes go to the core.
//! * An edge never follows a history other than its data's. It fetches a bootstrap snapshot of the other history instead, and
//!   serves the old data until that is complete.

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
