//! A connection that carries many commands at once.
//!
//! What is sent at a time must fit into the buffers of the sockets: nothing is read while sending.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::value::{Value, decode};

const READ_CHUNK_BYTES: usize = 64 * 1024;
/// A server that says nothing for so long has stopped.
const SILENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Everything before has been taken.
    at: usize,
    chunk: Vec<u8>,
}

impl Line {
    pub fn open(port: u16) -> io::Result<Line> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        Ok(Line { stream, buffer: Vec::new(), at: 0, chunk: vec![0; READ_CHUNK_BYTES] })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next reply, and its bytes.
    pub fn receive(&mut self) -> io::Result<(Value, Vec<u8>)> {
        loop {
            let rest = &self.buffer[self.at..];
            match decode(rest).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))? {
                Some((value, length)) => {
                    let bytes = rest[..length].to_vec();
                    self.take(length);
                    return Ok((value, bytes));
                }
                None => self.fill()?,
            }
        }
    }

    /// Takes the next reply if it is this one, to the byte.
    pub fn receive_same(&mut self, expected: &[u8]) -> io::Result<bool> {
        let mut compared = 0;
        loop {
            let rest = &self.buffer[self.at..];
            let common = rest.len().min(expected.len());
            if rest[compared..common] != expected[compared..common] {
                return Ok(false);
            }
            compared = common;
            if common == expected.len() {
                self.take(common);
                return Ok(true);
            }
            // No reply is the beginning of another one: there is more to come.
            self.fill()?;
        }
    }

    /// The next reply if it comes within this time.
    pub fn receive_within(&mut self, within: Duration) -> io::Result<Option<Value>> {
        let deadline = Instant::now() + within;
        loop {
            let rest = &self.buffer[self.at..];
            if let Some((value, length)) =
                decode(rest).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?
            {
                self.take(length);
                return Ok(Some(value));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left))?;
            let filled = self.fill();
            self.stream.set_read_timeout(Some(SILENCE))?;
            match filled {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                other => other?,
            }
        }
    }

    fn take(&mut self, length: usize) {
        self.at += length;
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        match self.stream.read(&mut self.chunk)? {
            0 => Err(io::Error::new(ErrorKind::ConnectionAborted, "the server closed the connection")),
            length => {
                self.buffer.drain(..self.at);
                self.at = 0;
                self.buffer.extend_from_slice(&self.chunk[..length]);
                Ok(())
            }
        }
    }
}
