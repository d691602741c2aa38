//! The certificates that this node shows, and when they expire.

use crate::{config::Settings, tls::expires_at_seconds};
use std::path::Path;

/// A certificate.
pub(super) struct Certificate {
    /// Which port shows it: `clients`, `peers` or `http`.
    pub port: &'static str,
    /// `None`: it cannot be read at the moment; the one in use was read before.
    pub expires_at_seconds: Option<i64>,
}

/// All that are configured.
pub(super) fn of(settings: &Settings) -> Vec<Certificate> {
    let at = |port: &'static str, path: &Path| Certificate {
        port,
        expires_at_seconds: expires_at_seconds(path).ok(),
    };
    let clients = settings.client_tls.iter().map(|tls| at("clients", &tls.options.certificate));
    let http = settings.http_tls.iter().map(|options| at("http", &options.certificate));
    let peers = settings.peer_tls.iter().map(|[certificate, ..]| at("peers", certificate));
    clients.chain(http).chain(peers).collect()
}
