//! Node to node: calls from one node to another, over gRPC (HTTP/2). Carries kinds and bytes; what they mean is the
//! business of whoever made them, and knows no Raft.
//!
//! ```text
//!  caller ─ PeerClient::call(kind, body) ─▶ one HTTP/2 connection per peer ─▶ PeerServer ─▶ Handler::call ─▶ answer
//! ```
//!
//! Small and frequent calls share a multiplexed stream (`multiplexed.rs`) per lane instead of being a stream of their own each.
//!
//! A node may have several groups (`groups.rs`): every frame says which one it is for, and all of them share connections.
//!
//! A feed (`feed.rs`) is one call with many answers, made as fast as they are taken. Who may ask what follows from the
//! caller's name (`authorization.rs`).
//!
//! Every call says which cluster it belongs to, which node sends it and which node it is meant for; the receiver looks
//! at that before it reads the body, and how large that may be (`receipt.rs`). A node that has no cluster yet takes only kinds below `FIRST_MEMBER_KIND`.
//!
//! **Invariants.** A call that failed says whether the other node may have seen it (`CallError::Broken`) or cannot have
//! done anything (`Unreachable`, `Refused`). Bodies have a limit, and so has the time for a call.

mod accept;
mod authorization;
mod client;
mod feed;
mod groups;
mod identity;
mod message;
mod multiplexed;
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
pub use peers::{Connections, Peers};
pub use server::{Answer, Caller, Handler, serve};
pub use tls::Tls;

#[cfg(test)]
pub(crate) mod tests;
