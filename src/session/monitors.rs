//! MONITOR: clients that are shown every call of this node's clients.
//!
//! Without such a client a call costs one look at a number. A line is made once for all of them, has a bound, and waits in their
//! queues like messages do; one that does not keep up is disconnected.

use super::{ClientAddress, Subscriber, subscriber::Frame};
use crate::time::now_micros;
use parking_lot::RwLock;
use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Bytes of a line, about. What follows is counted, not shown.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Who made a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalledBy<'a> {
    Client(&'a ClientAddress),
    Script,
}

/// The clients that monitor this node.
#[derive(Debug, Default)]
pub struct Monitors {
    count: AtomicUsize,
    all: RwLock<Vec<Arc<Subscriber>>>,
}

impl Monitors {
    /// Whether anybody is shown calls.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    pub(super) fn add(&self, monitor: Arc<Subscriber>) {
        let mut all = self.all.write();
        all.push(monitor);
        self.count.store(all.len(), Ordering::Relaxed);
    }

    pub(super) fn remove(&self, monitor: &Arc<Subscriber>) {
        let mut all = self.all.write();
        all.retain(|other| !Arc::ptr_eq(other, monitor));
        self.count.store(all.len(), Ordering::Relaxed);
    }

    /// Shows a call. `words`: without secrets.
    #[cold]
    pub fn show<W: AsRef<[u8]>>(&self, db: u32, by: CalledBy<'_>, words: &[W]) {
        let all = self.all.read();
        let frame = Frame::line(line(now_micros(), db, by, words), all.len());
        for monitor in all.iter() {
            monitor.put(&frame);
        }
    }
}

/// As Redis writes it.
fn line<W: AsRef<[u8]>>(at_us: u64, db: u32, by: CalledBy<'_>, words: &[W]) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(out, "{}.{:06} [{db} ", at_us / 1_000_000, at_us % 1_000_000);
    let _ = match by {
        CalledBy::Client(ClientAddress::Unix { path, .. }) => write!(out, "unix:{path}]"),
        CalledBy::Client(peer) => write!(out, "{peer}]"),
        CalledBy::Script => write!(out, "lua]"),
    };
    for (at, word) in words.iter().enumerate() {
        if out.len() >= LINE_BYTES_MAX {
            let _ = write!(out, " ... ({} more arguments)", words.len().saturating_sub(at));
            break;
        }
        out.push(' ');
        quote(word.as_ref(), &mut out);
    }
    out
}

fn quote(word: &[u8], out: &mut String) {
    out.push('"');
    for (at, byte) in word.iter().enumerate() {
        if out.len() >= LINE_BYTES_MAX {
            let _ = write!(out, "... ({} more bytes)", word.len().saturating_sub(at));
            break;
        }
        match byte {
            b'\\' | b'"' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x07 => out.push_str("\\a"),
            0x08 => out.push_str("\\b"),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn a_line_is_as_redis_writes_it() {
        let peer = ClientAddress::from(SocketAddr::from(([127, 0, 0, 1], 44634)));
        let by = CalledBy::Client(&peer);
        let words: [&[u8]; 3] = [b"SET", b"a\n\r\t\x07\x08\x00\xff\"\\", b""];
        assert_eq!(
            line(1_796_077_531_007_409, 3, by, &words),
            r#"1796077531.007409 [3 127.0.0.1:44634] "SET" "a\n\r\t\a\b\x00\xff\"\\" """#
        );
        let socket = ClientAddress::Unix { path: "/run/f.sock".into(), user: 0 };
        let by_socket = line(1, 0, CalledBy::Client(&socket), &[b"get"]);
        assert_eq!(by_socket, r#"0.000001 [0 unix:/run/f.sock] "get""#);
        assert_eq!(line(1, 0, CalledBy::Script, &[b"get"]), r#"0.000001 [0 lua] "get""#);
    }

    #[test]
    fn a_line_has_a_bound_whatever_is_called() {
        let large = vec![0_u8; 1 << 20];
        let words: Vec<&[u8]> = vec![b"SET", &large, b"x", b"y"];
        let line = line(0, 0, CalledBy::Script, &words);
        assert!(line.len() < LINE_BYTES_MAX + 100, "{}", line.len());
        assert!(line.ends_with("more bytes)\" ... (2 more arguments)"), "{}", &line[line.len() - 60..]);
    }
}
