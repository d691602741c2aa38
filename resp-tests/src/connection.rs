//! A blocking client connection: sends arguments or raw bytes, takes replies one by one.
//!
//! Every read has a deadline, so that no test can hang.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::value::{Value, decode, encode};

const READ_CHUNK_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    deadline: Duration,
}

/// What came instead of, or as, a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    Reply(Value),
    /// The server closed the connection.
    Closed,
}

impl Connection {
    pub fn open(port: u16) -> io::Result<Connection> {
        Connection::open_at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    pub fn open_at(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::new(), deadline: Duration::from_secs(10) })
    }

    /// This side's port.
    pub fn local_port(&self) -> io::Result<u16> {
        Ok(self.stream.local_addr()?.port())
    }

    /// How long [`Connection::receive`] waits before it is an error.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    pub fn send<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> io::Result<()> {
        self.send_raw(&encode(argv))
    }

    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.set_write_timeout(Some(self.deadline))?;
        self.stream.write_all(bytes)
    }

    /// Sends a command and takes the next reply. A connection found closed while sending is `Closed`.
    pub fn call<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> io::Result<Received> {
        match self.send(argv) {
            Ok(()) => self.receive(),
            Err(error) if is_close(&error) => Ok(Received::Closed),
            Err(error) => Err(error),
        }
    }

    pub fn receive(&mut self) -> io::Result<Received> {
        let started = Instant::now();
        loop {
            let decoded =
                decode(&self.buffer).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            if let Some((value, length)) = decoded {
                self.buffer.drain(..length);
                return Ok(Received::Reply(value));
            }
            if !self.fill(started)? {
                return Ok(Received::Closed);
            }
        }
    }

    /// Everything the server sends until it closes.
    pub fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        let started = Instant::now();
        while self.fill(started)? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Reads once more; `false` when the server has closed.
    fn fill(&mut self, started: Instant) -> io::Result<bool> {
        let left = self.deadline.saturating_sub(started.elapsed());
        if left.is_zero() {
            let text = format!(
                "no reply within {:?}; so far {:?}",
                self.deadline,
                String::from_utf8_lossy(&self.buffer)
            );
            return Err(io::Error::new(ErrorKind::TimedOut, text));
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut chunk = vec![0; READ_CHUNK_BYTES];
        match self.stream.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(length) => {
                self.buffer.extend_from_slice(chunk.get(..length).unwrap_or_default());
                Ok(true)
            }
            Err(error) if is_close(&error) => Ok(false),
            // A read that timed out is reported by the deadline check of the next round.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// The socket, for tests that half-close it or read nothing.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

fn is_close(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted)
}
