//! The HTTP port: `/metrics`, `/healthz` (the process is alive), `/readyz` (it can serve).

use super::metrics;
use crate::{fail, session::Node};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use prometheus_client::registry::Registry;
use std::{io, net::TcpListener, sync::Arc, thread::JoinHandle};
use tokio::sync::oneshot;

/// The running HTTP server; stops when dropped.
pub struct Http {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
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

struct Shared {
    node: Arc<Node>,
    registry: Registry,
}

/// Serves on its own thread, so that neither slow scrapes nor busy commands disturb each other.
pub fn start(node: Arc<Node>, listeners: Vec<TcpListener>) -> io::Result<Http> {
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new().name("http".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(serve(node, listeners, stopped)),
            Err(error) => fail::stop_the_process(&format!("the HTTP thread could not start: {error}")),
        }
    })?;
    Ok(Http { stop: Some(stop), thread: Some(thread) })
}

async fn serve(node: Arc<Node>, listeners: Vec<TcpListener>, stopped: oneshot::Receiver<()>) {
    tokio::spawn(super::bars::show(Arc::clone(&node.log)));
    let shared = Arc::new(Shared { registry: metrics::registry(Arc::clone(&node)), node });
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(shared);
    let mut servers = tokio::task::JoinSet::new();
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                let router = router.clone();
                servers.spawn(async move { axum::serve(listener, router).await });
            }
            Err(error) => fail::stop_the_process(&format!("the HTTP port could not be served: {error}")),
        }
    }
    let _ = stopped.await;
    servers.abort_all();
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    match metrics::exposition(&shared.registry) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text)
        }
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            "metrics could not be written".to_owned(),
        ),
    }
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    match shared.node.unready() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}
