//! The listener: binds the addresses, accepts, applies maxclients, hands sockets to the network threads in turn.

use super::{
    Stop, UnixPort,
    long_reads::LongReads,
    socket::Stream,
    thread::{self, NetworkThread},
};
use crate::{
    command::Table,
    config::Settings,
    fail,
    replication::GroupHandle,
    session::{Client, ClientAddress, ClientFilter, Node, Stats},
    time::monotonic_ms,
    tls::ServerTls,
};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
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

/// Where clients connect.
pub enum ClientPort {
    Tcp { listener: TcpListener, tls: Option<Arc<ServerTls>> },
    Unix(UnixPort),
}

impl ClientPort {
    /// As logs show it.
    pub fn place(&self) -> String {
        match self {
            ClientPort::Tcp { listener, .. } => {
                listener.local_addr().map_or_else(|error| error.to_string(), |at| at.to_string())
            }
            ClientPort::Unix(port) => port.path().to_owned(),
        }
    }

    /// 0 = it has none.
    pub fn number(&self) -> u16 {
        match self {
            ClientPort::Tcp { listener, .. } => listener.local_addr().map_or(0, |at| at.port()),
            ClientPort::Unix(_) => 0,
        }
    }
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
    let turns = Turns { senders, node: Arc::clone(&node), next: Arc::default() };
    let mut tasks = tokio::task::JoinSet::new();
    for port in ports {
        if let Err(error) = serve(port, &turns, &mut tasks) {
            fail::stop_the_process(&format!("cannot serve the client port: {error}"));
        }
    }
    drop(turns);
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

fn serve(port: ClientPort, turns: &Turns, tasks: &mut tokio::task::JoinSet<()>) -> io::Result<()> {
    let turns = turns.clone();
    match port {
        ClientPort::Tcp { listener, tls } => {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tasks.spawn(async move {
                loop {
                    let accepted = listener.accept().await;
                    let admitted =
                        accepted.map(|(stream, peer)| admit(stream, peer, &turns.node, tls.as_deref()));
                    turns.take(admitted).await;
                }
            });
        }
        ClientPort::Unix(port) => {
            let (listener, file) = port.into_parts();
            let listener = tokio::net::UnixListener::from_std(listener)?;
            tasks.spawn(async move {
                loop {
                    let accepted = listener.accept().await;
                    let admitted = accepted.map(|(stream, _)| admit_local(stream, &file.path, &turns.node));
                    turns.take(admitted).await;
                }
            });
        }
    }
    Ok(())
}

/// Hands clients to the network threads in turn.
#[derive(Clone)]
struct Turns {
    senders: Vec<mpsc::Sender<thread::Accepted>>,
    node: Arc<Node>,
    next: Arc<AtomicUsize>,
}

impl Turns {
    /// `accepted`: an error of the listener, else what became of the connection.
    async fn take(&self, accepted: io::Result<io::Result<Option<thread::Accepted>>>) {
        match accepted {
            Ok(Ok(Some(accepted))) => {
                let next = self.next.fetch_add(1, Ordering::Relaxed);
                let id = accepted.client.id;
                let sent = match self.senders.get(next % self.senders.len().max(1)) {
                    Some(sender) => sender.send(accepted).await.is_ok(),
                    None => false,
                };
                if !sent {
                    self.node.clients.remove(id);
                }
            }
            Ok(Ok(None)) => Stats::add(&self.node.stats.connections_rejected, 1),
            Ok(Err(error)) => tracing::debug!(%error, "connection lost at accept"),
            Err(error) => {
                // Out of file descriptors or memory: existing connections continue; try again in a moment.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn admit(
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
    node: &Node,
    tls: Option<&ServerTls>,
) -> io::Result<Option<thread::Accepted>> {
    let stream = stream.into_std()?;
    stream.set_nodelay(true)?;
    let settings = node.config.settings();
    // With TLS a client is only disconnected: there was no handshake to say anything in.
    let is_told = tls.is_none();
    if settings.refuses(peer.ip(), node.users.default_has_password(&settings)) {
        turn_away(&stream, PROTECTED, is_told);
        return Ok(None);
    }
    if settings.tcp_keepalive_seconds > 0 {
        let every = Duration::from_secs(settings.tcp_keepalive_seconds);
        let keepalive = TcpKeepalive::new().with_time(every).with_interval(every / 3).with_retries(3);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    }
    let (id, local, fd) = (node.clients.next_id(), stream.local_addr()?, stream.as_raw_fd());
    let mut client = Client::new(id, peer, local, fd, monotonic_ms());
    client.has_tls = tls.is_some();
    let Some(client) = register(client, node) else {
        turn_away(&stream, TOO_MANY, is_told);
        return Ok(None);
    };
    Ok(Some(thread::Accepted { stream: Stream::Tcp(stream), client, tls: tls.map(ServerTls::current) }))
}

/// As `admit`, of a client of the Unix socket.
fn admit_local(
    stream: tokio::net::UnixStream,
    path: &Arc<str>,
    node: &Node,
) -> io::Result<Option<thread::Accepted>> {
    let at = ClientAddress::Unix { path: Arc::clone(path), user: stream.peer_cred()?.uid() };
    let stream = stream.into_std()?;
    let client = Client::new(node.clients.next_id(), at.clone(), at, stream.as_raw_fd(), monotonic_ms());
    let Some(client) = register(client, node) else {
        turn_away(&stream, TOO_MANY, true);
        return Ok(None);
    };
    Ok(Some(thread::Accepted { stream: Stream::Unix(stream), client, tls: None }))
}

/// `None`: there are too many.
fn register(client: Client, node: &Node) -> Option<Arc<Client>> {
    Stats::add(&node.stats.connections_received, 1);
    let client = Arc::new(client.counted_in(&node.clients));
    let is_in = node.clients.insert(Arc::clone(&client), node.config.settings().maxclients);
    is_in.then_some(client)
}

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
const PROTECTED: &[u8] = b"-DENIED Flotilla runs in protected mode: it has no password, so it accepts clients from loopback only. \
    Set a password (CONFIG SET requirepass), or turn protected mode off if only trusted hosts can reach the port \
    (CONFIG SET protected-mode no).\r\n";

/// Says why a client is not served. Best effort: the socket's buffer is empty, so this does not wait.
fn turn_away(mut stream: impl Write, why: &[u8], is_told: bool) {
    if is_told {
        let _ = stream.write(why);
    }
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
