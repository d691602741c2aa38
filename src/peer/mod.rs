//! Calls from one node to another, over gRPC (HTTP/2). It carries kinds and bytes, leaves their meaning to the callers, and
//! knows no Raft.
//!
//! ```text
//!  caller ─ PeerClient::call(kind, body) ─▶ one HTTP/2 connection per peer ─▶ PeerServer ─▶ Handler::call ─▶ answer
//! ```
//!
//! Small and frequent calls share a multiplexed stream (`multiplexed.rs`) per lane instead of being a stream of their own each.
//!
//! A node may have several groups (`groups.rs`): every frame names its group, and all groups share connections.
//!
//! A feed (`feed.rs`) is one call with many answers, made as fast as they are read. The caller's name decides which calls
//! it may make (`authorization.rs`).
//!
//! Every call names its cluster, its sender and its receiver; the receiver checks that, and the size of the body
//! (`receipt.rs`), before it reads the body. A node without a cluster accepts only kinds below `FIRST_MEMBER_KIND`.
//!
//! **Invariants.** The error of a failed call tells whether the other node may have executed it (`CallError::Broken`) or
//! cannot have (`Unreachable`, `Refused`). Bodies and durations have limits.

mod accept;
mod authorization;
mod client;
mod feed;
mod groups;
mod identity;
mod message;
mod multiplexed;
mod network;
mod peers;
mod receipt;
mod server;
mod tls;

pub use authorization::site_of;
pub use client::{CallError, Lane, PeerClient};
pub use feed::{Answers, Feed};
pub use groups::{FIRST_GROUP, Groups};
pub use identity::LocalIdentity;
pub use message::{FIRST_EDGE_KIND, FIRST_MEMBER_KIND, PROTOCOL_VERSION};
pub use network::{Network, Outgoing};
pub use peers::{Connections, Peers};
pub use server::{Answer, Caller, Handler, serve};
pub use tls::Tls;

#[cfg(test)]
pub(crate) mod tests;
