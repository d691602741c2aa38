//! The other side of the protocol, as much of it as `flotilla admin` needs: one command, one reply, RESP2.

use redis_protocol::resp2::{decode::decode, types::OwnedFrame};
use std::io::{self, Read, Write};

/// A reply longer than this is not one of ours.
const REPLY_BYTES_MAX: usize = 64 << 20;

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

    /// What was written, and what is read in pieces.
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
}
