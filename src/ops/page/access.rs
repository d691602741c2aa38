//! Who may see the status page: a user who may call INFO and SLOWLOG, by HTTP's basic authentication. Passwords are compared as those of
//! AUTH are, in constant time, and wrong ones count with those of AUTH: after ten an address waits, ever longer.
//!
//! If the user `default` needs no password, the page asks for none, unless clients need a certificate or the rights to a socket: the
//! page is not more open than the client port. Then, in protected mode, it is for this machine only, as the
//! client port is; and it must be asked for by an address or as `localhost`, so that no page of another host can have its own name point
//! here and read the answer with its visitor's browser.

use crate::{
    commands::server::may_observe,
    limits::USER_NAME,
    session::{DeniedIn, DeniedReason, Node, Origin, Stats},
    time::now_ms,
};
use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// Longer credentials are none.
const CREDENTIALS_BYTES_MAX: usize = 4096;

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) enum Access {
    Granted,
    /// Without a password, or with a wrong one.
    Ask,
    /// After too many wrong ones.
    Held(Duration),
    Forbidden(&'static str),
}

/// Whether a caller may see the page.
pub(in crate::ops) fn judge(node: &Node, caller: SocketAddr, headers: &HeaderMap) -> Access {
    let settings = node.config.settings();
    let Some((user, password)) =
        headers.get(header::AUTHORIZATION).map(|value| credentials(value.as_bytes()))
    else {
        return match node.users.is_open(&settings) {
            true => judge_open(node, caller.ip(), headers),
            false => Access::Ask,
        };
    };
    let from = Origin::Address(caller.ip());
    if let Some(left) = node.auth_failures.held_for(from, Instant::now()) {
        return Access::Held(left);
    }
    let user = if user.is_empty() { USER_NAME.as_bytes() } else { &user };
    match node.users.authenticate(&settings, user, &password) {
        Some(user) if may_observe(&user) => Access::Granted,
        Some(_) => Access::Forbidden("this user may not call INFO and SLOWLOG"),
        None => {
            Stats::add(&node.stats.auth_failures, 1);
            let why = (DeniedReason::Auth, DeniedIn::TopLevel);
            let client = format!("addr={caller} name=http");
            node.users.log.add(why, b"http", user, client, now_ms(), settings.acllog_len_max);
            if let Some(failures) = node.auth_failures.failed(from, Instant::now()) {
                tracing::warn!(%from, failures, "wrong password at the HTTP port");
            }
            Access::Ask
        }
    }
}

/// Whether a caller may see it without a password.
fn judge_open(node: &Node, caller: IpAddr, headers: &HeaderMap) -> Access {
    if !may_observe(&node.users.default_user()) {
        return Access::Ask;
    }
    let settings = node.config.settings();
    // Then a certificate, or the rights of a file, stand before clients.
    if settings.port == 0 && (settings.client_tls.is_some() || settings.unix_socket.is_some()) {
        return Access::Forbidden(
            "without a password the page is as open as the plain port, and there is none; set a password",
        );
    }
    if !settings.protected_mode {
        return Access::Granted;
    }
    if !caller.to_canonical().is_loopback() {
        return Access::Forbidden(
            "this node has no password, so that only its own machine may see its status (protected-mode); set a password",
        );
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match is_literal(host) {
        true => Access::Granted,
        false => Access::Forbidden("this node has no password: ask by its address or by localhost"),
    }
}

/// Whether a host, with or without a port, is an address or `localhost`.
fn is_literal(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// User and password of an `Authorization` header; empty ones, which are never right, if it has none of this kind.
fn credentials(header: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let read = || {
        let (scheme, code) = header.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") || code.len() > CREDENTIALS_BYTES_MAX {
            return None;
        }
        let text = STANDARD.decode(code.trim_ascii()).ok()?;
        let at = text.iter().position(|byte| *byte == b':')?;
        let (user, password) = text.split_at_checked(at)?;
        Some((user.to_vec(), password.get(1..)?.to_vec()))
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_or_are_empty() {
        let of = |text: &str| {
            let (user, password) = credentials(text.as_bytes());
            (String::from_utf8(user).unwrap(), String::from_utf8(password).unwrap())
        };
        let pair = |user: &str, password: &str| (user.to_owned(), password.to_owned());
        let code = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(of(&code("ada:a:b")), pair("ada", "a:b"));
        assert_eq!(of(&code(":secret")), pair("", "secret"));
        let long = code(&format!("a:{}", "x".repeat(CREDENTIALS_BYTES_MAX)));
        for nothing in ["", "Basic", "Basic ", "Basic %%%", "Bearer abc", &code("no colon"), &long] {
            assert_eq!(of(nothing), pair("", ""), "{nothing}");
        }
    }

    #[test]
    fn names_of_other_hosts_are_no_addresses() {
        for host in
            ["127.0.0.1:8379", "127.0.0.1", "[::1]:8379", "[::1]", "localhost:1", "LOCALHOST", "10.0.0.7:80"]
        {
            assert!(is_literal(host), "{host}");
        }
        for host in ["", "evil.example:8379", "127.0.0.1.evil.example", "localhost.evil.example", "a:b"] {
            assert!(!is_literal(host), "{host}");
        }
    }
}
