//! A server's TLS, which follows its files.
//!
//! Files are looked at before each handshake and read again when they have changed: to renew a certificate, replace them. While
//! changed files are invalid the old ones stay in use. Connections that exist keep what they agreed on.

use super::{bad, certificates, key, roots};
use parking_lot::Mutex;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use tokio_rustls::rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::CertificateDer,
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

/// What makes its own connections by TLS, and names no provider, uses the same one.
pub fn use_ring() {
    // An error: it was said before.
    let _ = ring::default_provider().install_default();
}

/// Whether a caller must show a certificate. One that it shows must be valid, unless all are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerCertificates {
    Ignored,
    Optional,
    Required,
}

/// The part of a caller's certificate that names its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerName {
    /// The common name of the subject.
    CommonName,
    /// The first URI among the alternative names.
    Uri,
}

impl CallerName {
    /// What a certificate says there. It has been verified; one that cannot be read names nobody.
    pub fn of(self, certificate: &CertificateDer<'_>) -> Option<String> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let name = match self {
            CallerName::CommonName => {
                certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok())?
            }
            CallerName::Uri => {
                let names = certificate.subject_alternative_name().ok()??;
                names.value.general_names.iter().find_map(|name| match name {
                    GeneralName::URI(uri) => Some(*uri),
                    _ => None,
                })?
            }
        };
        Some(name.to_owned())
    }
}

/// Versions of TLS that a server speaks; at least one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    pub tls12: bool,
    pub tls13: bool,
}

impl Versions {
    pub const ALL: Versions = Versions { tls12: true, tls13: true };

    fn supported(self) -> Vec<&'static SupportedProtocolVersion> {
        let known = [(self.tls13, &TLS13), (self.tls12, &TLS12)];
        known.into_iter().filter(|(wanted, _)| *wanted).map(|(_, version)| version).collect()
    }
}

/// What a server's TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The CA of the callers; needed unless their certificates are ignored.
    pub authority: Option<PathBuf>,
    pub callers: CallerCertificates,
    pub versions: Versions,
    /// Protocols for ALPN; empty = none.
    pub protocols: &'static [&'static [u8]],
}

impl ServerOptions {
    fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.certificate, &self.key].into_iter().chain(&self.authority).map(PathBuf::as_path)
    }

    /// When each of the files was changed last.
    fn changed_at(&self) -> Vec<Option<SystemTime>> {
        self.files().map(|file| fs::metadata(file).and_then(|found| found.modified()).ok()).collect()
    }

    fn verifier(&self) -> io::Result<Arc<dyn ClientCertVerifier>> {
        let Some(authority) =
            self.authority.as_deref().filter(|_| self.callers != CallerCertificates::Ignored)
        else {
            return Ok(Arc::new(NoClientAuth));
        };
        let roots = Arc::new(roots(authority)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::new(ring::default_provider()));
        let verifier = match self.callers {
            CallerCertificates::Required => verifier,
            CallerCertificates::Optional | CallerCertificates::Ignored => verifier.allow_unauthenticated(),
        };
        verifier.build().map_err(|error| bad(authority, error))
    }

    fn config(&self) -> io::Result<Arc<ServerConfig>> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&self.versions.supported())
            .map_err(io::Error::other)?
            .with_client_cert_verifier(self.verifier()?)
            .with_single_cert(certificates(&self.certificate)?, key(&self.key)?)
            .map_err(|error| bad(&self.certificate, error))?;
        config.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

/// A server's TLS, read from its files.
#[derive(Debug)]
pub struct ServerTls {
    options: ServerOptions,
    current: Mutex<(Vec<Option<SystemTime>>, Arc<ServerConfig>)>,
}

impl ServerTls {
    /// Reads the files; an error names the invalid one.
    pub fn open(options: ServerOptions) -> io::Result<ServerTls> {
        let current = Mutex::new((options.changed_at(), options.config()?));
        Ok(ServerTls { options, current })
    }

    pub fn options(&self) -> &ServerOptions {
        &self.options
    }

    /// The configuration for the next connection.
    pub fn current(&self) -> Arc<ServerConfig> {
        let mut current = self.current.lock();
        let now = self.options.changed_at();
        if now != current.0 {
            current.0 = now;
            let certificate = self.options.certificate.display();
            match self.options.config() {
                Ok(config) => {
                    current.1 = config;
                    tracing::info!(%certificate, "reloaded the changed certificate");
                }
                Err(error) => {
                    tracing::error!(
                        %error,
                        %certificate,
                        remedy = "replace the files by a matching certificate and key before the old certificate expires",
                        "the changed certificate is not valid; the old one stays in use"
                    )
                }
            }
        }
        Arc::clone(&current.1)
    }
}
