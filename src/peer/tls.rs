//! Mutual TLS between nodes: authenticates every connection by the node's name.
//!
//! Each node has a certificate of the cluster's own CA. It must be valid for the **node's name** (a DNS name in its SAN),
//! which the server compares with the name that a caller gives, and for the host by which other nodes reach it, which the
//! client checks. Files are reloaded when they change: to renew a certificate, replace them.

use super::message::NAME_HEADER;
use crate::tls::{CallerCertificates, ServerOptions, ServerTls, Versions};
use std::{fs, io, path::Path, sync::Arc};
use tokio_rustls::rustls::{
    ServerConfig,
    pki_types::{CertificateDer, ServerName},
};
use tonic::{
    Status,
    codegen::http,
    transport::{
        Certificate, ClientTlsConfig, Identity,
        server::{TcpConnectInfo, TlsConnectInfo},
    },
};
use webpki::EndEntityCert;

/// PEM files with this node's identity.
pub struct Tls {
    server: ServerTls,
}

impl Tls {
    /// Reads the files; an error names the invalid one.
    pub fn open(certificate: &Path, key: &Path, authority: &Path) -> io::Result<Tls> {
        let server = ServerTls::open(ServerOptions {
            certificate: certificate.into(),
            key: key.into(),
            authority: Some(authority.into()),
            callers: CallerCertificates::Required,
            versions: Versions::ALL,
            protocols: &[b"h2"],
        })?;
        Ok(Tls { server })
    }

    /// The configuration for the next incoming connection. If changed files are invalid, the old ones stay in use.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        self.server.current()
    }

    /// The configuration for an outgoing connection.
    pub(super) fn client(&self) -> io::Result<ClientTlsConfig> {
        let files = self.server.options();
        let identity = Identity::from_pem(read(&files.certificate)?, read(&files.key)?);
        let authority = files.authority.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(ClientTlsConfig::new().identity(identity).ca_certificate(Certificate::from_pem(authority)))
    }
}

/// Whether the caller's certificate is valid for the name it gives. Without TLS there is nothing to check.
pub(super) fn is_who_it_says<B>(request: &http::Request<B>) -> Result<(), Status> {
    let Some(connection) = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>() else {
        return Ok(());
    };
    let name = request.headers().get(NAME_HEADER).and_then(|name| name.to_str().ok()).unwrap_or_default();
    let certificates = connection.peer_certs().unwrap_or_default();
    let is_valid = |certificate: &CertificateDer<'static>| {
        let name = ServerName::try_from(name).ok()?;
        EndEntityCert::try_from(certificate).ok()?.verify_is_valid_for_subject_name(&name).ok()
    };
    match certificates.first().and_then(is_valid) {
        Some(()) => Ok(()),
        None => {
            Err(Status::permission_denied(format!("the certificate is not valid for a node named {name:?}")))
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
