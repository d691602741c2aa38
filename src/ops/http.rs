//! The HTTP port: `/metrics`, `/healthz` (the process is alive), `/readyz` (it can serve), and the status page; with TLS or without.

use super::{metrics, page, report};
use crate::{fail, replication::GroupHandle, session::Node, state::Following, tls::ServerTls};
use axum::{
    Extension, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use prometheus_client::registry::Registry;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, oneshot},
};
use tokio_rustls::TlsAcceptor;

/// Connections at a time; further ones wait in the backlog until one ends.
const CONNECTIONS_MAX: usize = 64;
/// How long a request's headers may take to come, from when the connection is ready for them; and a TLS handshake before.
const HEADERS_MAX: Duration = Duration::from_secs(10);
/// Bytes of a request's line and headers.
const HEADER_BYTES_MAX: usize = 16 << 10;
const HEADERS_COUNT_MAX: usize = 64;
/// How long a connection may last, so that one that does not read its answer makes room for others.
const CONNECTION_MAX: Duration = Duration::from_secs(60);
/// After an accept that failed, for instance for want of file descriptors.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// The running HTTP server; stops when dropped.
pub struct Http {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    board: Arc<page::Board>,
}

impl Http {
    /// From now on the status page shows the nodes of this group.
    pub fn show(&self, group: GroupHandle) {
        self.board.show(group);
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(super) struct Shared {
    pub(super) node: Arc<Node>,
    pub(super) board: Arc<page::Board>,
    registry: Registry,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(pub(super) SocketAddr);

/// Serves on its own thread, so that neither slow scrapes nor busy commands disturb each other.
pub fn start(node: Arc<Node>, listeners: Vec<TcpListener>, tls: Option<ServerTls>) -> io::Result<Http> {
    let tls = tls.map(Arc::new);
    let (stop, stopped) = oneshot::channel();
    let board = Arc::<page::Board>::default();
    let shown = Arc::clone(&board);
    let thread = std::thread::Builder::new().name("http".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(serve(node, shown, listeners, tls, stopped));
                // A certificate's file on a disk that stalls holds up no stop.
                runtime.shutdown_background();
            }
            Err(error) => fail::stop_the_process(&format!("cannot start the HTTP thread: {error}")),
        }
    })?;
    Ok(Http { stop: Some(stop), thread: Some(thread), board })
}

async fn serve(
    node: Arc<Node>,
    board: Arc<page::Board>,
    listeners: Vec<TcpListener>,
    tls: Option<Arc<ServerTls>>,
    stopped: oneshot::Receiver<()>,
) {
    tokio::spawn(super::bars::show(Arc::clone(&node.group.state)));
    tokio::spawn(report::run(Arc::clone(&node)));
    let has_page = node.config.settings().http_shows.status_page;
    let shared = Arc::new(Shared { registry: metrics::registry(Arc::clone(&node)), node, board });
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz));
    let router = if has_page { router.merge(page::routes()) } else { router };
    let router = router.with_state(shared);
    let mut servers = tokio::task::JoinSet::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                servers.spawn(accept(listener, tls.clone(), router.clone(), Arc::clone(&room)));
            }
            Err(error) => fail::stop_the_process(&format!("cannot serve the HTTP port: {error}")),
        }
    }
    let _ = stopped.await;
    servers.abort_all();
}

async fn accept(
    listener: tokio::net::TcpListener,
    tls: Option<Arc<ServerTls>>,
    router: Router,
    room: Arc<Semaphore>,
) {
    // Aborted with this task.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, caller)) => {
                let router = router.clone().layer(Extension(Caller(caller)));
                let tls = tls.clone();
                connections.spawn(async move {
                    let answered = async {
                        let Some(tls) = tls else { return answer(stream, router).await };
                        let handshake = TlsAcceptor::from(tls.current()).accept(stream);
                        if let Ok(Ok(stream)) = tokio::time::timeout(HEADERS_MAX, handshake).await {
                            answer(stream, router).await;
                        }
                    };
                    let _ = tokio::time::timeout(CONNECTION_MAX, answered).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(RETRY_INTERVAL).await,
        }
    }
}

/// Answers the requests of a connection until it ends.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_MAX)
        .max_headers(HEADERS_COUNT_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // Its errors are the client's: it went away, or sent what is no request.
    let _ = connection.await;
}

async fn metrics(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = page::metrics_refusal(&shared, caller, &headers) {
        return refusal;
    }
    match metrics::exposition(&shared.registry) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            "cannot write the metrics",
        )
            .into_response(),
    }
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    match shared.node.unready() {
        None => {
            let state = &shared.node.group.state;
            (StatusCode::OK, ready(&state.edge.following.read(), state.disk_problem()))
        }
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

/// An edge that is cut off goes on serving what it has, and so does a node whose disk is full; they say so.
fn ready(following: &Following, disk: Option<&str>) -> String {
    if let Some(problem) = disk {
        return format!("ready, but {problem}\n");
    }
    match following {
        Following::Cut(why) => format!("ready, but the core is not followed: {why}\n"),
        Following::No | Following::Log | Following::Site | Following::Bootstrap { .. } => {
            "ready\n".to_owned()
        }
    }
}
