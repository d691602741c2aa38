//! One connection: bytes in, calls, replies, bytes out; and whether its client is still there while a call waits.

use super::{
    clock::Clock, log_calls::Ran, long_reads::Hold, socket::Socket, thread::ThreadState, write::Pending,
};
use crate::{
    command::Argv,
    limits::{PREAUTH_QUERY_BYTES_MAX, READ_AHEAD_BYTES_MAX},
    resp::{Decoded, Decoder, Limits, Reply},
    session::{Client, Session, Stats, Transaction},
};
use bytes::{Buf, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    ops::Range,
    rc::Rc,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};
use tokio::io::AsyncReadExt;

/// Room made for one read.
pub(super) const READ_BYTES: usize = 16 * 1024;
/// A larger list of words is given back when its request is done.
const WORDS_KEPT_MAX: usize = 1024;
/// Memory for a watched key, its name (three times) aside: here, and in the store's table of watched keys.
const WATCH_BYTES: usize = 256;
/// A buffer that grew beyond this for one large request is given back.
pub(super) const KEEP_BYTES_MAX: usize = 256 * 1024;

const _: () = assert!(READ_AHEAD_BYTES_MAX <= PREAUTH_QUERY_BYTES_MAX);

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// At the client's request, or after a protocol error that was reported.
    AfterReply,
    /// At once, without another reply.
    Now,
}

/// One client connection.
pub(super) struct Connection {
    pub(super) thread: Rc<ThreadState>,
    pub(super) session: Session,
    pub(super) pending: Pending,
    pub(super) output: BytesMut,
    pub(super) clock: Clock,
    pub(super) stream: Socket,
    /// Not yet served. While a request is being served: the input read ahead behind it.
    pub(super) input: BytesMut,
    /// The reply of a long read, until the client has taken it.
    pub(super) hold: Option<Hold>,
    decoder: Decoder,
    /// The words found so far of an incomplete request; used by the decoder.
    words: Vec<Range<usize>>,
    pub(super) reply_peak_since_ms: u64,
    /// More output waits than should for long (client-output-buffer-limit).
    pub(super) much_output_since: Option<Instant>,
    /// Counted per chunk, added to the shared counters once.
    pub(super) commands: u64,
    /// Bytes of the request that is being served.
    pub(super) request_bytes: usize,
    /// The call that was answered last, by this thread.
    pub(super) ran: Option<Ran>,
}

impl Connection {
    pub(super) fn new(thread: Rc<ThreadState>, session: Session, stream: Socket) -> Self {
        let clock = Clock::start();
        Connection {
            thread,
            session,
            pending: Pending::default(),
            output: BytesMut::new(),
            clock,
            stream,
            input: BytesMut::new(),
            hold: None,
            decoder: Decoder::new(),
            words: Vec::new(),
            reply_peak_since_ms: 0,
            much_output_since: None,
            commands: 0,
            request_bytes: 0,
            ran: None,
        }
    }

    /// Serves until either side ends it.
    ///
    /// What is rare or waits anyway is boxed below here: an idle connection takes as much memory as the deepest call may.
    pub(super) async fn serve(mut self: Box<Self>) {
        while self.receive().await.is_ok() {
            self.session.client.busy.store(true, Ordering::Relaxed);
            let outcome = self.chunk().await;
            self.account();
            if outcome == Err(Close::Now) || self.send().await.is_err() || outcome.is_err() {
                break;
            }
            self.rest();
            self.session.client.busy.store(false, Ordering::Relaxed);
            if self.session.closing || self.session.client.is_killed() || self.thread.stop.is_asked() {
                break;
            }
        }
        self.stream.close().await;
    }

    /// Gives back buffers with nothing in them, and counts what the connection pins until the client speaks again.
    fn rest(&mut self) {
        if self.input.is_empty() {
            self.thread.buffers.give_back(std::mem::take(&mut self.input));
        }
        self.drop_output();
        self.hold = None;
        if self.words.capacity() > WORDS_KEPT_MAX {
            self.words = Vec::new();
        }
        self.count_memory();
    }

    /// Waits for bytes. Ends on EOF, a broken socket, CLIENT KILL or a stopping node.
    async fn receive(&mut self) -> Result<(), Close> {
        let client = Arc::clone(&self.session.client);
        let missing = self.decoder.missing(self.input.len());
        let read = loop {
            tokio::select! {
                biased;
                read = self.thread.buffers.read(&mut self.stream, &mut self.input, missing) => break read,
                () = client.wait_killed() => return Err(Close::Now),
                _ = self.thread.stop.wait() => return Err(Close::Now),
                () = client.wait_message() => {
                    self.pass_on_and_send().await?;
                    self.rest();
                }
            }
        };
        match read {
            Ok(bytes) if bytes > 0 => {
                Stats::add(&self.thread.node.stats.net_input_bytes, bytes as u64);
                Stats::add(&self.thread.stats.socket_reads, 1);
                Stats::add(&client.net_in, bytes as u64);
                self.tell_input();
                self.clock = Clock::start();
                client.active_ms.store(self.clock.now_ms(), Ordering::Relaxed);
                Ok(())
            }
            _ => Err(Close::Now),
        }
    }

    /// Runs every complete request in the input.
    async fn chunk(&mut self) -> Result<(), Close> {
        if self.output.capacity() == 0 {
            self.output = self.thread.buffers.take();
        }
        loop {
            let mut input = std::mem::take(&mut self.input);
            let mut at = 0;
            let outcome = self.requests(&input, &mut at).await;
            match at > KEEP_BYTES_MAX {
                // What is taken off the buffer's start stays allocated, and would not be counted.
                true => input = BytesMut::from(input.get(at..).unwrap_or_default()),
                false => input.advance(at.min(input.len())),
            }
            let ahead = std::mem::take(&mut self.input);
            let has_more = !ahead.is_empty();
            input.unsplit(ahead);
            self.input = input;
            self.tell_input();
            self.flush_writes().await;
            if outcome.is_err() || !has_more {
                return outcome;
            }
        }
    }

    /// For CLIENT LIST: the size of the request buffer.
    fn tell_input(&self) {
        let (len, capacity) = (self.input.len(), self.input.capacity());
        let memory = &self.session.client.memory;
        memory.query.store(len as u64, Ordering::Relaxed);
        memory.query_free.store(capacity.saturating_sub(len) as u64, Ordering::Relaxed);
    }

    /// Counts all that the connection pins.
    fn count_memory(&self) {
        self.tell_input();
        let memory = &self.session.client.memory;
        let store = |part: &AtomicU64, bytes: usize| part.store(bytes as u64, Ordering::Relaxed);
        store(&memory.argv, self.decoder.memory_bytes().saturating_add(words_bytes(self.words.capacity())));
        store(&memory.multi, self.session.transaction.as_ref().map_or(0, Transaction::bytes));
        let (keys, bytes) = self.session.watching();
        store(&memory.watches, keys.saturating_mul(WATCH_BYTES).saturating_add(bytes.saturating_mul(3)));
        store(&memory.reply_buffer, self.output.capacity());
        memory.tell();
    }

    /// Counts the lists of the words of a long call while it runs.
    fn count_words(&self, words: usize) {
        if words > WORDS_KEPT_MAX {
            let memory = &self.session.client.memory;
            memory.argv.store(words_bytes(words).saturating_mul(2) as u64, Ordering::Relaxed);
            memory.tell();
        }
    }

    async fn requests(&mut self, input: &[u8], at: &mut usize) -> Result<(), Close> {
        let mut limits = self.limits();
        while !self.session.closing {
            if limits.pre_auth == self.session.authenticated {
                limits = self.limits();
            }
            let rest = input.get(*at..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match self.decoder.next(rest, &limits, &mut self.words) {
                Ok(Decoded::Request { used }) => {
                    let argv: Argv<'_> =
                        self.words.iter().map(|range| rest.get(range.clone()).unwrap_or_default()).collect();
                    *at = at.saturating_add(used);
                    self.request_bytes = used;
                    self.count_words(argv.len());
                    self.request(&argv).await?;
                }
                Ok(Decoded::Inline { used, argv }) => {
                    let argv: Argv<'_> = argv.iter().map(Vec::as_slice).collect();
                    *at = at.saturating_add(used);
                    self.request_bytes = used;
                    self.request(&argv).await?;
                }
                Ok(Decoded::Skip { used }) => *at = at.saturating_add(used),
                Ok(Decoded::Incomplete { .. }) => {
                    if rest.len() > limits.query_bytes_max {
                        Stats::add(&self.thread.node.stats.query_limit_disconnections, 1);
                        tracing::warn!(
                            client = self.session.client.id,
                            "query buffer limit reached; closing the client"
                        );
                        return Err(Close::Now);
                    }
                    break;
                }
                Err(error) => {
                    self.flush_writes().await;
                    Stats::add(&self.thread.node.stats.protocol_errors, 1);
                    self.reply_always(&Reply::Error(error.into()));
                    return Err(Close::AfterReply);
                }
            }
            if self.session.client.is_killed() {
                return Err(Close::Now);
            }
            // A long read's reply is sent before the next request, which may be one as well and would wait for it.
            if self.hold.is_some() || self.output.len() > self.output_bytes_flush() {
                self.send().await?;
            }
        }
        Ok(())
    }

    async fn request(&mut self, argv: &[&[u8]]) -> Result<(), Close> {
        // As in redis-server, messages published before the call come before its reply.
        self.pass_on().await?;
        self.dispatch(argv).await?;
        self.forget_caching(argv);
        Ok(())
    }

    fn limits(&self) -> Limits {
        if !self.session.authenticated {
            return Limits::pre_auth();
        }
        let settings = self.thread.node.config.settings();
        Limits {
            bulk_bytes_max: settings.proto_max_bulk_len,
            query_bytes_max: settings.query_buffer_limit,
            ..Limits::default()
        }
    }

    fn account(&mut self) {
        let commands = std::mem::take(&mut self.commands);
        Stats::add(&self.session.client.calls, commands);
        Stats::add(&self.thread.node.stats.commands_processed, commands);
    }

    /// Whether the client is known to have gone, read ahead or not. Asks the kernel: the runtime may not have heard of it yet.
    pub(super) fn is_gone(&self) -> bool {
        let mut sockets = [PollFd::from_borrowed_fd(self.stream.descriptor(), PollFlags::RDHUP)];
        // What cannot be polled is found out by the next read.
        matches!(poll(&mut sockets, Some(&Timespec::default())), Ok(1..))
    }
}

/// Memory for a list of so many words.
fn words_bytes(words: usize) -> usize {
    words.saturating_mul(size_of::<Range<usize>>())
}

/// Resolves when the client has closed its side, or the connection broke. What comes until then is added to `input`.
///
/// A close is behind everything that the client has sent. So what it sends while its call waits is read ahead, up to a bound;
/// from there on the kernel tells of the close, once it has got it: behind what its own buffers take.
pub(super) async fn gone(stream: &mut Socket, input: &mut BytesMut, client: &Client, stats: &Stats) {
    while input.len() < READ_AHEAD_BYTES_MAX {
        input.reserve(READ_BYTES);
        match stream.read_buf(input).await {
            Ok(bytes @ 1..) => {
                Stats::add(&stats.net_input_bytes, bytes as u64);
                client.memory.query.fetch_add(bytes as u64, Ordering::Relaxed);
                client.memory.tell();
            }
            _ => return,
        }
    }
    // Resolves for urgent data and for a close: the socket is registered for the latter alone.
    while stream.urgent().await.is_ok_and(|ready| !ready.is_read_closed()) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_output<F>(_: impl FnOnce(Box<Connection>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_and_its_task_are_small() {
        let (task, connection) = (size_of_output(Connection::serve), size_of::<Connection>());
        assert!(task <= 2048 && connection <= 1024, "task {task}, connection {connection}");
    }
}
