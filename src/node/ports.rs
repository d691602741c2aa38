//! The ports for clients: plain, with TLS, and for clients of Sentinel.

use super::{NodeError, io};
use crate::{
    config::{ClientTls, Settings},
    server::{ClientPort, bind_all},
    tls::ServerTls,
};
use std::sync::Arc;

/// Binds them, those without TLS first.
pub(super) fn client_ports(settings: &Settings) -> Result<Vec<ClientPort>, NodeError> {
    let mut ports = match settings.port == 0 && settings.client_tls.is_some() {
        true => vec![],
        false => bind(settings, "port", settings.port, None)?,
    };
    if let Some(ClientTls { port, options, .. }) = &settings.client_tls {
        let tls = Arc::new(ServerTls::open(options.clone()).map_err(io("TLS for clients"))?);
        ports.extend(bind(settings, "TLS port", *port, Some(&tls))?);
    }
    Ok(ports)
}

/// Where the node passes for a Sentinel; none if it does not.
pub(super) fn sentinel_ports(settings: &Settings) -> Result<Vec<ClientPort>, NodeError> {
    match settings.sentinel_port {
        0 => Ok(vec![]),
        port => bind(settings, "sentinel port", port, None),
    }
}

fn bind(
    settings: &Settings,
    what: &str,
    port: u16,
    tls: Option<&Arc<ServerTls>>,
) -> Result<Vec<ClientPort>, NodeError> {
    let listeners = bind_all(&settings.addresses(port), settings.tcp_backlog)
        .map_err(io(format!("listen on {what} {port}")))?;
    Ok(listeners.into_iter().map(|listener| ClientPort { listener, tls: tls.cloned() }).collect())
}
