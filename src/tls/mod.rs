//! Certificates and keys in PEM files: what a server shows and asks of its callers (`server.rs`), and what the command lines
//! show and ask of a server (`client.rs`).

mod client;
mod server;

pub use client::{ClientOptions, ClientPem, ClientSession};
pub use server::{CallerCertificates, CallerName, ServerOptions, ServerTls, Versions, use_ring};

use std::{io, path::Path};
use tokio_rustls::rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| bad(path, error))?;
    read.collect::<Result<_, _>>().map_err(|error| bad(path, error))
}

/// The authorities in a file.
fn roots(path: &Path) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for root in certificates(path)? {
        roots.add(root).map_err(|error| bad(path, error))?;
    }
    Ok(roots)
}

/// When the first certificate of a file expires, seconds since the epoch.
pub fn expires_at_seconds(path: &Path) -> io::Result<i64> {
    let all = certificates(path)?;
    let first = all.first().ok_or_else(|| bad(path, "it has no certificate"))?;
    let (_, certificate) = X509Certificate::from_der(first).map_err(|error| bad(path, error))?;
    Ok(certificate.validity().not_after.timestamp())
}

fn key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| bad(path, error))
}

/// As `roots`, of the content of a file.
fn roots_in(pem: &[u8]) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for root in certificates_in(pem)? {
        roots.add(root).map_err(unreadable)?;
    }
    Ok(roots)
}

fn certificates_in(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(unreadable)
}

fn key_in(pem: &[u8]) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem).map_err(unreadable)
}

fn unreadable(why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

fn bad(path: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
}
