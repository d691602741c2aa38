//! The messages that nodes exchange: kinds of calls, and bodies as Protocol Buffers (proto3).
//!
//! `peer` carries a kind and bytes from one node to another without knowing their meaning, which is defined here. A kind
//! decides who may send it: below `peer::FIRST_EDGE_KIND` any node that reaches the port, from there on an edge, from
//! `peer::FIRST_MEMBER_KIND` on a node of the same cluster.
//!
//! | file | messages |
//! |---|---|
//! | `kinds.rs` | the numbers of all calls |
//! | `members.rs` | who a node is and how it is, joining, requests of administrators, checksums of the state |
//! | `proposals.rs` | writes that are forwarded to the leader, and the read index |
//! | `files.rs` | files of a snapshot, and parts of them |
//! | `pubsub.rs` | messages of PUBLISH |
//! | `reads.rs` | which keys are read, for a leader that evicts |
//! | `scripts.rs` | SCRIPT KILL on the other nodes |
//! | `edge.rs` | the feed: entries, commit positions, bootstrap snapshots, reports |
//! | `body.rs` | how a message becomes bytes, and is read again |
//!
//! openraft's own requests are in `consensus/rpc/`, beside the conversions from and to its types.
//!
//! **Rules.**
//! * Fields are only ever added, with new tags; a tag is never used again. A receiver ignores unknown fields, so a new
//!   field must be safe to ignore for old nodes.
//! * What an old node must *not* ignore raises a level: the feature level (`crate::feature_level`), or for the form of a feed
//!   `EDGE_LEVEL`. A node that does not understand the core's is not let in or not fed, and is told so.
//! * A body that cannot be read is refused; it never stops a node.
//! * 0 and empty mean "not given", as in proto3; a field whose 0 means something else documents it.

mod body;
mod edge;
mod files;
mod kinds;
mod members;
mod proposals;
mod pubsub;
mod reads;
mod reports;
mod scripts;

pub use body::{Unreadable, read, write};
pub use edge::{
    BootstrapOffer, BootstrapWanted, CommitHeartbeat, CoreNodes, Entries, Fed, Follow, FromLeader, Hello,
    Item, Report, SiteBootstrap, fed_from_wire, fed_to_wire,
};
pub use files::{FileMeta, GetFile};
pub use kinds::{EDGE_LEVEL, edge_kind, kind, lost};
pub use members::{
    Admin, AdminAnswer, ChecksumAnswer, Found, Join, JoinAnswer, Quarantine, Replicated, ReplicatedAnswer,
    StateSumAnswer, StateSumAsked, Status,
};
pub use proposals::{Forward, ForwardAnswer, ForwardOutcome, ReadIndex, outcome_kind};
pub use pubsub::{Deliver, Publication, Publish, PublishAnswer, publication_from_wire, publication_to_wire};
pub use reads::{Reads, ReadsAnswer};
pub use reports::{ReportAnswer, ReportWanted};
pub use scripts::{KillScripts, KillScriptsAnswer};
