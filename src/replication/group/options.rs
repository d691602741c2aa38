//! The start options of a group.

use super::cluster::ClusterOptions;
use crate::{
    command::Table,
    peer::Connections,
    replica::CallObserver,
    replication::{
        directory::LostStore,
        edge::EdgeOptions,
        wal::{Retention, SegmentOptions},
    },
    session::{Group, PubSub, Stats},
    state::StateWriter,
};
use std::{path::PathBuf, sync::Arc};

/// The options.
pub struct GroupOptions {
    /// Which group of this node it is, and its data.
    pub group: Arc<Group>,
    /// The node's data directory; `directory::open_group` gives the group's own directory in it.
    pub data_directory: PathBuf,
    /// Shared with the other groups of the node; `None`: it has its own.
    pub connections: Option<Arc<Connections>>,
    pub node_id: u64,
    pub table: &'static Table,
    /// Writes the group's replication state, that the rest of the program reads.
    pub writer: Arc<StateWriter>,
    pub pubsub: Arc<PubSub>,
    pub stats: Arc<Stats>,
    /// Who wants to know of slow calls; `None`: nobody.
    pub observer: Option<CallObserver>,
    pub segments: SegmentOptions,
    /// Log kept on disk beyond what a restart needs, bytes.
    pub retention: Retention,
    /// The other nodes; `None`: there are none.
    pub cluster: Option<ClusterOptions>,
    /// Of a node of an edge site; `None`: it is one of a core.
    pub edge: Option<EdgeOptions>,
    /// Whether the leader raises the feature level by itself once all understand the next one.
    pub upgrades: bool,
    /// The store is empty because its data are damaged: another node's data will replace them.
    pub lost_store: Option<LostStore>,
}
