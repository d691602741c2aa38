//! Where a script runs.

use std::io;

use crate::connection::Connection;
use crate::server::{Kind, Server};

/// Something that listens: a process of its own, or a server inside the test's process.
pub trait Place {
    fn kind(&self) -> Kind;
    fn connect(&self) -> io::Result<Connection>;
    /// What it printed last, for the message of a failed test.
    fn log_tail(&self) -> String;
}

impl Place for Server {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn connect(&self) -> io::Result<Connection> {
        self.connect()
    }

    fn log_tail(&self) -> String {
        self.log_tail()
    }
}

/// The product, started by the test itself, on this port.
#[derive(Clone, Copy, Debug)]
pub struct InProcess(pub u16);

impl Place for InProcess {
    fn kind(&self) -> Kind {
        Kind::Product
    }

    fn connect(&self) -> io::Result<Connection> {
        Connection::open(self.0)
    }

    fn log_tail(&self) -> String {
        String::new()
    }
}
