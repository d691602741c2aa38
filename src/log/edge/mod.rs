//! Edge sites: how entries of the core get to them, and writes from them to the core.
//!
//! ```text
//!  core node, leader or not                                   edge site
//!  segment log ─▶ feed.rs ─ entries, words, messages ───────▶ follow.rs ─▶ the site's Raft group ─▶ replica
//!  queue       ◀─ upstream.rs ◀─ writes, read index, reports ─ forward.rs, follow.rs
//!  snapshot    ─▶ upstream.rs ─ files ──────────────────────▶ seed.rs
//! ```
//!
//! **Invariants.**
//! * Only what is committed and applied on a core node is fed, in order, without gaps; an EXEC is never split. What is fed
//!   says which entry it continues, and the edge takes it only if that is its own last one.
//! * The core keeps nothing of an edge that is not connected, and what it makes for a connected one that does not read is
//!   bounded by HTTP/2's windows and one item.
//! * The only proposer in a site's group is the follow task of its leader; sessions' writes go to the core.
//! * An edge never follows a history that is not its data's: it takes a whole copy of the other one instead, and serves the
//!   old one until that is complete.

mod core_nodes;
mod feed;
mod flights;
mod follow;
mod following;
mod forward;
mod frames;
mod goal;
mod options;
mod preference;
mod seed;
mod seeds;
mod site_seeds;
mod site_snapshot;
mod tasks;
mod upstream;
mod upstreams;
pub(super) mod wire;

pub(super) use feed::Feed;
use follow::Follower;
use forward::Writes;
#[cfg(test)]
pub(super) use frames::{Frame, Frames, Next, decode};
pub use options::EdgeOptions;

pub(super) use site_seeds::{SiteSeeds, place_of};
pub(super) use site_snapshot::fits;
pub(super) use tasks::EdgeTasks;
pub(super) use upstream::{Feeding, Upstream};
use upstreams::Upstreams;
pub(super) use wire::{Fed, FromLeader, fed_from_wire, fed_to_wire};
