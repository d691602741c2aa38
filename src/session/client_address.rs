//! Where a client comes from, and which address of the server it came to.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// See the module. Shown as Redis shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAddress {
    Tcp(SocketAddr),
    /// The server's socket, which is at both ends; and the user of the operating system that the client runs as.
    Unix {
        path: Arc<str>,
        user: u32,
    },
}

impl ClientAddress {
    /// `None`: it has none.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            ClientAddress::Tcp(at) => Some(at.ip()),
            ClientAddress::Unix { .. } => None,
        }
    }

    pub fn port(&self) -> Option<u16> {
        match self {
            ClientAddress::Tcp(at) => Some(at.port()),
            ClientAddress::Unix { .. } => None,
        }
    }

    /// Whether it is of this machine.
    pub fn is_local(&self) -> bool {
        self.ip().is_none_or(|ip| ip.is_loopback())
    }
}

impl From<SocketAddr> for ClientAddress {
    fn from(at: SocketAddr) -> Self {
        ClientAddress::Tcp(at)
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientAddress::Tcp(at) => at.fmt(out),
            ClientAddress::Unix { path, .. } => write!(out, "{path}:0"),
        }
    }
}
