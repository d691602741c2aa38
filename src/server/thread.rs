//! A network thread: a current-thread runtime that owns its connections.
//!
//! Connections are tasks of this thread only, so their state needs no locks. Outcomes from the log arrive in the thread's
//! mailbox: one wake per batch, for any number of connections.

use super::{
    Stop,
    buffers::Buffers,
    connection::Connection,
    handshakes::Handshakes,
    long_reads::LongReads,
    socket::{Socket, Stream},
    write::Waiters,
};
use crate::{
    command::Table,
    commands::server::may_monitor,
    fail,
    replication::{GroupHandle, Unknown},
    session::{Client, NETWORK_THREAD, Node, Session, ThreadStats, TrackingTable},
    state::LatencyEvent,
    time::monotonic_ms,
};
use std::{
    cell::RefCell,
    io,
    rc::Rc,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::LocalSet};
use tokio_rustls::rustls::ServerConfig;

/// Interval of the search for idle clients and overdue writes.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);
/// Threads of one network thread's pool for reads that must wait for the disk.
const BLOCKING_THREADS_MAX: usize = 16;
/// Longest time for connections to report that the time to stop is up.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);
/// Longest wait of an ending thread for reads on its pool.
const POOL_END_MAX: Duration = Duration::from_millis(100);

/// An accepted socket on its way to a network thread.
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) client: Arc<Client>,
    /// For a handshake; `None` = no TLS.
    pub(super) tls: Option<Arc<ServerConfig>>,
}

/// State shared by the connections of one thread.
pub(super) struct ThreadState {
    pub(super) node: Arc<Node>,
    pub(super) group: GroupHandle,
    pub(super) stop: Arc<Stop>,
    pub(super) table: &'static Table,
    pub(super) stats: Arc<ThreadStats>,
    pub(super) waiters: Waiters,
    pub(super) tracking: RefCell<TrackingTable>,
    pub(super) buffers: Buffers,
    pub(super) handshakes: Rc<Handshakes>,
    pub(super) long_reads: Arc<LongReads>,
}

impl ThreadState {
    /// A chunk's writes took so long through the log.
    pub(super) fn committed(&self, took: Duration) {
        self.stats.record_commit(took);
        self.node.group.state.latency.add(LatencyEvent::Commit, took);
    }

    /// Answers writes that have waited too long.
    fn expire_waiters(&self) {
        let timeout_ms = self.node.config.settings().write_timeout_ms;
        self.waiters.give_up(monotonic_ms().saturating_sub(timeout_ms), &Unknown::TimedOut);
    }

    /// The time to stop is up: nothing more is proposed, and proposals in flight get the outcome unknown.
    fn give_up_writes(&self) {
        self.group.refuse_writes();
        let unknown = self.waiters.give_up(u64::MAX, &Unknown::ServerStopped);
        if unknown > 0 {
            tracing::warn!(unknown, "stopping: some writes had no outcome yet and were answered UNKNOWN");
        }
    }
}

/// A running network thread.
pub(super) struct NetworkThread {
    pub(super) sender: mpsc::Sender<Accepted>,
    /// True at the end: everything of it has stopped, even reads.
    pub(super) thread: JoinHandle<bool>,
}

/// Starts network thread number `index`.
pub(super) fn start(
    index: usize,
    node: Arc<Node>,
    group: GroupHandle,
    stop: Arc<Stop>,
    long_reads: Arc<LongReads>,
    table: &'static Table,
) -> io::Result<NetworkThread> {
    let (sender, receiver) = mpsc::channel(1024);
    let thread = std::thread::Builder::new().name(format!("{NETWORK_THREAD}{index}")).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .build();
        match runtime {
            Ok(runtime) => {
                let stats = node.stats.threads.thread(table.classes());
                let tracking = RefCell::new(node.tracking.table());
                let handshakes = Handshakes::of_threads(node.config.settings().network_threads);
                let state = ThreadState {
                    stats,
                    node,
                    group,
                    stop,
                    table,
                    waiters: Waiters::new(),
                    tracking,
                    buffers: Buffers::default(),
                    handshakes,
                    long_reads,
                };
                LocalSet::new().block_on(&runtime, run(Rc::new(state), receiver));
                let ended = Instant::now();
                runtime.shutdown_timeout(POOL_END_MAX);
                ended.elapsed() < POOL_END_MAX
            }
            Err(error) => fail::stop_the_process(&format!("a network thread could not start: {error}")),
        }
    })?;
    Ok(NetworkThread { sender, thread })
}

async fn run(state: Rc<ThreadState>, mut accepted: mpsc::Receiver<Accepted>) {
    let completions = Rc::clone(&state);
    let completions = tokio::task::spawn_local(async move { completions.waiters.deliver().await });
    let invalidations = Rc::clone(&state);
    let invalidations = tokio::task::spawn_local(async move { invalidations.invalidate().await });
    let sweeper = tokio::task::spawn_local(sweep(Rc::clone(&state)));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            next = accepted.recv() => match next {
                Some(accepted) => admit(&state, &mut connections, accepted),
                None => break,
            },
            _ = state.stop.wait() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    // Connections see the stop themselves: they finish their work and close.
    let all_closed = async { while connections.join_next().await.is_some() {} };
    tokio::pin!(all_closed);
    tokio::select! {
        () = &mut all_closed => {}
        () = state.stop.wait_overdue(Duration::MAX) => {
            state.give_up_writes();
            let _ = tokio::time::timeout(LAST_WORDS_MAX, all_closed).await;
        }
    }
    completions.abort();
    invalidations.abort();
    sweeper.abort();
}

fn admit(state: &Rc<ThreadState>, connections: &mut tokio::task::JoinSet<()>, accepted: Accepted) {
    let Accepted { stream, client, tls } = accepted;
    let settings = state.node.config.settings();
    let within = Duration::from_millis(settings.preauth_timeout_ms);
    let users = &state.node.users;
    // The version first: what changes in between is read anew at the first call.
    let (version, user) = (users.version(), users.default_user());
    let named_by = settings.client_tls.as_ref().and_then(|tls| tls.user_by);
    let mut session = Session::new(Arc::clone(&client), user, version, users.is_open(&settings));
    let state = Rc::clone(state);
    connections.spawn_local(async move {
        // Boxed: an idle connection should not keep room for its handshake.
        match Box::pin(Socket::open(stream, tls, &client, &state, within)).await {
            Ok(socket) => {
                let name = named_by.and_then(|part| socket.named_by(part));
                let user = name.and_then(|name| state.node.users.get(&name));
                if let Some(user) = user.filter(|user| user.definition().is_on) {
                    session.authenticate(user);
                }
                Box::new(Connection::new(Rc::clone(&state), session, socket)).serve().await;
            }
            Err(error) => {
                tracing::debug!(%error, peer = %client.peer, "connection lost before it was served")
            }
        }
        state.node.clients.remove(client.id);
    });
}

async fn sweep(state: Rc<ThreadState>) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        state.expire_waiters();
        state.node.users.cut(&state.node.clients, may_monitor);
        state.look_after_tracking();
    }
}
