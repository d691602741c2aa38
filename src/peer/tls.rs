//! Mutual TLS between nodes: who may connect, and as whom.
//!
//! Each node has a certificate of the cluster's own authority. It must be valid for the **node's name** (a DNS name in its
//! SAN), which is checked against the name that a caller gives, and for the host by which other nodes reach it, which is
//! checked by whoever connects. Files are read again when they change: a certificate is renewed by replacing them.

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

/// PEM files; see the module.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
    server: Mutex<(Vec<Option<SystemTime>>, Arc<ServerConfig>)>,
}

impl Tls {
    /// Reads the files; an error names the one that is no good.
    pub fn open(certificate: &Path, key: &Path, authority: &Path) -> io::Result<Tls> {
        let files = [certificate, key, authority];
        let server = Mutex::new((changed_at(&files), server_config(certificate, key, authority)?));
        let [certificate, key, authority] = files.map(Path::to_path_buf);
        Ok(Tls { certificate, key, authority, server })
    }

    /// For the next connection that comes. Files that changed and are no good leave the old ones in use.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        let mut server = self.server.lock();
        let now = changed_at(&[&self.certificate, &self.key, &self.authority]);
        if now != server.0 {
            server.0 = now;
            match server_config(&self.certificate, &self.key, &self.authority) {
                Ok(config) => {
                    server.1 = config;
                    tracing::info!(certificate = %self.certificate.display(), "read the changed certificate");
                }
                Err(error) => {
                    tracing::error!(
                        %error,
                        certificate = %self.certificate.display(),
                        remedy = "replace the files by a pair that belongs together, before the old one expires",
                        "the changed certificate is no good; the old one stays in use"
                    )
                }
            }
        }
        Arc::clone(&server.1)
    }

    /// For a connection to be made.
    pub(super) fn client(&self) -> io::Result<ClientTlsConfig> {
        let identity = Identity::from_pem(read(&self.certificate)?, read(&self.key)?);
        let authority = Certificate::from_pem(read(&self.authority)?);
        Ok(ClientTlsConfig::new().identity(identity).ca_certificate(authority))
    }
}

/// Whether the caller's certificate is that of the node whose name it gives. Without TLS there is none to look at.
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
            Err(Status::permission_denied(format!("the certificate is not that of a node named {name:?}")))
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
