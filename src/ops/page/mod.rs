//! The status page: `/status` at the HTTP port. Read-only, off the data path, with nothing from elsewhere: page, style, script and icon are
//! in the program. The page asks `/status.json` every second and `/status/history.json` every ten.
//!
//! Bounded: whatever the number of watchers, the nodes are asked once a second (`board.rs`); `WATCHERS_MAX` are answered at a time, and
//! each connection ends with its answer, so that metrics and health are always reached.
//!
//! What clients chose (names of keys, words of calls) travels as JSON and becomes text by `textContent`; the content security policy
//! forbids any script and style but the page's own, and any other host.

mod access;
mod board;

pub(super) use access::{Access, judge};
pub(super) use board::Board;

use super::http::{Caller, Shared};
use axum::{
    Extension, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use std::{sync::Arc, time::Duration};

/// Answers that are being made or sent at a time.
pub(super) const WATCHERS_MAX: usize = 16;

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// The page may load nothing but its own parts, and nobody may show it in a frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of the page.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(async || Redirect::temporary("/status")))
        .route("/status", get(page))
        .route(
            "/status/status.css",
            get(async || asset("text/css; charset=utf-8", include_str!("status.css"))),
        )
        .route(
            "/status/charts.js",
            get(async || asset("text/javascript; charset=utf-8", include_str!("charts.js"))),
        )
        .route(
            "/status/status.js",
            get(async || asset("text/javascript; charset=utf-8", include_str!("status.js"))),
        )
        .route("/status/icon.svg", get(async || asset("image/svg+xml", include_str!("icon.svg"))))
        .route("/status.json", get(now))
        .route("/status/history.json", get(history))
}

async fn page(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    match judge(&shared.node, caller, &headers) {
        Access::Granted => asset(HTML, include_str!("status.html")),
        other => refusal(&other),
    }
}

async fn now(shared: State<Arc<Shared>>, caller: Extension<Caller>, headers: HeaderMap) -> Response {
    told(shared, caller, headers, false).await
}

async fn history(shared: State<Arc<Shared>>, caller: Extension<Caller>, headers: HeaderMap) -> Response {
    told(shared, caller, headers, true).await
}

async fn told(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    headers: HeaderMap,
    is_history: bool,
) -> Response {
    let access = judge(&shared.node, caller, &headers);
    if !matches!(access, Access::Granted) {
        return refusal(&access);
    }
    let Ok(_room) = shared.board.room.try_acquire() else {
        let text = "too many watchers at the moment\n";
        return guarded((StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")], text));
    };
    match shared.board.told(is_history).await {
        Some(text) => guarded(([(header::CONTENT_TYPE, JSON)], text)),
        None => guarded((StatusCode::SERVICE_UNAVAILABLE, "this node has just started\n")),
    }
}

/// What `/metrics` says to those who may not read it; `None`: they may.
pub(super) fn metrics_refusal(shared: &Shared, caller: Caller, headers: &HeaderMap) -> Option<Response> {
    if shared.node.config.settings().http_shows.open_metrics {
        return None;
    }
    match judge(&shared.node, caller.0, headers) {
        Access::Granted => None,
        other => Some(refusal(&other)),
    }
}

fn refusal(access: &Access) -> Response {
    match access {
        Access::Granted => guarded(StatusCode::OK),
        Access::Ask => guarded((
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Basic realm=\"Flotilla\", charset=\"UTF-8\"")],
            "a user who may call INFO and SLOWLOG, and the password, please\n",
        )),
        Access::Held(left) => {
            let seconds = left.saturating_add(Duration::from_millis(999)).as_secs().to_string();
            let text = "too many wrong passwords from this address\n";
            guarded((StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)], text))
        }
        Access::Forbidden(why) => guarded((StatusCode::FORBIDDEN, format!("{why}\n"))),
    }
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    guarded(([(header::CONTENT_TYPE, kind)], text))
}

/// With what keeps browsers from doing anything else with it, and the connection from staying.
fn guarded(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONNECTION, "close"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
