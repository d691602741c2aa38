//! Whether a client is still there while its call waits.
//!
//! A close is behind everything that the client has sent. So what it sends while it waits is read ahead, up to a bound; from
//! there on the kernel tells of the close, once it has got it: behind what its own buffers take.

use super::connection::{Connection, READ_BYTES};
use crate::{
    limits::{PREAUTH_QUERY_BYTES_MAX, READ_AHEAD_BYTES_MAX},
    session::{Client, Stats},
};
use bytes::BytesMut;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::atomic::Ordering;
use tokio::{
    io::{AsyncReadExt, Interest},
    net::TcpStream,
};

const _: () = assert!(READ_AHEAD_BYTES_MAX <= PREAUTH_QUERY_BYTES_MAX);

/// Resolves when the client has closed its side, or the connection broke. What comes until then is added to `input`.
pub(super) async fn gone(stream: &mut TcpStream, input: &mut BytesMut, client: &Client, stats: &Stats) {
    while input.len() < READ_AHEAD_BYTES_MAX {
        input.reserve(READ_BYTES);
        match stream.read_buf(input).await {
            Ok(bytes @ 1..) => {
                Stats::add(&stats.net_input_bytes, bytes as u64);
                client.query_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            }
            _ => return,
        }
    }
    // Resolves for urgent data and for a close: the socket is registered for the latter alone.
    while stream.ready(Interest::PRIORITY).await.is_ok_and(|ready| !ready.is_read_closed()) {}
}

impl Connection {
    /// Whether the client is known to have gone, read ahead or not. Asks the kernel: the runtime may not have heard of it yet.
    pub(super) fn is_gone(&self) -> bool {
        let mut sockets = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        // What cannot be polled is found out by the next read.
        matches!(poll(&mut sockets, Some(&Timespec::default())), Ok(1..))
    }
}
