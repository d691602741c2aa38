//! Where clients reach a server: an address, and the network namespace in which it is one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::connection::Connection;
use crate::namespace;

/// See the module. Any thread may use it, wherever that thread is.
#[derive(Clone, Debug)]
pub struct Door {
    pub namespace: Option<String>,
    pub address: SocketAddr,
}

impl Door {
    pub fn connect(&self) -> io::Result<Connection> {
        match &self.namespace {
            None => Connection::open_at(self.address),
            Some(name) => namespace::within(name, || Connection::open_at(self.address)),
        }
    }
}

/// A port of this machine.
impl From<u16> for Door {
    fn from(port: u16) -> Door {
        Door { namespace: None, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }
    }
}
