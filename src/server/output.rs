//! What goes out on a connection: replies as CLIENT REPLY has them, messages, and bytes to a client that takes its time.

use super::connection::{Close, Connection, KEEP_BYTES_MAX, READ_BYTES};
use crate::{
    limits,
    resp::{ErrorReply, Reply, encode},
    session::{ReplyMode, Stats, Subscriber},
};
use bytes::{Buf, BytesMut};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// Replies are written out when they exceed this, so that a long pipeline does not pile them up.
const OUTPUT_BYTES_FLUSH: usize = 64 * 1024;
/// A client that takes no reply bytes for this long is closed.
const WRITE_STALL_MAX: Duration = Duration::from_secs(60);
/// The same for a client that has not authenticated.
const PREAUTH_WRITE_STALL_MAX: Duration = Duration::from_secs(5);
/// The same, and for the rest of a reply that is under way, while the node stops.
const STOPPING_WRITE_MAX: Duration = Duration::from_secs(1);
/// How long CLIENT LIST tells of a peak of the reply buffer, as Redis.
const REPLY_PEAK_PERIOD_MS: u64 = 5000;

impl Connection {
    /// Appends a reply, as CLIENT REPLY has it. Pushes are no replies: confirmations of SUBSCRIBE and its kin are always
    /// sent.
    pub(super) fn reply(&mut self, reply: &Reply) {
        self.count_error(reply);
        match self.session.reply_mode {
            ReplyMode::On => encode(reply, self.session.protocol, &mut self.output),
            ReplyMode::Off | ReplyMode::SkipNext => self.pushes_of(reply),
            ReplyMode::Skip => {
                self.pushes_of(reply);
                self.session.reply_mode = ReplyMode::On;
            }
        }
        if self.session.reply_mode == ReplyMode::SkipNext {
            self.session.reply_mode = ReplyMode::Skip;
        }
    }

    /// Appends the pushes in a reply that is not sent: its own, or those of the commands of a transaction.
    fn pushes_of(&mut self, reply: &Reply) {
        match reply {
            Reply::Push(_) => encode(reply, self.session.protocol, &mut self.output),
            Reply::Several(replies) | Reply::Array(replies) => {
                replies.iter().for_each(|reply| self.pushes_of(reply));
            }
            _ => {}
        }
    }

    pub(super) fn reply_always(&mut self, reply: &Reply) {
        self.count_error(reply);
        encode(reply, self.session.protocol, &mut self.output);
    }

    /// Counts an error, told to the client or not.
    pub(super) fn count_error(&self, reply: &Reply) {
        if let Reply::Error(error) = reply {
            self.thread.node.stats.count_error(error.code());
        }
    }

    pub(super) fn reply_error(&mut self, error: ErrorReply) {
        self.reply(&Reply::Error(error));
    }

    /// Writes out what is there. A client that takes nothing for too long is closed.
    pub(super) async fn send(&mut self) -> Result<(), Close> {
        if self.output.is_empty() {
            return Ok(());
        }
        Stats::add(&self.thread.node.stats.net_output_bytes, self.output.len() as u64);
        Stats::add(&self.thread.stats.socket_writes, 1);
        self.tell_output();
        let stall_max = if self.session.authenticated { WRITE_STALL_MAX } else { PREAUTH_WRITE_STALL_MAX };
        let client = Arc::clone(&self.session.client);
        while !self.output.is_empty() {
            // The socket's buffer takes most replies at once; only then is a timer worth its cost.
            match self.stream.try_write(&self.output) {
                Ok(0) => return Err(Close::Now),
                Ok(written) => {
                    self.output.advance(written);
                    client.active_ms.store(self.clock.now_ms(), Ordering::Relaxed);
                    continue;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Close::Now),
            }
            client.output_bytes.store(self.output.len() as u64, Ordering::Relaxed);
            client.waits_to_write.store(true, Ordering::Relaxed);
            // From here on it is the client that is waited for.
            let was_busy = client.busy.swap(false, Ordering::Relaxed);
            let writable = tokio::select! {
                writable = self.stream.writable() => writable.is_ok(),
                () = client.wait_killed() => false,
                () = self.thread.stop.wait_overdue(STOPPING_WRITE_MAX) => false,
                () = tokio::time::sleep(stall_max) => {
                    Stats::add(&self.thread.node.stats.output_limit_disconnections, 1);
                    tracing::warn!(client = client.id, unsent_bytes = self.output.len(), "client takes no replies, closing");
                    false
                }
            };
            client.busy.store(was_busy, Ordering::Relaxed);
            if !writable {
                return Err(Close::Now);
            }
            // The client's time, not the call's.
            self.clock.lap();
        }
        if client.waits_to_write.load(Ordering::Relaxed) {
            client.waits_to_write.store(false, Ordering::Relaxed);
            client.output_bytes.store(0, Ordering::Relaxed);
        }
        if self.output.capacity() > KEEP_BYTES_MAX {
            self.output = BytesMut::with_capacity(READ_BYTES);
        } else {
            self.output.clear();
        }
        Ok(())
    }

    /// For CLIENT LIST: what is in the reply buffer, and was at most in this period.
    fn tell_output(&mut self) {
        let client = &self.session.client;
        let (len, now) = (self.output.len() as u64, self.clock.now_ms());
        let is_over = now.saturating_sub(self.reply_peak_since_ms) > REPLY_PEAK_PERIOD_MS;
        if is_over || len > client.reply_peak_bytes.load(Ordering::Relaxed) {
            client.reply_peak_bytes.store(len, Ordering::Relaxed);
        }
        if is_over {
            self.reply_peak_since_ms = now;
        }
        client.reply_buffer_bytes.store(self.output.capacity() as u64, Ordering::Relaxed);
    }

    pub(super) fn output_bytes_flush(&self) -> usize {
        if self.session.authenticated { OUTPUT_BYTES_FLUSH } else { limits::PREAUTH_OUTPUT_BYTES_MAX }
    }

    /// Appends the messages that wait for this connection to its output. Not those that come meanwhile: others may
    /// publish faster than the client reads.
    pub(super) async fn pass_on(&mut self) -> Result<(), Close> {
        let Some(subscriber) = self.session.subscriptions.subscriber() else { return Ok(()) };
        let mut left = subscriber.waiting();
        while left > 0 {
            let taken = subscriber.take(self.session.protocol, left, OUTPUT_BYTES_FLUSH, &mut self.output);
            left = left.saturating_sub(taken);
            if self.output.len() >= OUTPUT_BYTES_FLUSH {
                self.send().await?;
            } else if taken == 0 {
                break;
            }
        }
        Ok(())
    }

    pub(super) async fn pass_on_and_send(&mut self) -> Result<(), Close> {
        self.pass_on().await?;
        self.send().await
    }
}

/// Resolves when a message may wait for the connection; never if it listens to nothing.
pub(super) async fn message(subscriber: Option<&Subscriber>) {
    match subscriber {
        Some(subscriber) => subscriber.wait().await,
        None => std::future::pending().await,
    }
}
