//! A connection to a source: blocking, with a buffer of its own, so that what was read too much is not lost between a reply, an
//! RDB and the stream of commands behind it.
//!
//! **Invariant.** Whatever the source sends, no more is held than a caller asks for: a line, a reply of a bounded length, one
//! command.

use crate::{
    limits::CALL_BYTES_MAX,
    resp::{Answer, put_request, read_answer},
    session::{SourceSettings, SourceTls},
    tls::{ClientPem, ClientSession},
};
use std::{
    io::{self, BufRead, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A reply takes no longer.
pub const ANSWER_MAX: Duration = Duration::from_secs(15);
/// What is read at a time.
const CHUNK_BYTES: usize = 256 * 1024;
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Of a reply to one of our commands: INFO, ACL LIST.
const REPLY_BYTES_MAX: u64 = 16 << 20;

enum Stream {
    Tcp(TcpStream),
    Tls(ClientSession),
}

/// See the module.
pub struct Link {
    stream: Stream,
    /// What was read and not yet used, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    address: String,
    /// Bytes a second; 0 = no limit.
    limit: u64,
    read: u64,
    since: Instant,
}

impl Link {
    /// Connects and authenticates.
    pub fn open(settings: &SourceSettings) -> Result<Self, String> {
        let address = settings.address();
        let failed = |error: io::Error| format!("{address}: {error}");
        let tcp = connect(settings).map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        tcp.set_write_timeout(Some(ANSWER_MAX)).map_err(failed)?;
        tcp.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
        let stream = match &settings.tls {
            None => Stream::Tcp(tcp),
            Some(tls) => Stream::Tls(pem(tls).connect(&settings.host, tcp).map_err(failed)?),
        };
        let (buffer, at, limit, read) = (Vec::new(), 0, 0, 0);
        let mut link = Link { stream, buffer, at, address, limit, read, since: Instant::now() };
        if !settings.password.is_empty() {
            let login = [settings.user.as_bytes(), settings.password.as_bytes()];
            let login = if settings.user.is_empty() { login.get(1..).unwrap_or_default() } else { &login };
            link.done(&[&[&b"AUTH"[..]], login].concat())?;
        }
        Ok(link)
    }

    /// The TCP connection, for its timeouts and addresses.
    pub fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Tcp(tcp) => tcp,
            Stream::Tls(session) => session.tcp(),
        }
    }

    /// Reads wait no longer than this.
    pub fn wait_at_most(&self, wait: Duration) -> Result<(), String> {
        self.tcp().set_read_timeout(Some(wait)).map_err(|error| self.failed(&error))
    }

    /// From now on no more than so many bytes a second are read; 0 = no limit.
    pub fn limit(&mut self, bytes_per_second: u64) {
        (self.limit, self.read, self.since) = (bytes_per_second, 0, Instant::now());
    }

    /// Sends a command.
    pub fn send(&mut self, argv: &[&[u8]]) -> Result<(), String> {
        let mut request = Vec::new();
        put_request(&mut request, argv);
        self.write(&request)
    }

    fn write(&mut self, request: &[u8]) -> Result<(), String> {
        let sent = match &mut self.stream {
            Stream::Tcp(tcp) => tcp.write_all(request),
            Stream::Tls(session) => session.write_all(request).and_then(|()| session.flush()),
        };
        sent.map_err(|error| self.failed(&error))
    }

    /// Sends a command and reads its reply.
    pub fn call(&mut self, argv: &[&[u8]]) -> Result<Answer, String> {
        self.send(argv)?;
        let answer = read_answer(&mut self.by_ref().take(REPLY_BYTES_MAX));
        answer.map_err(|error| self.failed(&error))
    }

    /// Sends commands and reads their replies.
    pub fn ask_all(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Answer>, String> {
        let mut request = Vec::new();
        for argv in commands {
            put_request(&mut request, &argv.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
        self.write(&request)?;
        let mut answers = Vec::with_capacity(commands.len());
        for _ in commands {
            let answer = read_answer(&mut self.by_ref().take(CALL_BYTES_MAX));
            answers.push(answer.map_err(|error| self.failed(&error))?);
        }
        Ok(answers)
    }

    /// A command that must succeed.
    pub fn done(&mut self, argv: &[&[u8]]) -> Result<Answer, String> {
        match self.call(argv)? {
            Answer::Error(text) => {
                let name = String::from_utf8_lossy(argv.first().copied().unwrap_or_default()).into_owned();
                Err(format!("{}: {name}: {text}", self.address))
            }
            answer => Ok(answer),
        }
    }

    /// A command whose reply is text.
    pub fn text(&mut self, argv: &[&[u8]]) -> Result<String, String> {
        match self.done(argv)? {
            Answer::Text(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            other => Err(format!("{}: unexpected reply: {other:?}", self.address)),
        }
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        let read = self.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line);
        read.map_err(|error| self.failed(&error))?;
        let text = line.strip_suffix(b"\n");
        let text = text.ok_or_else(|| format!("{}: closed the connection in a line", self.address))?;
        Ok(text.strip_suffix(b"\r").unwrap_or(text).to_vec())
    }

    /// What was read and not used yet.
    pub fn unused(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Reads more behind it; false: nothing came in time.
    pub fn more(&mut self) -> io::Result<bool> {
        // What was used makes room; what was large does not keep its room.
        if self.at > 0 {
            self.buffer.drain(..self.at.min(self.buffer.len()));
            self.at = 0;
            self.buffer.shrink_to(CHUNK_BYTES.saturating_mul(4));
        }
        let held = self.buffer.len();
        self.buffer.resize(held.saturating_add(CHUNK_BYTES), 0);
        let room = self.buffer.get_mut(held..).unwrap_or_default();
        let read = match &mut self.stream {
            Stream::Tcp(tcp) => tcp.read(room),
            Stream::Tls(session) => session.read(room),
        };
        let came = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(held.saturating_add(came));
        match read {
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "closed the connection")),
            Ok(read) => {
                self.slow_down(read);
                Ok(true)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(false),
                _ => Err(error),
            },
        }
    }

    fn slow_down(&mut self, read: usize) {
        self.read = self.read.saturating_add(read as u64);
        let Some(due_ms) = self.read.saturating_mul(1000).checked_div(self.limit) else { return };
        let due = Duration::from_millis(due_ms);
        std::thread::sleep(due.saturating_sub(self.since.elapsed()).min(ANSWER_MAX));
    }

    /// An error with the address.
    pub fn failed(&self, error: &io::Error) -> String {
        format!("{}: {error}", self.address)
    }
}

impl Read for Link {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let unused = self.fill_buf()?;
        let len = unused.len().min(into.len());
        if let (Some(from), Some(to)) = (unused.get(..len), into.get_mut(..len)) {
            to.copy_from_slice(from);
        }
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Link {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.unused().is_empty() && !self.more()? {
            return Err(io::Error::new(ErrorKind::TimedOut, "sent nothing for too long"));
        }
        Ok(self.unused())
    }

    fn consume(&mut self, used: usize) {
        self.at = self.at.saturating_add(used);
    }
}

fn connect(settings: &SourceSettings) -> io::Result<TcpStream> {
    let host = settings.host.trim_matches(['[', ']']);
    let mut failed = io::Error::new(ErrorKind::NotFound, "no such host");
    for address in (host, settings.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_MAX) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn pem(tls: &SourceTls) -> ClientPem {
    ClientPem {
        authority: tls.authority.clone().into_bytes(),
        certificate: tls.certificate.clone().into_bytes(),
        key: tls.key.clone().into_bytes(),
        name: tls.name.clone(),
        is_insecure: tls.is_insecure,
    }
}
