//! Composition: opens the data directory, starts store, log, HTTP and client server, and stops them in reverse.
//!
//! Start order: identity and lock (one process per directory) → store → log (replays what the store lacks) → HTTP (alive,
//! not ready) → wait until the log is applied to its end, but only a few seconds → client port (from then on refused
//! commands are told the reason) → ready. Stop order: hand over leadership → client port (connections finish their
//! commands) → log (proposals get their outcomes) → flush → HTTP → lock. All of it shares one deadline
//! (`shutdown-timeout`); writes without an outcome by then are reported as unknown, and the process ends.

mod damaged;
mod descriptors;
mod first_users;
mod options;
mod password;
mod ports;
mod rescue;
mod space;

use crate::{
    backup::Keeper,
    command::ShutdownMode,
    commands,
    config::{Config, Settings},
    environment::Environment,
    fail::{self, Damage},
    moving, ops,
    peer::FIRST_GROUP,
    replica::CallObserver,
    replication::{
        DataDirectory, GroupHandle, GroupOptions, Helpers, LogError, LostStore,
        wal::{Retention, SegmentOptions},
    },
    server::{ClientPort, Server, Stop, bind_peers, bind_peers_for_edges},
    session::{
        AuthFailures, ClusterIdentity, Group, KeyspaceNotifier, MemoryMarks, Node, NodeIdentity, PubSub,
        Stats, Tracking, Users,
    },
    signals::{Signals, end_without},
    state::StateWriter,
    store::{Store, StoreOptions},
    time::now_ms,
};
use damaged::Damaged;
use options::{client_ports_told, cluster, edge, helpers, keeper_options, own_host, store_options, tls};
use parking_lot::RwLock;
use ports::{client_ports, http_port, sentinel_ports};
use space::Watch;
use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Why a node could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] crate::error::StoreError),
    #[error(transparent)]
    Log(#[from] crate::replication::LogError),
    #[error("backups: {0}")]
    Backup(#[from] crate::backup::BackupError),
}

impl NodeError {
    /// The damage, if damage is the cause.
    fn damage(&self) -> Option<Damage> {
        match self {
            NodeError::Io { .. } | NodeError::Backup(_) => None,
            NodeError::Store(error) => error.damage(),
            NodeError::Log(error) => error.damage(),
        }
    }
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> NodeError {
    let what = what.into();
    move |source| NodeError::Io { what, source }
}

/// Longest time to close connections once the time to finish is up. The help of `shutdown-timeout` states it.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Time for which a starting node lets clients wait; after that it tells them why it cannot serve. Most starts take less,
/// and not every client retries after LOADING.
const HOLD_AT_START: Duration = Duration::from_secs(5);

/// Runs a node until SHUTDOWN, SIGTERM or SIGINT; returns it with its store open. One that finds damage in its files starts anew, to repair them.
pub fn run(config: Config) -> Result<Arc<Node>, NodeError> {
    let config = Arc::new(config);
    let damaged = Arc::new(Damaged::new(&config.settings()));
    let on_damage = Arc::clone(&damaged);
    fail::on_damage(Box::new(move |damage| on_damage.act(damage)));
    run_once(config, &damaged).inspect_err(|error| {
        if let Some(damage) = error.damage() {
            damaged.act(&damage);
        }
    })
}

fn run_once(config: Arc<Config>, damaged: &Damaged) -> Result<Arc<Node>, NodeError> {
    let started = Instant::now();
    // Declared first, so it is dropped last: the guard covers the end of RocksDB's work, too.
    let _end_guard;
    let settings = Settings::clone(&config.settings());
    disable_huge_pages(settings.disable_thp);
    let descriptors =
        descriptors::reserve(settings.maxclients).map_err(|why| io("start")(std::io::Error::other(why)))?;
    config.limit_clients(descriptors.clients);
    password::follow(&config).map_err(io("start a thread"))?;
    let ports = client_ports(&settings)?;
    let sentinel_ports = sentinel_ports(&settings)?;
    let (http_listeners, http_tls) = http_port(&settings)?;
    let is_one_of_many = settings.is_one_of_many();
    let site = settings.edge.as_ref().map(|edge| edge.site.as_str());
    let tls = tls(&settings)?;
    let helpers = damaged.can_repair().then(|| helpers(&settings, tls.clone()));
    let writer = Arc::new(StateWriter::new(Environment::machine()));
    let mut space = Watch::new(&settings);
    space.begin(&writer.state().disk);
    let (directory, quarantine) = DataDirectory::open_damaged(
        &settings.data_dir,
        &settings.node_name,
        is_one_of_many,
        helpers.as_ref(),
    )?;
    let directory = directory.of(site)?;
    let options =
        StoreOptions { disk: Arc::clone(&writer.state().disk), ..store_options(&settings, descriptors) };
    let store_at = settings.data_dir.join("store");
    space.watch(&writer.state().disk).map_err(io("start a thread"))?;
    let store = Arc::new(match (&quarantine, &helpers) {
        (None, _) => Store::open(&store_at, options)?,
        (Some(_), Some(_)) => Store::open_empty(&store_at, options)?,
        (Some(found), None) => {
            let (path, text) = (settings.data_dir.clone(), found.text.clone());
            return Err(LogError::Quarantined { path, text }.into());
        }
    });
    let (state, id) = (Arc::clone(writer.state()), FIRST_GROUP);
    let group = Arc::new(Group { id, store: Arc::clone(&store), state });
    let node = Arc::new(node(config, Arc::clone(&group), &directory, &ports, started));
    node.configure_logs();
    node.limit_tracking();
    store.observe(Arc::new(KeyspaceNotifier::new(&node)));
    node.users.reload(&store)?;
    node.group.state.was_member.store(directory.identity.was_member, Ordering::Relaxed);
    node.group.state.asks_to_read.store(!settings.lease_reads, Ordering::Relaxed);
    *node.group.state.own_clients.write() = (own_host(&settings), client_ports_told(&settings, &node));
    let peer_listener = match (is_one_of_many, &settings.edge) {
        (true, _) => {
            Some(bind_peers(&settings).map_err(io(format!("listen on peer port {}", settings.peer_port)))?)
        }
        (false, None) => bind_peers_for_edges(&settings),
        (false, Some(_)) => None,
    };
    let cluster = peer_listener
        .map(|listener| cluster(&settings, &directory, &node, tls.clone(), listener))
        .transpose()?;
    let edge = edge(&settings, &directory, cluster.as_ref(), tls);
    let lost_store = quarantine.zip(helpers).map(|(quarantine, helpers)| {
        let identity =
            cluster.as_ref().map_or(Arc::clone(&helpers.identity), |own| Arc::clone(&own.identity));
        LostStore { quarantine, helpers: Helpers { identity, ..helpers } }
    });
    let http_at = addresses(http_listeners.iter());
    let http =
        ops::start(Arc::clone(&node), http_listeners, http_tls).map_err(io("start the HTTP thread"))?;
    let log = GroupHandle::start(GroupOptions {
        group,
        connections: None,
        data_directory: settings.data_dir.clone(),
        node_id: directory.identity.node_id,
        table: commands::table(),
        writer,
        pubsub: Arc::clone(&node.pubsub),
        stats: Arc::clone(&node.stats),
        observer: Some(observer(&node)),
        segments: SegmentOptions::retaining(settings.log_retain_bytes),
        retention: Retention {
            bytes: settings.log_retain_bytes,
            age: Duration::from_secs(settings.log_retain_seconds),
            bytes_max: settings.log_retain_bytes_max,
        },
        cluster,
        edge,
        upgrades: settings.auto_upgrade,
        lost_store,
    })?;
    damaged.hands_over_by(&log);
    http.show(log.clone());
    if let Some(settings) = &settings.backup {
        Keeper::start(log.clone(), Arc::clone(&node), keeper_options(settings))?;
    }
    let moving =
        moving::Keeper::start(log.clone(), Arc::clone(&node)).map_err(io("start a thread for sources"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(io("start the main runtime"))?;
    let stop = Arc::new(Stop::default());
    // One listener for the process's whole life: a signal between two listeners would be lost.
    let mut signals = runtime.block_on(async { Signals::new() }).map_err(io("listen for signals"))?;
    let timeout = || Duration::from_secs(node.config.settings().shutdown_timeout_seconds);
    let clients_at = ports.iter().map(ClientPort::place).collect::<Vec<_>>().join(" ");
    // Meanwhile the kernel accepts connections.
    let ready = runtime.block_on(async {
        tokio::time::timeout(HOLD_AT_START, wait_ready(&node, &log, &stop, &mut signals)).await
    });
    let server = Server::start(
        ports.into_iter().chain(sentinel_ports).collect(),
        settings.network_threads,
        Arc::clone(&node),
        log.clone(),
        Arc::clone(&stop),
        commands::table(),
    )
    .map_err(io("start the network threads"))?;
    if ready.unwrap_or_else(|_| runtime.block_on(wait_ready(&node, &log, &stop, &mut signals)))? {
        node.ready.store(true, Ordering::Release);
        let start_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            clients = %clients_at, http = %http_at, data_dir = %settings.data_dir.display(), start_ms,
            "flotilla {} is ready", env!("CARGO_PKG_VERSION")
        );
    }
    let mode = runtime.block_on(async {
        tokio::select! {
            mode = wait_for_stop(&node, &stop, &mut signals, timeout) => mode,
            never = rescue::watch(&node, &log) => match never {},
        }
    });
    node.stopping.store(true, Ordering::Release);
    let deadline = stop.deadline().unwrap_or_else(Instant::now);
    let left = || deadline.saturating_duration_since(Instant::now());
    tracing::info!(seconds = left().as_secs_f32(), "stopping: finishing commands that are under way");
    _end_guard = signals.guard_the_end(runtime, deadline + CLOSE_MAX).map_err(io("start a thread"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(io("start a runtime to stop"))?;
    if is_one_of_many && !mode.now {
        // The time may be up before another node takes over.
        let _ = runtime.block_on(async { tokio::time::timeout(left(), log.step_down()).await });
    }
    let server_has_ended = server.join(deadline);
    let log_has_ended = runtime.block_on(log.shutdown(left()));
    if !(server_has_ended && log_has_ended && moving.end(left()) && node.psync.end(left())) {
        // Closing the store under what still reads it, or writes to it, would be worse than leaving it open.
        end_without("a read, a command or a snapshot that did not end in time");
    }
    if !mode.nosave {
        // The log has everything; flushing only makes the next start quicker.
        if let Err(error) = node.group.store.flush() {
            tracing::warn!(%error, "cannot flush the store at stop; the next start replays more of the log");
        }
    }
    drop(http);
    drop(log);
    node.end_background_work();
    drop(directory);
    tracing::info!("stopped");
    Ok(node)
}

/// The allocators ask for transparent huge pages. A page fault on one clears 2 MiB at once, which on some machines stalls a
/// write for milliseconds; on others address translation is what a look-up waits for, so that reads gain two thirds.
fn disable_huge_pages(is_wanted: bool) {
    if is_wanted && let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::warn!(%error, "cannot turn transparent huge pages off for this process; \
            write 'never' to /sys/kernel/mm/transparent_hugepage/enabled");
    }
}

/// Tells of calls that take long where the log is applied.
fn observer(node: &Node) -> CallObserver {
    CallObserver {
        config: Arc::clone(&node.config),
        users: Arc::clone(&node.users),
        stats: Arc::clone(&node.stats),
        clients: Arc::clone(&node.clients),
        monitors: Arc::clone(&node.monitors),
        latency: Arc::clone(&node.group.state.latency),
        environment: node.group.state.environment(),
    }
}

fn node(
    config: Arc<Config>,
    group: Arc<Group>,
    directory: &DataDirectory,
    ports: &[ClientPort],
    started: Instant,
) -> Node {
    let identity = &directory.identity;
    // As in Redis: the port without TLS, if there is one.
    let port = ports.first().map_or(0, ClientPort::number);
    let now = now_ms();
    let stats = Stats::new(commands::table().names().len());
    stats.threads.switch(config.settings().latency_tracking);
    let pubsub = Arc::<PubSub>::default();
    Node {
        psync: options::psync(&config.settings(), &group),
        traces: options::traces(&config.settings(), identity),
        config,
        clients: Arc::default(),
        auth_failures: AuthFailures::default(),
        users: Arc::new(Users::new(commands::acl::commands())),
        stats: Arc::new(stats),
        group,
        tracking: Arc::new(Tracking::new(uuid::Uuid::new_v4().as_u64_pair().0, &pubsub)),
        pubsub,
        monitors: Arc::default(),
        parking: Arc::default(),
        identity: NodeIdentity {
            node_id: identity.node_id,
            node_name: identity.node_name.clone(),
            run_id: run_id(),
            cluster: Arc::new(RwLock::new(ClusterIdentity {
                cluster_id: identity.cluster_id.clone(),
                history_id: identity.history_id.clone(),
            })),
        },
        port: AtomicU64::new(u64::from(port)),
        started,
        started_at_ms: now,
        last_save: AtomicI64::new(i64::try_from(now / 1000).unwrap_or(i64::MAX)),
        checkpoint_running: AtomicBool::new(false),
        last_checkpoint_ok: AtomicBool::new(true),
        checkpoint_began_ms: AtomicU64::new(0),
        checkpoint_seconds: AtomicI64::new(-1),
        checkpoints: AtomicU64::new(0),
        backups: Arc::default(),
        memory_marks: MemoryMarks::default(),
        stopping: AtomicBool::new(false),
        ready: AtomicBool::new(false),
    }
}

/// 40 random hexadecimal digits.
fn run_id() -> String {
    let digits = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    digits.chars().take(40).collect()
}

fn addresses<'a>(listeners: impl Iterator<Item = &'a TcpListener>) -> String {
    let at = |listener: &TcpListener| listener.local_addr().map(|at: SocketAddr| at.to_string());
    listeners.filter_map(|listener| at(listener).ok()).collect::<Vec<_>>().join(" ")
}

/// Waits until the node can serve; false: it was asked to stop first.
async fn wait_ready(
    node: &Node,
    log: &GroupHandle,
    stop: &Stop,
    signals: &mut Signals,
) -> Result<bool, NodeError> {
    let ready = first_users::wait_ready(node, log);
    tokio::pin!(ready);
    let mut progress = tokio::time::interval(Duration::from_secs(5));
    progress.tick().await;
    loop {
        tokio::select! {
            ready = &mut ready => return ready.map(|()| true),
            _ = stop.wait() => return Ok(false),
            name = signals.next() => {
                tracing::info!(signal = name, "asked to stop");
                stop.ask(ShutdownMode { nosave: true, now: true, force: false }, Duration::ZERO);
                return Ok(false);
            }
            _ = progress.tick() => {
                let (_, why) = log.state().waiting();
                tracing::info!(%why, "not ready yet");
            }
        }
    }
}

async fn wait_for_stop(
    node: &Node,
    stop: &Stop,
    signals: &mut Signals,
    timeout: impl Fn() -> Duration,
) -> ShutdownMode {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            mode = stop.wait() => return mode,
            name = signals.next() => {
                tracing::info!(signal = name, "asked to stop");
                stop.ask(ShutdownMode { nosave: false, now: false, force: false }, timeout());
            }
            _ = second.tick() => node.sample(),
        }
    }
}
