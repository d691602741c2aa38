//! What a group is started with.

use super::cluster::ClusterOptions;
use crate::{
    command::Table,
    peer::Connections,
    replication::{
        directory::LostStore,
        edge::EdgeOptions,
        wal::{Retention, SegmentOptions},
    },
    session::{PubSub, Stats},
    state::StateWriter,
    store::Store,
};
use std::{path::PathBuf, sync::Arc};

/// See the module.
pub struct GroupOptions {
    /// Which group of this node it is.
    pub group: u64,
    /// The node's data directory; `directory::open_group` says where in it the group's own files are.
    pub data_directory: PathBuf,
    /// Shared with the other groups of the node; `None`: it has its own.
    pub connections: Option<Arc<Connections>>,
    pub node_id: u64,
    pub store: Arc<Store>,
    pub table: &'static Table,
    /// Writes the replication state that the rest of the program reads.
    pub writer: Arc<StateWriter>,
    pub pubsub: Arc<PubSub>,
    pub stats: Arc<Stats>,
    pub segments: SegmentOptions,
    /// Log kept on disk beyond what a restart needs, bytes.
    pub retention: Retention,
    /// The other nodes; `None`: there are none.
    pub cluster: Option<ClusterOptions>,
    /// Of a node of an edge site; `None`: it is one of a core.
    pub edge: Option<EdgeOptions>,
    /// The store is empty because what it had is damaged: another node's data are to take its place.
    pub lost_store: Option<LostStore>,
}
