//! One connection: bytes in, calls, replies, bytes out.

use super::{clock::Clock, output::message, pending::Pending, thread::ThreadState};
use crate::{
    command::Argv,
    resp::{Decoded, Decoder, Limits, Reply},
    session::{Session, Stats},
};
use bytes::{Buf, BytesMut};
use std::{ops::Range, rc::Rc, sync::Arc, sync::atomic::Ordering};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Room made for one read.
pub(super) const READ_BYTES: usize = 16 * 1024;
/// A buffer that grew beyond this for one large request is given back.
pub(super) const KEEP_BYTES_MAX: usize = 256 * 1024;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The client asked, or broke the protocol and has been told.
    AfterReply,
    /// Nothing more can be said.
    Now,
}

/// See the module.
pub(super) struct Connection {
    pub(super) thread: Rc<ThreadState>,
    pub(super) session: Session,
    pub(super) pending: Pending,
    pub(super) output: BytesMut,
    pub(super) clock: Clock,
    pub(super) stream: TcpStream,
    /// Not yet served. While a request is, what was read ahead behind it.
    pub(super) input: BytesMut,
    decoder: Decoder,
    /// The words found so far of a request that is not complete; belongs to the decoder.
    words: Vec<Range<usize>>,
    pub(super) reply_peak_since_ms: u64,
    /// Counted per chunk, added to the shared counters once.
    pub(super) commands: u64,
}

impl Connection {
    pub(super) fn new(thread: Rc<ThreadState>, session: Session, stream: TcpStream) -> Self {
        let clock = Clock::start();
        Connection {
            thread,
            session,
            pending: Pending::default(),
            output: BytesMut::with_capacity(READ_BYTES),
            clock,
            stream,
            input: BytesMut::with_capacity(READ_BYTES),
            decoder: Decoder::new(),
            words: Vec::new(),
            reply_peak_since_ms: 0,
            commands: 0,
        }
    }

    /// Serves until either side ends it.
    pub(super) async fn serve(mut self) {
        while self.receive().await.is_ok() {
            self.session.client.busy.store(true, Ordering::Relaxed);
            let outcome = self.chunk().await;
            self.account();
            if outcome == Err(Close::Now) || self.send().await.is_err() || outcome.is_err() {
                break;
            }
            self.session.client.busy.store(false, Ordering::Relaxed);
            if self.session.closing || self.session.client.is_killed() || self.thread.stop.is_asked() {
                break;
            }
        }
        let _ = self.stream.shutdown().await;
    }

    /// Waits for bytes. Ends on EOF, a broken socket, CLIENT KILL or a stopping node.
    async fn receive(&mut self) -> Result<(), Close> {
        self.input.reserve(READ_BYTES);
        let client = Arc::clone(&self.session.client);
        let read = loop {
            let subscriber = self.session.subscriptions.subscriber();
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.input) => break read,
                () = client.wait_killed() => return Err(Close::Now),
                _ = self.thread.stop.wait() => return Err(Close::Now),
                () = message(subscriber.as_deref()) => self.pass_on_and_send().await?,
            }
        };
        match read {
            Ok(bytes) if bytes > 0 => {
                Stats::add(&self.thread.node.stats.net_input_bytes, bytes as u64);
                Stats::add(&self.thread.stats.socket_reads, 1);
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
        loop {
            let mut input = std::mem::take(&mut self.input);
            let mut at = 0;
            let outcome = self.requests(&input, &mut at).await;
            input.advance(at.min(input.len()));
            if input.is_empty() && input.capacity() > KEEP_BYTES_MAX {
                input = BytesMut::with_capacity(READ_BYTES);
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

    /// For CLIENT LIST: what is in the request buffer.
    fn tell_input(&self) {
        let (len, capacity) = (self.input.len(), self.input.capacity());
        self.session.client.query_bytes.store(len as u64, Ordering::Relaxed);
        self.session.client.query_free_bytes.store(capacity.saturating_sub(len) as u64, Ordering::Relaxed);
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
                    self.request(&argv).await?;
                }
                Ok(Decoded::Inline { used, argv }) => {
                    let argv: Argv<'_> = argv.iter().map(Vec::as_slice).collect();
                    *at = at.saturating_add(used);
                    self.request(&argv).await?;
                }
                Ok(Decoded::Skip { used }) => *at = at.saturating_add(used),
                Ok(Decoded::Incomplete { .. }) => {
                    if rest.len() > limits.query_bytes_max {
                        Stats::add(&self.thread.node.stats.query_limit_disconnections, 1);
                        tracing::warn!(
                            client = self.session.client.id,
                            "query buffer limit reached, closing"
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
            if self.output.len() > self.output_bytes_flush() {
                self.send().await?;
            }
        }
        Ok(())
    }

    async fn request(&mut self, argv: &[&[u8]]) -> Result<(), Close> {
        // As by redis-server, what was published before the call comes before its reply.
        self.pass_on().await?;
        self.dispatch(argv).await
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
        Stats::add(&self.thread.node.stats.commands_processed, std::mem::take(&mut self.commands));
    }
}
