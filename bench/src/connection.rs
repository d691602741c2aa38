//! One client of the load generator: a non-blocking socket with at most one pipeline under way.

use crate::reply::{self, Outcome};
use mio::{Interest, Poll, Token, net::TcpStream};
use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long the server may take for a command of the set-up.
const SETUP_MAX: Duration = Duration::from_secs(10);

/// See the module.
pub struct Connection {
    stream: TcpStream,
    /// Bytes of the current pipeline already sent, and which pipeline it is.
    sending: Option<(usize, usize)>,
    /// Replies that are to come, and since when.
    pub waiting: usize,
    pub since: Instant,
    input: Vec<u8>,
}

/// What arrived at once.
#[derive(Debug, Default)]
pub struct Arrived {
    pub replies: u64,
    pub errors: u64,
    /// With them the pipeline is complete.
    pub is_last: bool,
}

impl Connection {
    /// Connects, has the commands of `setup` answered one by one, and registers with `poll`.
    pub fn open(address: SocketAddr, setup: &[Vec<u8>], poll: &Poll, token: Token) -> Result<Self, String> {
        let mut stream =
            std::net::TcpStream::connect(address).map_err(|e| format!("connect to {address}: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(SETUP_MAX)).map_err(|e| e.to_string())?;
        for command in setup {
            ask(&mut stream, command)?;
        }
        stream.set_nonblocking(true).map_err(|e| e.to_string())?;
        let mut stream = TcpStream::from_std(stream);
        let interest = Interest::READABLE.add(Interest::WRITABLE);
        poll.registry().register(&mut stream, token, interest).map_err(|e| e.to_string())?;
        let input = Vec::with_capacity(64 * 1024);
        Ok(Connection { stream, sending: None, waiting: 0, since: Instant::now(), input })
    }

    /// Starts pipeline number `which` of `replies` requests, which was due at `since`.
    pub fn begin(&mut self, which: usize, replies: usize, since: Instant) {
        self.sending = Some((0, which));
        self.waiting = replies;
        self.since = since;
    }

    /// Sends what the socket takes.
    pub fn push(&mut self, prepared: &[Vec<u8>]) -> Result<(), String> {
        while let Some((sent, which)) = self.sending {
            let bytes =
                prepared.get(which % prepared.len()).and_then(|all| all.get(sent..)).unwrap_or_default();
            if bytes.is_empty() {
                self.sending = None;
                break;
            }
            match self.stream.write(bytes) {
                Ok(n) => self.sending = Some((sent + n, which)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(format!("send: {e}")),
            }
        }
        Ok(())
    }

    /// Reads what is there, through `scratch`, and counts.
    pub fn pull(&mut self, scratch: &mut [u8]) -> Result<Arrived, String> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(n) => self.input.extend_from_slice(scratch.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(format!("receive: {e}")),
            }
        }
        let (mut at, before, mut arrived) = (0, self.waiting, Arrived::default());
        while self.waiting > 0 {
            let Some((len, outcome)) = reply::first(self.input.get(at..).unwrap_or_default())? else { break };
            at += len;
            self.waiting -= 1;
            arrived.replies += 1;
            arrived.errors += u64::from(outcome == Outcome::Error);
        }
        self.input.drain(..at);
        arrived.is_last = before > 0 && self.waiting == 0;
        Ok(arrived)
    }
}

/// Sends one command and waits for its reply, which must not be an error.
fn ask(stream: &mut std::net::TcpStream, command: &[u8]) -> Result<(), String> {
    stream.write_all(command).map_err(|e| format!("set-up: {e}"))?;
    let (mut input, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match reply::first(&input)? {
            Some((_, Outcome::Ok)) => return Ok(()),
            Some((_, Outcome::Error)) => return Err(format!("set-up: {}", String::from_utf8_lossy(&input))),
            None => {}
        }
        match stream.read(&mut buffer).map_err(|e| format!("set-up: {e}"))? {
            0 => return Err("the server closed a connection".into()),
            n => input.extend_from_slice(buffer.get(..n).unwrap_or_default()),
        }
    }
}
