//! A connection to a node for many commands at once: binary-safe, blocking, RESP2.

use crate::{
    remote::{Remote, RemoteStream},
    resp::{Answer, put_request, read_answer},
};
use std::{
    io::{self, BufReader, Write},
    time::Duration,
};

/// Longest wait for a reply; a node gives up earlier.
const ANSWER_MAX: Duration = Duration::from_secs(130);
const BUFFER_BYTES: usize = 256 * 1024;

/// A connection to a node.
pub struct Client {
    stream: BufReader<RemoteStream>,
    unsent: Vec<u8>,
    address: String,
}

impl Client {
    /// Connects and authenticates.
    pub fn connect(to: &Remote) -> Result<Self, String> {
        let address = to.to_string();
        let stream = to.connect(ANSWER_MAX).map_err(|error| format!("{address}: {error}"))?;
        let stream = BufReader::with_capacity(BUFFER_BYTES, stream);
        let mut client = Client { stream, unsent: Vec::with_capacity(BUFFER_BYTES), address };
        let login = to.login();
        if !login.is_empty() {
            let words = login.iter().map(|word| word.as_bytes());
            client.done(&[&b"AUTH"[..]].into_iter().chain(words).collect::<Vec<_>>())?;
        }
        Ok(client)
    }

    /// Sends a command without waiting for its reply; returns how many bytes it took.
    pub fn send(&mut self, argv: &[&[u8]]) -> Result<usize, String> {
        let mut request = Vec::new();
        put_request(&mut request, argv);
        self.send_request(&request)?;
        Ok(request.len())
    }

    /// As `send`, for an encoded request.
    pub fn send_request(&mut self, request: &[u8]) -> Result<(), String> {
        self.unsent.extend_from_slice(request);
        match self.unsent.len() < BUFFER_BYTES {
            true => Ok(()),
            false => self.flush().map_err(|error| format!("{}: {error}", self.address)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let stream = self.stream.get_mut();
        stream.write_all(&self.unsent)?;
        self.unsent.clear();
        // A large request does not keep its room.
        self.unsent.shrink_to(BUFFER_BYTES);
        stream.flush()
    }

    /// The reply to the oldest command that has none yet.
    pub fn receive(&mut self) -> Result<Answer, String> {
        let flushed = self.flush();
        let answer = flushed.and_then(|()| read_answer(&mut self.stream));
        answer.map_err(|error| format!("{}: {error}", self.address))
    }

    /// A command and its reply; nothing else may be waiting.
    pub fn call(&mut self, argv: &[&[u8]]) -> Result<Answer, String> {
        self.send(argv)?;
        self.receive()
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

    /// A command whose reply must be a number.
    pub fn number(&mut self, argv: &[&[u8]]) -> Result<i64, String> {
        match self.done(argv)? {
            Answer::Integer(number) => Ok(number),
            other => Err(format!("{}: not a number: {other:?}", self.address)),
        }
    }

    /// The node's time, milliseconds since the epoch.
    pub fn time_ms(&mut self) -> Result<u64, String> {
        let part = |answer: Option<&Answer>| match answer {
            Some(Answer::Text(text)) => std::str::from_utf8(text).ok()?.parse::<u64>().ok(),
            _ => None,
        };
        let answer = self.done(&[b"TIME"])?;
        let Answer::List(parts) = &answer else { return Err(format!("{}: TIME: {answer:?}", self.address)) };
        match (part(parts.first()), part(parts.get(1))) {
            (Some(seconds), Some(micros)) => Ok(seconds.saturating_mul(1000).saturating_add(micros / 1000)),
            _ => Err(format!("{}: TIME: {answer:?}", self.address)),
        }
    }
}
