//! The other side of the protocol, as much of it as `flotilla admin`, `import` and `export` need: RESP2.

use crate::limits::REPLY_DEPTH_MAX;
use redis_protocol::resp2::{decode::decode, types::OwnedFrame};
use std::io::{self, BufRead, Read, Write};

/// A reply longer than this is not one of ours.
const REPLY_BYTES_MAX: usize = 64 << 20;
/// A longer line is neither a status nor an error.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Sends a command and reads its reply as text; an error reply is `Ok(Err(text))`.
pub fn ask(stream: &mut (impl Read + Write), argv: &[&str]) -> io::Result<Result<String, String>> {
    let mut request = format!("*{}\r\n", argv.len()).into_bytes();
    for word in argv {
        request.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    stream.write_all(&request)?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 << 10]);
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
        }
        bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
        match decode(&bytes).map_err(io::Error::other)? {
            Some((frame, _)) => return Ok(text(frame)),
            None if bytes.len() > REPLY_BYTES_MAX => return Err(io::Error::other("the reply is too long")),
            None => {}
        }
    }
}

/// A decoded reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A status line or a bulk string.
    Text(Vec<u8>),
    Integer(i64),
    Nil,
    List(Vec<Answer>),
    Error(String),
}

impl Answer {
    /// Its bytes if it is text.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Answer::Text(text) => Some(text),
            Answer::Integer(_) | Answer::Nil | Answer::List(_) | Answer::Error(_) => None,
        }
    }
}

/// Appends a command with words of any bytes.
pub fn put_request(out: &mut Vec<u8>, argv: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", argv.len()).as_bytes());
    for word in argv {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads one reply, however long; in pieces, so that a long one is not parsed from its start again and again.
pub fn read_answer(from: &mut impl BufRead) -> io::Result<Answer> {
    answer_within(from, REPLY_DEPTH_MAX)
}

fn answer_within(from: &mut impl BufRead, depth: usize) -> io::Result<Answer> {
    let mut line = Vec::new();
    from.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    let Some((&kind, text)) = line.strip_suffix(b"\r\n").and_then(<[u8]>::split_first) else {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
    };
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the server does not speak RESP2");
    let number = || -> io::Result<i64> {
        std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(wrong)
    };
    Ok(match kind {
        b'+' => Answer::Text(text.to_vec()),
        b'-' => Answer::Error(String::from_utf8_lossy(text).into_owned()),
        b':' => Answer::Integer(number()?),
        b'$' => match u64::try_from(number()?) {
            Err(_) => Answer::Nil,
            Ok(len) => {
                let mut bulk = Vec::new();
                from.take(len.saturating_add(2)).read_to_end(&mut bulk)?;
                let end = bulk.strip_suffix(b"\r\n").map(<[u8]>::len);
                bulk.truncate(end.filter(|end| *end as u64 == len).ok_or_else(wrong)?);
                Answer::Text(bulk)
            }
        },
        b'*' => match number()? {
            ..0 => Answer::Nil,
            count => {
                let depth = depth.checked_sub(1).ok_or_else(wrong)?;
                Answer::List((0..count).map(|_| answer_within(from, depth)).collect::<io::Result<_>>()?)
            }
        },
        _ => return Err(wrong()),
    })
}

fn text(frame: OwnedFrame) -> Result<String, String> {
    match frame {
        OwnedFrame::SimpleString(bytes) | OwnedFrame::BulkString(bytes) => {
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        OwnedFrame::Error(text) => Err(text),
        OwnedFrame::Integer(number) => Ok(number.to_string()),
        OwnedFrame::Null => Ok(String::new()),
        OwnedFrame::Array(frames) => {
            let lines: Result<Vec<String>, String> = frames.into_iter().map(text).collect();
            lines.map(|lines| lines.join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A written request, and the pieces in which a reply arrives.
    struct Line(Vec<u8>, Vec<&'static [u8]>);

    impl Read for Line {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let part = if self.1.is_empty() { &b""[..] } else { self.1.remove(0) };
            into[..part.len()].copy_from_slice(part);
            Ok(part.len())
        }
    }

    impl Write for Line {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn asks_and_reads_in_pieces() {
        let mut line = Line(vec![], vec![b"$5\r\nhe", b"llo\r\n"]);
        assert_eq!(ask(&mut line, &["CORE", "STATUS"]).unwrap(), Ok("hello".into()));
        assert_eq!(line.0, b"*2\r\n$4\r\nCORE\r\n$6\r\nSTATUS\r\n");
        let mut line = Line(vec![], vec![b"-ERR no\r\n"]);
        assert_eq!(ask(&mut line, &["X"]).unwrap(), Err("ERR no".into()));
        assert!(ask(&mut Line(vec![], vec![b"+O"]), &["X"]).is_err());
    }

    #[test]
    fn many_commands_with_any_bytes() {
        let mut request = Vec::new();
        put_request(&mut request, &[b"SET", b"\r\n", b""]);
        assert_eq!(request, b"*3\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$0\r\n\r\n");
        let mut replies = &b"+OK\r\n*3\r\n:-7\r\n$4\r\n\r\n\xff\0\r\n$-1\r\n-ERR no\r\n*-1\r\n$3\r\nab"[..];
        let mut next = || read_answer(&mut replies);
        assert_eq!(next().unwrap(), Answer::Text(b"OK".to_vec()));
        let list = vec![Answer::Integer(-7), Answer::Text(b"\r\n\xff\0".to_vec()), Answer::Nil];
        assert_eq!(next().unwrap(), Answer::List(list));
        assert_eq!(next().unwrap(), Answer::Error("ERR no".into()));
        assert_eq!(next().unwrap(), Answer::Nil);
        assert!(next().is_err());
        assert!(next().is_err());
        assert!(read_answer(&mut &b"*1\r\n".repeat(10_000)[..]).is_err());
    }
}
