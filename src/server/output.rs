//! Output of a connection: replies as set by CLIENT REPLY, messages, and writes to a slow client.

use super::connection::{Close, Connection, KEEP_BYTES_MAX, READ_BYTES};
use crate::{
    config::OutputLimit,
    limits,
    resp::{ErrorReply, Reply, encode},
    session::{ReplyMode, Stats},
};
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
/// Time for which CLIENT LIST shows a peak of the reply buffer, as Redis.
const REPLY_PEAK_PERIOD_MS: u64 = 5000;

impl Connection {
    /// Appends a reply, as set by CLIENT REPLY. Pushes are not replies: confirmations of SUBSCRIBE and its kin are always
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

    /// Counts an error, whether the client gets it or not.
    pub(super) fn count_error(&self, reply: &Reply) {
        if let Reply::Error(error) = reply {
            self.thread.node.stats.count_error(error.code());
        }
    }

    pub(super) fn reply_error(&mut self, error: ErrorReply) {
        self.reply(&Reply::Error(error));
    }

    /// Writes out the buffered output. A client that reads nothing for too long is disconnected.
    pub(super) async fn send(&mut self) -> Result<(), Close> {
        if self.output.is_empty() {
            self.hold = None;
            return Ok(());
        }
        Stats::add(&self.thread.node.stats.net_output_bytes, self.output.len() as u64);
        Stats::add(&self.thread.stats.socket_writes, 1);
        Stats::add(&self.session.client.net_out, self.output.len() as u64);
        self.tell_output();
        if self.has_too_much_output() {
            return Err(self.close_for_output(
                "more output waits for a client than client-output-buffer-limit allows; closing it",
            ));
        }
        let stall_max = if self.session.authenticated { WRITE_STALL_MAX } else { PREAUTH_WRITE_STALL_MAX };
        let client = Arc::clone(&self.session.client);
        // What is taken off the buffer's start stays allocated.
        let room = self.output.capacity() as u64;
        loop {
            let unsent = self.output.len();
            // The socket's buffer takes most replies at once; only if it does not is a timer worth its cost.
            let sent = self.stream.try_send(&mut self.output);
            if self.output.len() < unsent {
                client.active_ms.store(self.clock.now_ms(), Ordering::Relaxed);
            }
            match sent {
                Ok(()) => break,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Close::Now),
            }
            let unsent = self.output.len().saturating_add(self.stream.unsent_max());
            client.memory.unsent.store(unsent as u64, Ordering::Relaxed);
            client.memory.reply_buffer.store(room, Ordering::Relaxed);
            client.memory.tell();
            let (limit, waiting) = (self.output_limit(), self.waiting_output());
            let soft = limit.time_left(waiting, &mut self.much_output_since);
            client.waits_to_write.store(true, Ordering::Relaxed);
            // From here on it is the client that is waited for.
            let was_busy = client.busy.swap(false, Ordering::Relaxed);
            let writable = tokio::select! {
                writable = self.stream.writable() => writable.is_ok(),
                () = client.wait_killed() => false,
                () = self.thread.stop.wait_overdue(STOPPING_WRITE_MAX) => false,
                () = tokio::time::sleep(soft.map_or(stall_max, |soft| soft.min(stall_max))) => {
                    return Err(self.close_for_output("a client does not read its replies; closing it"));
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
            client.memory.unsent.store(0, Ordering::Relaxed);
        }
        (self.much_output_since, self.hold) = (None, None);
        match self.output.capacity() > KEEP_BYTES_MAX {
            true => self.output = self.thread.buffers.take(),
            false => self.output.clear(),
        }
        Ok(())
    }

    /// Gives back the reply buffer if it is empty.
    pub(super) fn drop_output(&mut self) {
        if self.output.is_empty() {
            self.thread.buffers.give_back(std::mem::take(&mut self.output));
        }
    }

    /// The limit for clients of this one's class.
    fn output_limit(&self) -> OutputLimit {
        let limits = self.thread.node.config.settings().output_limits;
        if self.session.client.is_subscribed() { limits.pubsub } else { limits.normal }
    }

    /// Replies that the socket has not taken, and messages behind them.
    fn waiting_output(&self) -> usize {
        let messages = self.session.client.memory.message.load(Ordering::Relaxed);
        self.output.len().saturating_add(usize::try_from(messages).unwrap_or(usize::MAX))
    }

    /// As in redis-server, what fits a small buffer does not count.
    fn has_too_much_output(&mut self) -> bool {
        if self.output.len() <= READ_BYTES {
            return false;
        }
        let (limit, waiting) = (self.output_limit(), self.waiting_output());
        limit.is_exceeded(waiting, &mut self.much_output_since)
    }

    fn close_for_output(&self, why: &str) -> Close {
        Stats::add(&self.thread.node.stats.output_limit_disconnections, 1);
        tracing::warn!(client = self.session.client.id, unsent_bytes = self.output.len(), "{why}");
        Close::Now
    }

    /// For CLIENT LIST: the size of the reply buffer, and its peak in this period.
    fn tell_output(&mut self) {
        let client = &self.session.client;
        let (len, now) = (self.output.len() as u64, self.clock.now_ms());
        let is_over = now.saturating_sub(self.reply_peak_since_ms) > REPLY_PEAK_PERIOD_MS;
        if is_over || len > client.memory.reply_peak.load(Ordering::Relaxed) {
            client.memory.reply_peak.store(len, Ordering::Relaxed);
        }
        if is_over {
            self.reply_peak_since_ms = now;
        }
        client.memory.reply_buffer.store(self.output.capacity() as u64, Ordering::Relaxed);
    }

    pub(super) fn output_bytes_flush(&self) -> usize {
        if self.session.authenticated { OUTPUT_BYTES_FLUSH } else { limits::PREAUTH_OUTPUT_BYTES_MAX }
    }

    /// Appends the waiting messages of this connection to its output. Not those that arrive meanwhile: publishers may be
    /// faster than the client.
    pub(super) async fn pass_on(&mut self) -> Result<(), Close> {
        let Some(subscriber) = self.session.client.messages().cloned() else { return Ok(()) };
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
