//! Derives the node's role from the settings: core node, edge node, or node in need of repair.

use super::{NodeError, descriptors::Descriptors, io};
use crate::{
    backup::KeeperOptions,
    commands,
    config::{BackupSettings, PsyncSettings, Settings, TraceSettings},
    peer::{LocalIdentity, Tls},
    psync::{Psync, PsyncOptions},
    replication::{ClusterOptions, DataDirectory, EdgeOptions, Helpers, Identity, adopt},
    session::{ClusterIdentity, Group, Node, Traces},
    state::ClientPorts,
    store::StoreOptions,
};
use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// What servers that follow by PSYNC may cost this node.
pub(super) fn psync(settings: &Settings, group: &Group) -> Arc<Psync> {
    let PsyncSettings { replicas_max, backlog_bytes, buffer_bytes, backlog_ttl_seconds } = settings.psync;
    let options = PsyncOptions {
        followers_max: replicas_max,
        backlog_bytes,
        buffer_bytes,
        backlog_ttl: Duration::from_secs(backlog_ttl_seconds),
    };
    Arc::new(Psync::new(&group.store, options, commands::scripting::library_texts, super::run_id))
}

/// Where sampled calls are traced to, if anywhere.
pub(super) fn traces(settings: &Settings, identity: &Identity) -> Option<Traces> {
    let TraceSettings { collector, one_of } = settings.traces.as_ref()?;
    Traces::start(collector, *one_of, &identity.node_name, &identity.cluster_id)
        .inspect(|_| tracing::info!(collector, one_of, "calls are traced"))
        .inspect_err(|error| tracing::warn!(collector, error, "calls are not traced"))
        .ok()
}

/// Where a damaged node looks for others to repair itself from. It may not know its own identity yet.
pub(super) fn helpers(settings: &Settings, tls: Option<Arc<Tls>>) -> Helpers {
    let others = settings.cluster.iter().filter(|(name, _)| *name != settings.node_name);
    let peers = others.map(|(_, address)| address.clone()).chain(settings.join.iter().cloned()).collect();
    Helpers {
        peers,
        upstreams: settings.edge.as_ref().map(|edge| edge.upstreams.clone()).unwrap_or_default(),
        identity: Arc::new(
            LocalIdentity::new(0, settings.node_name.clone(), String::new(), None).with_tls(tls),
        ),
        bytes_per_second: settings.snapshot_bytes_per_second,
    }
}

/// This node's role among the nodes of its list.
pub(super) fn cluster(
    settings: &Settings,
    directory: &DataDirectory,
    node: &Node,
    tls: Option<Arc<Tls>>,
    listener: TcpListener,
) -> Result<ClusterOptions, NodeError> {
    let own = &directory.identity;
    let in_list = settings.cluster.iter().find(|(name, _)| *name == own.node_name).map(|(_, at)| at.clone());
    let founds = in_list.is_some();
    if !settings.cluster.is_empty() && !founds && settings.join.is_empty() {
        let text = format!(
            "this node is {}, which --cluster does not name; a node that joins later needs --join as well",
            own.node_name
        );
        return Err(io("cluster")(std::io::Error::new(std::io::ErrorKind::InvalidInput, text)));
    }
    let bound = || settings.addresses(settings.peer_port).first().map(SocketAddr::to_string);
    let said = (!settings.peer_address.is_empty()).then(|| settings.peer_address.clone());
    let address = said.or(in_list).or_else(bound).unwrap_or_default();
    if !settings.join.is_empty()
        && settings.peer_address.is_empty()
        && settings.bind.iter().any(IpAddr::is_unspecified)
    {
        let text = "set --peer-address to the address where other nodes reach this one, because it is bound to all addresses";
        return Err(io("join")(std::io::Error::new(std::io::ErrorKind::InvalidInput, text)));
    }
    match (&tls, settings.has_loopback_only()) {
        (Some(_), _) => tracing::info!("connections between nodes use mutual TLS"),
        (None, true) => tracing::info!("connections between nodes are unencrypted, on loopback"),
        (None, false) => tracing::warn!(
            "connections between nodes are UNENCRYPTED beyond loopback (--peer-insecure): anyone who reaches the peer port can read and change all data"
        ),
    }
    let known = (!own.cluster_id.is_empty()).then(|| own.cluster_id.clone());
    let fresh = |id: &str| if id.is_empty() { uuid::Uuid::new_v4().to_string() } else { id.to_owned() };
    let (path, shown) = (directory.path.clone(), Arc::clone(&node.identity.cluster));
    Ok(ClusterOptions {
        is_alone: !settings.is_one_of_many(),
        members: settings.cluster.iter().filter(|_| founds).cloned().collect(),
        join: settings.join.clone(),
        standby: settings.join_as_standby,
        repair_damaged: settings.repair_damaged,
        compare_interval: Duration::from_secs(settings.compare_interval_seconds),
        verify_bytes_per_second: settings.verify_bytes_per_second,
        verify_interval: Duration::from_secs(settings.verify_interval_seconds),
        cluster: Arc::clone(&node.identity.cluster),
        identity: Arc::new(
            LocalIdentity::new(own.node_id, own.node_name.clone(), address, known).with_tls(tls),
        ),
        cluster_id: fresh(&own.cluster_id),
        history_id: fresh(&own.history_id),
        adopt: Arc::new(move |cluster_id, history_id| {
            adopt(&path, cluster_id, history_id)?;
            *shown.write() = ClusterIdentity { cluster_id: cluster_id.into(), history_id: history_id.into() };
            Ok(())
        }),
        groups: Arc::default(),
        listener: Some(listener),
        client_ports: client_ports_told(settings, node),
        client_host: settings.announce.host.clone(),
        snapshot_bytes_per_second: settings.snapshot_bytes_per_second,
        master_name: settings.sentinel_master_name.clone(),
        feed: settings.feed,
    })
}

/// By which host clients of a node that is alone reach it, as far as it can know.
pub(super) fn own_host(settings: &Settings) -> String {
    let bound = settings.bind.iter().find(|ip| !ip.is_unspecified()).map(IpAddr::to_string);
    match settings.announce.host.as_str() {
        "" => bound.unwrap_or_else(|| "127.0.0.1".into()),
        host => host.to_owned(),
    }
}

/// The ports that clients are told.
pub(super) fn client_ports_told(settings: &Settings, node: &Node) -> ClientPorts {
    let own = u16::try_from(node.port.load(Ordering::Relaxed)).unwrap_or(0);
    let own_tls = settings.client_tls.as_ref().map_or(0, |tls| tls.port);
    let (port, tls_port) = (settings.announce.port, settings.announce.tls_port);
    let first_of = |ports: [u16; 3]| ports.into_iter().find(|port| *port != 0).unwrap_or(0);
    if own == own_tls {
        // Without a plain port there is one, which may be announced by either name.
        let only = first_of([tls_port, port, own]);
        return ClientPorts { first: only, tls: if own_tls == 0 { 0 } else { only } };
    }
    let tls = if own_tls == 0 { 0 } else { first_of([tls_port, own_tls, 0]) };
    ClientPorts { first: first_of([port, own, 0]), tls }
}

/// The node's TLS identity; `None`: plain text.
pub(super) fn tls(settings: &Settings) -> Result<Option<Arc<Tls>>, NodeError> {
    Ok(match &settings.peer_tls {
        Some([cert, key, ca]) => Some(Arc::new(Tls::open(cert, key, ca).map_err(io("TLS for other nodes"))?)),
        None => None,
    })
}

/// The core that this node follows, if it is an edge node.
pub(super) fn edge(
    settings: &Settings,
    directory: &DataDirectory,
    cluster: Option<&ClusterOptions>,
    tls: Option<Arc<Tls>>,
) -> Option<EdgeOptions> {
    let own = &directory.identity;
    let known = (!own.cluster_id.is_empty()).then(|| own.cluster_id.clone());
    let alone = || LocalIdentity::new(own.node_id, settings.node_name.clone(), String::new(), known);
    Some(EdgeOptions {
        settings: settings.edge.clone()?,
        identity: match cluster {
            Some(cluster) => Arc::clone(&cluster.identity),
            None => Arc::new(alone().with_tls(tls)),
        },
        is_partial: own.is_partial,
        bootstrap_bytes_per_second: settings.snapshot_bytes_per_second,
    })
}

/// What the parameters say of backups.
pub(super) fn keeper_options(settings: &BackupSettings) -> KeeperOptions {
    KeeperOptions {
        to: settings.to.clone(),
        key_file: settings.key_file.clone(),
        interval: Duration::from_secs(settings.interval_seconds),
        keep: settings.keep,
        bytes_per_second: settings.bytes_per_second,
        archive_interval: Duration::from_secs(settings.archive_seconds),
    }
}

/// Of the store: caches, memtables, files.
pub(super) fn store_options(settings: &Settings, descriptors: Descriptors) -> StoreOptions {
    StoreOptions {
        block_cache_bytes: settings.block_cache_bytes,
        hot_cache_bytes: settings.hot_cache_bytes,
        memtable_bytes: settings.memtable_bytes,
        open_files_max: descriptors.store,
        ..StoreOptions::default()
    }
}
