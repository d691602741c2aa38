//! TLS as the command lines speak it to a server: blocking.

use super::{bad, certificates, certificates_in, key, key_in, roots, roots_in, unreadable};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::PathBuf,
    sync::Arc,
};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
    client::{
        WantsClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// What a client shows, and what it asks of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// The CAs of servers; needed unless their certificates are not checked.
    pub authority: Option<PathBuf>,
    /// The client's certificate and key.
    pub own: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate must be valid for; `None` = the host of its address.
    pub name: Option<String>,
    /// The server may be anybody.
    pub is_insecure: bool,
}

/// A connection on which hands have been shaken.
pub struct ClientSession(Box<StreamOwned<ClientConnection, TcpStream>>);

impl ClientOptions {
    /// Shakes hands with the server at `host`, within the timeouts of the stream.
    pub fn connect(&self, host: &str, stream: TcpStream) -> io::Result<ClientSession> {
        shake_hands(self.config()?, self.name.as_deref().unwrap_or(host), stream)
    }

    fn config(&self) -> io::Result<ClientConfig> {
        let authority = self.authority.as_deref().map(roots).transpose()?;
        let config = trusting(authority, self.is_insecure)?;
        match &self.own {
            None => Ok(config.with_no_client_auth()),
            Some((certificate, own_key)) => config
                .with_client_auth_cert(certificates(certificate)?, key(own_key)?)
                .map_err(|error| bad(certificate, error)),
        }
    }
}

/// As `ClientOptions`, with the content of the files: a node has it from elsewhere.
#[derive(Clone, Default)]
pub struct ClientPem {
    /// Empty: none.
    pub authority: Vec<u8>,
    /// Empty: none.
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    /// Empty: the host of its address.
    pub name: String,
    pub is_insecure: bool,
}

impl ClientPem {
    /// As `ClientOptions::connect`.
    pub fn connect(&self, host: &str, stream: TcpStream) -> io::Result<ClientSession> {
        let authority = if self.authority.is_empty() { None } else { Some(roots_in(&self.authority)?) };
        let config = trusting(authority, self.is_insecure)?;
        let config = match self.certificate.is_empty() {
            true => config.with_no_client_auth(),
            false => config
                .with_client_auth_cert(certificates_in(&self.certificate)?, key_in(&self.key)?)
                .map_err(unreadable)?,
        };
        shake_hands(config, if self.name.is_empty() { host } else { &self.name }, stream)
    }
}

fn shake_hands(config: ClientConfig, name: &str, mut stream: TcpStream) -> io::Result<ClientSession> {
    let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
    let mut session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(ClientSession(Box::new(StreamOwned::new(session, stream))))
}

/// What trusts servers with a certificate of this authority, or anybody.
fn trusting(
    authority: Option<RootCertStore>,
    is_insecure: bool,
) -> io::Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    match (authority, is_insecure) {
        (_, true) => Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))),
        (Some(authority), false) => Ok(config.with_root_certificates(authority)),
        (None, false) => Err(io::Error::other("TLS needs the CA of the server's certificate")),
    }
}

impl ClientSession {
    pub fn tcp(&self) -> &TcpStream {
        &self.0.sock
    }
}

impl Read for ClientSession {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for ClientSession {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Takes any certificate, of a server that has its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
