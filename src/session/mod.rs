//! The server's state: of one client (`session.rs`, its queued transaction in `transaction.rs`), of all clients
//! (`clients.rs`, their memory in `client_memory.rs`), its users (`users.rs`), and of the node as commands see it (`node.rs`, `stats.rs`).
//!
//! Invariant: nothing here touches a socket or the log. Local handlers get a `Context` and decide; the server acts.

mod acl_log;
mod auth_failures;
mod client_address;
mod client_filter;
mod client_flags;
mod client_memory;
mod clients;
mod command_class;
mod command_log;
mod consistency;
mod core_request;
mod group;
mod hot_keys;
mod keyspace_notifier;
mod machine;
mod memory;
mod message_order;
mod migration;
mod monitors;
mod node;
mod output_limit;
mod parking;
mod process;
mod pubsub;
mod pubsub_counts;
mod session;
mod source_request;
mod stats;
mod subscriber;
#[cfg(test)]
mod tests;
mod thread_stats;
mod traces;
mod tracking;
mod transaction;
mod users;

pub use acl_log::{AclLog, AclLogEntry, DeniedIn, DeniedReason};
pub use auth_failures::{AuthFailures, Origin};
pub use client_address::ClientAddress;
pub use client_filter::{CLIENT_FLAGS, ClientFilter, ClientKind, ClientProperty};
pub use client_memory::{ClientMemory, ClientMemoryTotal};
pub use clients::{Client, Clients, Pause, PauseMode};
pub use command_class::CommandClass;
pub use command_log::{CommandLog, CommandLogEntry, CommandLogs};
pub use consistency::Consistency;
pub use core_request::CoreRequest;
pub use group::{Group, GroupSession};
pub use hot_keys::{HotKeyMetrics, HotKeyReport, HotKeySession, HotKeys};
pub use keyspace_notifier::KeyspaceNotifier;
pub use machine::memory_limit_bytes;
pub use memory::{MemoryMarks, MemoryUse};
pub use message_order::MessagePosition;
pub use migration::Migration;
pub use monitors::{CalledBy, Monitors};
pub use node::{ClusterIdentity, Context, Node, NodeIdentity};
pub use parking::{Parked, Parking, Unblocked};
pub use process::{NETWORK_THREAD, ProcessUsage};
pub use pubsub::{PubSub, Publication, Subscribed, Subscriptions};
pub use session::{ReplyMode, Session};
pub use source_request::{SourceOrder, SourceRequest, SourceSettings, SourceTls};
pub use stats::{CommandStats, Rates, Stats};
pub use subscriber::Subscriber;
pub use thread_stats::{ThreadStats, Threads};
pub use traces::{Commit, TracedCall, Traces};
pub use tracking::{
    Arrivals, Forgotten, RecentChanges, SessionTracking, Tracking, TrackingMode, TrackingOptions,
    TrackingRevision, TrackingState, TrackingTable, TrackingTotals, overlapping, tell_changed,
};
pub use transaction::{QueuedCall, Transaction};
pub use users::Users;
