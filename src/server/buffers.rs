//! Buffers of a network thread. A connection has one only while something is in it, so idle connections cost none.

use super::{
    connection::{KEEP_BYTES_MAX, READ_BYTES},
    socket::Socket,
};
use bytes::BytesMut;
use std::{cell::RefCell, io, pin::pin, task::Poll};
use tokio::io::AsyncReadExt;

/// Room that a thread keeps for connections to come.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Room for so many bytes that a client has announced, for each byte that has come.
const VOUCHED_FOR: usize = 8;

/// Empty buffers that no connection has.
#[derive(Default)]
pub(super) struct Buffers(RefCell<Kept>);

#[derive(Default)]
struct Kept {
    buffers: Vec<BytesMut>,
    bytes: usize,
}

impl Buffers {
    /// An empty one, with room for `READ_BYTES` at least.
    pub(super) fn take(&self) -> BytesMut {
        let mut kept = self.0.borrow_mut();
        match kept.buffers.pop() {
            Some(buffer) => {
                kept.bytes = kept.bytes.saturating_sub(buffer.capacity());
                buffer
            }
            None => BytesMut::with_capacity(READ_BYTES),
        }
    }

    /// Takes one back; what was in it is gone.
    pub(super) fn give_back(&self, mut buffer: BytesMut) {
        buffer.clear();
        // Also the room before what was taken off its start.
        if buffer.capacity() > KEEP_BYTES_MAX || !buffer.try_reclaim(READ_BYTES) {
            return;
        }
        let mut kept = self.0.borrow_mut();
        let bytes = kept.bytes.saturating_add(buffer.capacity());
        if bytes <= KEPT_BYTES_MAX {
            kept.bytes = bytes;
            kept.buffers.push(buffer);
        }
    }

    /// Reads what has come, behind what is in `input`. A connection that waits with nothing in it has no buffer. May be
    /// dropped while it waits. `missing`: how much of a word has yet to come. If that is not much there is room for it at once,
    /// so that the word is not moved from buffer to buffer; the client's bytes so far vouch for it.
    pub(super) async fn read(
        &self,
        stream: &mut Socket,
        input: &mut BytesMut,
        missing: usize,
    ) -> io::Result<usize> {
        if !input.is_empty() {
            let missing = if missing <= KEEP_BYTES_MAX { missing } else { 0 };
            input.reserve(READ_BYTES.max(missing.min(input.len().saturating_mul(VOUCHED_FOR))));
            return stream.read_buf(input).await;
        }
        std::future::poll_fn(|context| {
            let mut buffer = self.take();
            let polled = pin!(stream.read_buf(&mut buffer)).poll(context);
            let unused = match polled {
                Poll::Ready(Ok(1..)) => std::mem::replace(input, buffer),
                Poll::Ready(_) | Poll::Pending => buffer,
            };
            if unused.capacity() > 0 {
                self.give_back(unused);
            }
            polled
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;

    #[test]
    fn what_comes_back_is_used_again_whole_and_not_hoarded() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(&[b'x'; READ_BYTES]);
        buffer.advance(READ_BYTES - 1);
        buffers.give_back(buffer);
        assert_eq!(buffers.0.borrow().buffers.len(), 1);
        let again = buffers.take();
        assert!(again.is_empty() && again.capacity() >= READ_BYTES);
        buffers.give_back(BytesMut::with_capacity(KEEP_BYTES_MAX + 1));
        buffers.give_back(BytesMut::new());
        assert!(buffers.0.borrow().buffers.is_empty(), "too large, and too small");
        for _ in 0..2 * KEPT_BYTES_MAX / READ_BYTES {
            buffers.give_back(BytesMut::with_capacity(READ_BYTES));
        }
        assert!(buffers.0.borrow().bytes <= KEPT_BYTES_MAX);
    }
}
