//! A blocking client, for what is asked now and then and whose answer matters.

use crate::{reply, workload};
use std::{
    io::{Error, ErrorKind, Read, Result, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const CONNECT_MAX: Duration = Duration::from_secs(1);

/// A reply; of maps and the like only that there was one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Int(i64),
    Error(String),
    Nil,
    List(Vec<Value>),
    Other,
}

/// A connection that waits for each reply, up to a limit.
pub struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    /// Connects; no reply may take longer than `answer_max`.
    pub fn connect(address: SocketAddr, answer_max: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(answer_max))?;
        stream.set_write_timeout(Some(answer_max))?;
        Ok(Client { stream, input: Vec::new() })
    }

    /// Sends a command and waits for its reply.
    pub fn call(&mut self, words: &[&str]) -> Result<Value> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let mut out = Vec::new();
        workload::command(&mut out, &words);
        self.stream.write_all(&out)?;
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some((len, _)) = reply::first(&self.input).map_err(Error::other)? {
                let bytes: Vec<u8> = self.input.drain(..len).collect();
                return Ok(read(&bytes));
            }
            match self.stream.read(&mut buffer)? {
                0 => return Err(Error::from(ErrorKind::UnexpectedEof)),
                n => self.input.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            }
        }
    }
}

/// One complete reply.
fn read(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    let (line, rest) = text.split_once("\r\n").unwrap_or((&text, ""));
    let mut letters = line.chars();
    let kind = letters.next();
    let line = letters.as_str();
    match kind {
        Some('+') => Value::Text(line.to_owned()),
        Some('-') => Value::Error(line.to_owned()),
        Some(':') => line.parse().map_or(Value::Other, Value::Int),
        Some('_') => Value::Nil,
        Some('$') if line == "-1" => Value::Nil,
        Some('$') => Value::Text(rest.strip_suffix("\r\n").unwrap_or(rest).to_owned()),
        Some('*') if line == "-1" => Value::Nil,
        Some('*') => Value::List(list(bytes.get(line.len() + "*\r\n".len()..).unwrap_or_default())),
        _ => Value::Other,
    }
}

/// The replies that an array is made of, up to what is no reply.
fn list(mut bytes: &[u8]) -> Vec<Value> {
    let mut out = Vec::new();
    while let Ok(Some((len, _))) = reply::first(bytes) {
        let (one, rest) = bytes.split_at(len);
        out.push(read(one));
        bytes = rest;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_become_values() {
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(read(b"+OK\r\n"), text("OK"));
        assert_eq!(read(b"$4\r\na\r\nb\r\n"), text("a\r\nb"));
        assert_eq!(read(b"$0\r\n\r\n"), text(""));
        assert_eq!(read(b"$-1\r\n"), Value::Nil);
        assert_eq!(read(b":-7\r\n"), Value::Int(-7));
        assert_eq!(read(b"-TRYAGAIN later\r\n"), Value::Error("TRYAGAIN later".into()));
        assert_eq!(read(b"*0\r\n"), Value::List(vec![]));
        let inner = Value::List(vec![Value::Int(2), Value::Nil]);
        assert_eq!(
            read(b"*3\r\n:1\r\n*2\r\n:2\r\n$-1\r\n$1\r\na\r\n"),
            Value::List(vec![Value::Int(1), inner, text("a")])
        );
        assert_eq!(read(b"%1\r\n+a\r\n:1\r\n"), Value::Other);
    }
}
