//! Who is let in: binds the addresses, accepts, applies maxclients, hands sockets to the network threads in turn.

use super::{
    Stop,
    thread::{self, NetworkThread},
};
use crate::{
    command::Table,
    config::Settings,
    fail,
    replication::GroupHandle,
    session::{Client, ClientFilter, Node, Stats},
    time::monotonic_ms,
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

/// The running server.
pub struct Server {
    threads: Vec<JoinHandle<bool>>,
}

/// How long the threads may take to end when the time to stop is up. One that is amid a long command does not.
const END_MAX: Duration = Duration::from_millis(1500);
const END_POLL: Duration = Duration::from_millis(1);

/// Listens for other nodes.
pub fn bind_peers(settings: &Settings) -> io::Result<TcpListener> {
    let listeners = bind_all(&settings.addresses(settings.peer_port), 128)?;
    let nothing = || io::Error::new(io::ErrorKind::InvalidInput, "nothing to bind to");
    listeners.into_iter().next().ok_or_else(nothing)
}

/// Where edges reach a node that is alone; `None`: they do not, and it serves all the same.
pub fn bind_peers_for_edges(settings: &Settings) -> Option<TcpListener> {
    if !settings.has_loopback_only() && !settings.peer_insecure && settings.peer_tls.is_none() {
        tracing::info!(
            "edges cannot follow this node: beyond loopback that wants TLS (--peer-tls-cert, --peer-tls-key, --peer-tls-ca) \
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
        listeners: Vec<TcpListener>,
        network_threads: usize,
        node: Arc<Node>,
        log: GroupHandle,
        stop: Arc<Stop>,
        table: &'static Table,
    ) -> io::Result<Self> {
        let mut threads = Vec::new();
        let mut senders = Vec::new();
        for index in 0..network_threads.max(1) {
            let started = thread::start(index, Arc::clone(&node), log.clone(), Arc::clone(&stop), table)?;
            let NetworkThread { sender, thread } = started;
            senders.push(sender);
            threads.push(thread);
        }
        let acceptor = std::thread::Builder::new().name("accept".into()).spawn(move || {
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(accept_all(listeners, senders, node, stop)),
                Err(error) => fail::stop_the_process(&format!("the accept thread could not start: {error}")),
            }
            true
        })?;
        threads.push(acceptor);
        Ok(Server { threads })
    }

    /// Waits for all connections to end, until a moment after `deadline`; the stop must have been asked for. Whether
    /// nothing of the server runs any more.
    pub fn join(self, deadline: Instant) -> bool {
        while self.threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline + END_MAX {
            std::thread::sleep(END_POLL);
        }
        let mut has_ended = true;
        for thread in self.threads {
            has_ended &= thread.is_finished()
                && thread.join().unwrap_or_else(|_| {
                    tracing::error!(
                        remedy = "report the panic that standard error shows; the node stops all the same",
                        "a network thread panicked"
                    );
                    true
                });
        }
        has_ended
    }
}

async fn accept_all(
    listeners: Vec<TcpListener>,
    senders: Vec<mpsc::Sender<thread::Accepted>>,
    node: Arc<Node>,
    stop: Arc<Stop>,
) {
    let turn = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                tasks.spawn(accept(listener, senders.clone(), Arc::clone(&node), Arc::clone(&turn)));
            }
            Err(error) => fail::stop_the_process(&format!("the client port could not be served: {error}")),
        }
    }
    drop(senders);
    let mut idle = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            _ = stop.wait() => break,
            _ = idle.tick() => close_idle(&node),
        }
    }
    tasks.abort_all();
}

async fn accept(
    listener: tokio::net::TcpListener,
    senders: Vec<mpsc::Sender<thread::Accepted>>,
    node: Arc<Node>,
    turn: Arc<std::sync::atomic::AtomicUsize>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let admitted = stream.into_std().and_then(|stream| admit(stream, peer, &node));
                match admitted {
                    Ok(Some(accepted)) => {
                        let next = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let id = accepted.1.id;
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
                // Out of file descriptors or memory: those we have go on; look again in a moment.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn admit(stream: TcpStream, peer: SocketAddr, node: &Node) -> io::Result<Option<thread::Accepted>> {
    stream.set_nodelay(true)?;
    let settings = node.config.settings();
    if settings.refuses(peer.ip()) {
        turn_away(stream, PROTECTED);
        return Ok(None);
    }
    if settings.tcp_keepalive_seconds > 0 {
        let every = Duration::from_secs(settings.tcp_keepalive_seconds);
        let keepalive = TcpKeepalive::new().with_time(every).with_interval(every / 3).with_retries(3);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    }
    Stats::add(&node.stats.connections_received, 1);
    let id = node.clients.next_id();
    let client = Arc::new(Client::new(id, peer, stream.local_addr()?, stream.as_raw_fd(), monotonic_ms()));
    if !node.clients.insert(Arc::clone(&client), settings.maxclients) {
        turn_away(stream, b"-ERR max number of clients reached\r\n");
        return Ok(None);
    }
    Ok(Some((stream, client)))
}

const PROTECTED: &[u8] = b"-DENIED Flotilla runs in protected mode: it has no password, so it takes clients from loopback only. \
    Set a password (CONFIG SET requirepass), or turn protected mode off if only trusted hosts can reach the port \
    (CONFIG SET protected-mode no).\r\n";

fn turn_away(mut stream: TcpStream, why: &[u8]) {
    use std::io::Write;
    // Best effort: the socket's buffer is empty, so this does not wait.
    let _ = stream.write(why);
}

/// Closes clients that have been silent for longer than `timeout`, and those that did not authenticate in time.
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
