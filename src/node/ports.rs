//! The ports for clients: plain, with TLS, and for clients of Sentinel.

use super::{NodeError, io};
use crate::{
    config::Settings,
    server::{ClientPort, bind_all},
    tls::ServerTls,
};
use std::{net::TcpListener, sync::Arc};

/// Binds them, those without TLS first.
pub(super) fn client_ports(settings: &Settings) -> Result<Vec<ClientPort>, NodeError> {
    let is_plain = settings.port != 0 || settings.client_tls.is_none();
    let plain = if is_plain { bind(settings, "port", settings.port)? } else { vec![] };
    let mut ports: Vec<_> = plain.into_iter().map(|listener| ClientPort { listener, tls: None }).collect();
    if let Some(tls) = &settings.client_tls {
        let listeners = bind(settings, "TLS port", tls.port)?;
        let tls = Arc::new(ServerTls::open(tls.options.clone()).map_err(io("TLS for clients"))?);
        let port = |listener| ClientPort { listener, tls: Some(Arc::clone(&tls)) };
        ports.extend(listeners.into_iter().map(port));
    }
    Ok(ports)
}

/// Where the node passes for a Sentinel; none if it does not.
pub(super) fn sentinel_ports(settings: &Settings) -> Result<Vec<ClientPort>, NodeError> {
    if settings.sentinel_port == 0 {
        return Ok(vec![]);
    }
    let listeners = bind(settings, "sentinel port", settings.sentinel_port)?;
    Ok(listeners.into_iter().map(|listener| ClientPort { listener, tls: None }).collect())
}

fn bind(settings: &Settings, what: &str, port: u16) -> Result<Vec<TcpListener>, NodeError> {
    bind_all(&settings.addresses(port), settings.tcp_backlog).map_err(io(format!("listen on {what} {port}")))
}
