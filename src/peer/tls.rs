//! Mutual TLS between nodes: authenticates every connection by the node's name.
//!
//! Each node has a certificate of the cluster's own CA. It must be valid for the **node's name** (a DNS name in its SAN),
//! which the server compares with the name that a caller gives, and for the host by which other nodes reach it, which the
//! client checks. Files are reloaded when they change: to renew a certificate, replace them.

use super::message::NAME_HEADER;
use parking_lot::Mutex;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
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
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
    server: Mutex<(Vec<Option<SystemTime>>, Arc<ServerConfig>)>,
}

impl Tls {
    /// Reads the files; an error names the invalid one.
    pub fn open(certificate: &Path, key: &Path, authority: &Path) -> io::Result<Tls> {
        let files = [certificate, key, authority];
        let server = Mutex::new((changed_at(&files), server_config(certificate, key, authority)?));
        let [certificate, key, authority] = files.map(Path::to_path_buf);
        Ok(Tls { certificate, key, authority, server })
    }

    /// The configuration for the next incoming connection. If changed files are invalid, the old ones stay in use.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        let mut server = self.server.lock();
        let now = changed_at(&[&self.certificate, &self.key, &self.authority]);
        if now != server.0 {
            server.0 = now;
            match server_config(&self.certificate, &self.key, &self.authority) {
                Ok(config) => {
                    server.1 = config;
                    tracing::info!(certificate = %self.certificate.display(), "reloaded the changed certificate");
                }
                Err(error) => {
                    tracing::error!(
                        %error,
                        certificate = %self.certificate.display(),
                        remedy = "replace the files by a matching certificate and key before the old certificate expires",
                        "the changed certificate is not valid; the old one stays in use"
                    )
                }
            }
        }
        Arc::clone(&server.1)
    }

    /// The configuration for an outgoing connection.
    pub(super) fn client(&self) -> io::Result<ClientTlsConfig> {
        let identity = Identity::from_pem(read(&self.certificate)?, read(&self.key)?);
        let authority = Certificate::from_pem(read(&self.authority)?);
        Ok(ClientTlsConfig::new().identity(identity).ca_certificate(authority))
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

fn server_config(certificate: &Path, key: &Path, authority: &Path) -> io::Result<Arc<ServerConfig>> {
    let bad = |path: &Path, why: String| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
    };
    let certificates = |path: &Path| -> io::Result<Vec<CertificateDer<'static>>> {
        let read: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(path).map_err(|error| bad(path, error.to_string()))?.collect();
        read.map_err(|error| bad(path, error.to_string()))
    };
    let mut roots = RootCertStore::empty();
    for root in certificates(authority)? {
        roots.add(root).map_err(|error| bad(authority, error.to_string()))?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| bad(authority, error.to_string()))?;
    let own_key = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(certificate)?, own_key)
        .map_err(|error| bad(certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn changed_at(files: &[&Path]) -> Vec<Option<SystemTime>> {
    files.iter().map(|file| fs::metadata(file).and_then(|found| found.modified()).ok()).collect()
}

fn read(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
