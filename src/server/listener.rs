//! The listener: binds the addresses, accepts, applies maxclients, hands sockets to the network threads in turn.

use super::{
    Stop,
    long_reads::LongReads,
    thread::{self, NetworkThread},
};
use crate::{
    command::Table,
    config::Settings,
    fail,
    replication::GroupHandle,
    session::{Client, ClientFilter, Node, Stats},
    time::monotonic_ms,
    tls::ServerTls,
};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// Binds one listener per address. All or none.
pub fn bind_all(addresses: &[SocketAddr], backlog: i32) -> io::Result<Vec<TcpListener>> {
    addresses
        .iter()
        .map(|address| {
            let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.bind(&(*address).into())?;
            socket.listen(backlog)?;
            socket.set_nonblocking(true)?;
            Ok(socket.into())
        })
        .collect()
}

/// A port for clients.
pub struct ClientPort {
    pub listener: TcpListener,
    pub tls: Option<Arc<ServerTls>>,
}

/// The running server.
pub struct Server {
    threads: Vec<JoinHandle<bool>>,
}

/// Longest time for the threads to end when the time to stop is up. A thread in the middle of a long command does not.
const END_MAX: Duration = Duration::from_millis(1500);
const END_POLL: Duration = Duration::from_millis(1);
/// Interval of the search for idle clients.
const TICK: Duration = Duration::from_millis(500);
/// Long reads that may run at a time, on a machine with few cores. Less than a thread's pool, so that there is always
/// room for reads that only wait for the disk.
const LONG_READS_MIN: usize = 2;
const EVICTION_PAUSE: Duration = Duration::from_millis(5);

/// Listens for other nodes.
pub fn bind_peers(settings: &Settings) -> io::Result<TcpListener> {
    let listeners = bind_all(&settings.addresses(settings.peer_port), 128)?;
    let nothing = || io::Error::new(io::ErrorKind::InvalidInput, "no address to bind to");
    listeners.into_iter().next().ok_or_else(nothing)
}

/// The port for edges of a node that runs alone; `None`: edges cannot reach it, and it serves clients all the same.
pub fn bind_peers_for_edges(settings: &Settings) -> Option<TcpListener> {
    if !settings.has_loopback_only() && !settings.peer_insecure && settings.peer_tls.is_none() {
        tracing::info!(
            "edges cannot follow this node: beyond loopback that requires TLS (--peer-tls-cert, --peer-tls-key, --peer-tls-ca) \
             or --peer-insecure yes"
        );
        return None;
    }
    bind_peers(settings)
        .inspect_err(|error| {
            tracing::warn!(%error, "edges cannot follow this node; choose another port with --peer-port");
        })
        .ok()
}

impl Server {
    /// Starts the network threads and the accept loop.
    pub fn start(
        ports: Vec<ClientPort>,
        network_threads: usize,
        node: Arc<Node>,
        log: GroupHandle,
        stop: Arc<Stop>,
        table: &'static Table,
    ) -> io::Result<Self> {
        let mut threads = Vec::new();
        let mut senders = Vec::new();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let long_reads = LongReads::new(cores.max(LONG_READS_MIN), Arc::clone(&node.stats));
        for index in 0..network_threads.max(1) {
            let (log, stop, long_reads) = (log.clone(), Arc::clone(&stop), Arc::clone(&long_reads));
            let started = thread::start(index, Arc::clone(&node), log, stop, long_reads, table)?;
            let NetworkThread { sender, thread } = started;
            senders.push(sender);
            threads.push(thread);
        }
        let acceptor = std::thread::Builder::new().name("accept".into()).spawn(move || {
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(accept_all(ports, senders, node, stop)),
                Err(error) => fail::stop_the_process(&format!("cannot start the accept thread: {error}")),
            }
            true
        })?;
        threads.push(acceptor);
        Ok(Server { threads })
    }

    /// Waits for all connections to end, until a moment after `deadline`; the stop must have been requested. Returns
    /// whether everything of the server has stopped.
    pub fn join(self, deadline: Instant) -> bool {
        while self.threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline + END_MAX {
            std::thread::sleep(END_POLL);
        }
        let mut has_ended = true;
        for thread in self.threads {
            has_ended &= thread.is_finished()
                && thread.join().unwrap_or_else(|_| {
                    tracing::error!(
                        remedy = "report the panic that is shown on standard error; the node stops",
                        "a network thread panicked"
                    );
                    true
                });
        }
        has_ended
    }
}

async fn accept_all(
    ports: Vec<ClientPort>,
    senders: Vec<mpsc::Sender<thread::Accepted>>,
    node: Arc<Node>,
    stop: Arc<Stop>,
) {
    let turn = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for ClientPort { listener, tls } in ports {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                tasks.spawn(accept(listener, tls, senders.clone(), Arc::clone(&node), Arc::clone(&turn)));
            }
            Err(error) => fail::stop_the_process(&format!("cannot serve the client port: {error}")),
        }
    }
    drop(senders);
    node.limit_clients();
    node.limit_data();
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = stop.wait() => break,
            _ = tick.tick() => close_idle(&node),
            () = node.clients.memory.exceeded() => {
                evict(&node);
                // Those closed take a moment to go, and each look asks all clients.
                tokio::time::sleep(EVICTION_PAUSE).await;
            }
        }
    }
    tasks.abort_all();
}

async fn accept(
    listener: tokio::net::TcpListener,
    tls: Option<Arc<ServerTls>>,
    senders: Vec<mpsc::Sender<thread::Accepted>>,
    node: Arc<Node>,
    turn: Arc<std::sync::atomic::AtomicUsize>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let admitted =
                    stream.into_std().and_then(|stream| admit(stream, peer, &node, tls.as_deref()));
                match admitted {
                    Ok(Some(accepted)) => {
                        let next = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let id = accepted.client.id;
                        let sent = match senders.get(next % senders.len().max(1)) {
                            Some(sender) => sender.send(accepted).await.is_ok(),
                            None => false,
                        };
                        if !sent {
                            node.clients.remove(id);
                        }
                    }
                    Ok(None) => Stats::add(&node.stats.connections_rejected, 1),
                    Err(error) => tracing::debug!(%error, "connection lost at accept"),
                }
            }
            Err(error) => {
                // Out of file descriptors or memory: existing connections continue; try again in a moment.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    node: &Node,
    tls: Option<&ServerTls>,
) -> io::Result<Option<thread::Accepted>> {
    stream.set_nodelay(true)?;
    let settings = node.config.settings();
    if settings.refuses(peer.ip(), node.users.default_has_password(&settings)) {
        turn_away(stream, PROTECTED, tls);
        return Ok(None);
    }
    if settings.tcp_keepalive_seconds > 0 {
        let every = Duration::from_secs(settings.tcp_keepalive_seconds);
        let keepalive = TcpKeepalive::new().with_time(every).with_interval(every / 3).with_retries(3);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    }
    Stats::add(&node.stats.connections_received, 1);
    let id = node.clients.next_id();
    let client = Client::new(id, peer, stream.local_addr()?, stream.as_raw_fd(), monotonic_ms());
    let client = Arc::new(client.counted_in(&node.clients));
    if !node.clients.insert(Arc::clone(&client), settings.maxclients) {
        turn_away(stream, b"-ERR max number of clients reached\r\n", tls);
        return Ok(None);
    }
    Ok(Some(thread::Accepted { stream, client, tls: tls.map(ServerTls::current) }))
}

const PROTECTED: &[u8] = b"-DENIED Flotilla runs in protected mode: it has no password, so it accepts clients from loopback only. \
    Set a password (CONFIG SET requirepass), or turn protected mode off if only trusted hosts can reach the port \
    (CONFIG SET protected-mode no).\r\n";

/// Says why a client is not served. With TLS it is only disconnected: there was no handshake to say anything in.
fn turn_away(mut stream: TcpStream, why: &[u8], tls: Option<&ServerTls>) {
    use std::io::Write;
    if tls.is_some() {
        return;
    }
    // Best effort: the socket's buffer is empty, so this does not wait.
    let _ = stream.write(why);
}

/// Closes the largest clients if all together use more memory than they may.
fn evict(node: &Node) {
    for (client, bytes) in node.clients.evict() {
        Stats::add(&node.stats.evicted_clients, 1);
        tracing::warn!(
            client = client.id,
            peer = %client.peer,
            bytes,
            "clients use more memory than maxmemory-clients allows; closing the largest"
        );
    }
}

/// Closes clients that have been idle for longer than `timeout`, and those that did not authenticate in time.
fn close_idle(node: &Node) {
    let settings = node.config.settings();
    let now = monotonic_ms();
    let timeout_ms = settings.timeout_seconds.saturating_mul(1000);
    for client in node.clients.select(&ClientFilter::default(), now) {
        let idle = timeout_ms > 0 && client.is_idle(now, timeout_ms);
        let unknown = client.unauthenticated_for_ms(now).is_some_and(|ms| ms > settings.preauth_timeout_ms);
        if idle || unknown {
            client.kill();
        }
    }
}
