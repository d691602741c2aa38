//! The ports for clients: plain, with TLS, for clients of Sentinel, and the Unix socket; and the port for HTTP.

use super::{NodeError, io};
use crate::{
    config::{ClientTls, Settings},
    server::{ClientPort, UnixPort, bind_all},
    tls::ServerTls,
};
use std::{net::TcpListener, sync::Arc};

/// Binds them, those without TLS first.
pub(super) fn client_ports(settings: &Settings) -> Result<Vec<ClientPort>, NodeError> {
    let has_other = settings.client_tls.is_some() || settings.unix_socket.is_some();
    let mut ports = match settings.port == 0 && has_other {
        true => vec![],
        false => bind(settings, "port", settings.port, None)?,
    };
    if let Some(ClientTls { port, options, .. }) = &settings.client_tls {
        let tls = Arc::new(ServerTls::open(options.clone()).map_err(io("TLS for clients"))?);
        ports.extend(bind(settings, "TLS port", *port, Some(&tls))?);
    }
    if let Some((path, mode)) = &settings.unix_socket {
        let port = UnixPort::bind(path, *mode, settings.tcp_backlog);
        ports.push(ClientPort::Unix(port.map_err(io(format!("listen on {path}")))?));
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

/// For metrics and health.
pub(super) fn http_port(settings: &Settings) -> Result<(Vec<TcpListener>, Option<ServerTls>), NodeError> {
    let port = settings.http_port;
    let listeners =
        bind_all(&settings.addresses(port), 128).map_err(io(format!("listen on HTTP port {port}")))?;
    let tls = settings.http_tls.clone().map(ServerTls::open).transpose();
    Ok((listeners, tls.map_err(io("TLS of the HTTP port"))?))
}

fn bind(
    settings: &Settings,
    what: &str,
    port: u16,
    tls: Option<&Arc<ServerTls>>,
) -> Result<Vec<ClientPort>, NodeError> {
    let listeners = bind_all(&settings.addresses(port), settings.tcp_backlog)
        .map_err(io(format!("listen on {what} {port}")))?;
    Ok(listeners.into_iter().map(|listener| ClientPort::Tcp { listener, tls: tls.cloned() }).collect())
}
