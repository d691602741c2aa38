//! One connection: bytes in, calls, replies, bytes out.

use super::{clock::Clock, pending::Pending, thread::Local};
use crate::{
    command::Argv,
    limits,
    resp::{Decoded, Decoder, ErrorReply, Limits, Reply, encode},
    session::{ReplyMode, Session, Stats, Subscriber},
};
use bytes::{Buf, BytesMut};
use std::{ops::Range, rc::Rc, sync::Arc, sync::atomic::Ordering, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Replies are written out when they exceed this, so that a long pipeline does not pile them up.
const OUTPUT_BYTES_FLUSH: usize = 64 * 1024;
/// Room made for one read.
const READ_BYTES: usize = 16 * 1024;
/// A buffer that grew beyond this for one large request is given back.
const KEEP_BYTES_MAX: usize = 256 * 1024;
/// A client that takes no reply bytes for this long is closed.
const WRITE_STALL_MAX: Duration = Duration::from_secs(60);
/// The same for a client that has not authenticated.
const PREAUTH_WRITE_STALL_MAX: Duration = Duration::from_secs(5);

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
    pub(super) local: Rc<Local>,
    pub(super) session: Session,
    pub(super) pending: Pending,
    pub(super) output: BytesMut,
    pub(super) clock: Clock,
    stream: TcpStream,
    input: BytesMut,
    decoder: Decoder,
    /// The words found so far of a request that is not complete; belongs to the decoder.
    words: Vec<Range<usize>>,
    /// Counted per chunk, added to the shared counters once.
    commands: u64,
}

impl Connection {
    pub(super) fn new(local: Rc<Local>, session: Session, stream: TcpStream) -> Self {
        let clock = Clock::start(&local.node.log.clock);
        Connection {
            local,
            session,
            pending: Pending::default(),
            output: BytesMut::with_capacity(READ_BYTES),
            clock,
            stream,
            input: BytesMut::with_capacity(READ_BYTES),
            decoder: Decoder::new(),
            words: Vec::new(),
            commands: 0,
        }
    }

    /// Serves until either side ends it.
    pub(super) async fn serve(mut self) {
        while self.receive().await.is_ok() {
            let outcome = self.chunk().await;
            self.account();
            if outcome == Err(Close::Now) || self.send().await.is_err() || outcome.is_err() {
                break;
            }
            if self.session.closing || self.session.client.is_killed() || self.local.stop.is_asked() {
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
                _ = self.local.stop.wait() => return Err(Close::Now),
                () = message(subscriber.as_deref()) => self.pass_on(subscriber.as_deref()).await?,
            }
        };
        match read {
            Ok(bytes) if bytes > 0 => {
                Stats::add(&self.local.node.stats.net_input_bytes, bytes as u64);
                self.clock = Clock::start(&self.local.node.log.clock);
                client.active_ms.store(self.clock.now_ms(), Ordering::Relaxed);
                Ok(())
            }
            _ => Err(Close::Now),
        }
    }

    /// Resolves when the client has closed its side. One that has sent more words already is not looked at again.
    pub(super) async fn gone(&self) {
        let mut byte = [0];
        if matches!(self.stream.peek(&mut byte).await, Ok(1..)) {
            std::future::pending::<()>().await;
        }
    }

    /// Sends the messages that wait for this connection.
    pub(super) async fn pass_on(&mut self, subscriber: Option<&Subscriber>) -> Result<(), Close> {
        let mut more = subscriber.is_some();
        while let Some(subscriber) = subscriber.filter(|_| more) {
            more = subscriber.take(self.session.protocol, OUTPUT_BYTES_FLUSH, &mut self.output);
            self.send().await?;
        }
        Ok(())
    }

    /// Runs every complete request in the input.
    async fn chunk(&mut self) -> Result<(), Close> {
        let mut input = std::mem::take(&mut self.input);
        let mut at = 0;
        let outcome = self.requests(&input, &mut at).await;
        input.advance(at.min(input.len()));
        if input.is_empty() && input.capacity() > KEEP_BYTES_MAX {
            input = BytesMut::with_capacity(READ_BYTES);
        }
        self.session.client.query_bytes.store(input.len() as u64, Ordering::Relaxed);
        self.input = input;
        self.settle().await;
        outcome
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
                        tracing::warn!(
                            client = self.session.client.id,
                            "query buffer limit reached, closing"
                        );
                        return Err(Close::Now);
                    }
                    break;
                }
                Err(error) => {
                    self.settle().await;
                    Stats::add(&self.local.node.stats.protocol_errors, 1);
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
        self.commands = self.commands.saturating_add(1);
        self.dispatch(argv).await
    }

    /// Appends a reply, as CLIENT REPLY has it.
    pub(super) fn reply(&mut self, reply: &Reply) {
        match self.session.reply_mode {
            ReplyMode::On => self.reply_always(reply),
            ReplyMode::Off | ReplyMode::SkipNext => {}
            ReplyMode::Skip => self.session.reply_mode = ReplyMode::On,
        }
        if self.session.reply_mode == ReplyMode::SkipNext {
            self.session.reply_mode = ReplyMode::Skip;
        }
    }

    pub(super) fn reply_always(&mut self, reply: &Reply) {
        if let Reply::Error(error) = reply {
            self.local.node.stats.count_error(error.code());
        }
        encode(reply, self.session.protocol, &mut self.output);
    }

    pub(super) fn reply_error(&mut self, error: ErrorReply) {
        self.reply(&Reply::Error(error));
    }

    /// Writes out what is there. A client that takes nothing for too long is closed.
    pub(super) async fn send(&mut self) -> Result<(), Close> {
        Stats::add(&self.local.node.stats.net_output_bytes, self.output.len() as u64);
        let stall_max = if self.session.authenticated { WRITE_STALL_MAX } else { PREAUTH_WRITE_STALL_MAX };
        let client = Arc::clone(&self.session.client);
        while !self.output.is_empty() {
            // The socket's buffer takes most replies at once; only then is a timer worth its cost.
            match self.stream.try_write(&self.output) {
                Ok(0) => return Err(Close::Now),
                Ok(written) => {
                    self.output.advance(written);
                    continue;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Close::Now),
            }
            client.output_bytes.store(self.output.len() as u64, Ordering::Relaxed);
            let writable = tokio::select! {
                writable = self.stream.writable() => writable.is_ok(),
                () = client.wait_killed() => false,
                () = tokio::time::sleep(stall_max) => {
                    Stats::add(&self.local.node.stats.output_limit_disconnections, 1);
                    tracing::warn!(client = client.id, unsent_bytes = self.output.len(), "client takes no replies, closing");
                    false
                }
            };
            if !writable {
                return Err(Close::Now);
            }
            self.clock.tick();
        }
        client.output_bytes.store(0, Ordering::Relaxed);
        if self.output.capacity() > KEEP_BYTES_MAX {
            self.output = BytesMut::with_capacity(READ_BYTES);
        } else {
            self.output.clear();
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        if !self.session.authenticated {
            return Limits::pre_auth();
        }
        let settings = self.local.node.config.settings();
        Limits {
            bulk_bytes_max: settings.proto_max_bulk_len,
            query_bytes_max: settings.query_buffer_limit,
            ..Limits::default()
        }
    }

    fn output_bytes_flush(&self) -> usize {
        if self.session.authenticated { OUTPUT_BYTES_FLUSH } else { limits::PREAUTH_OUTPUT_BYTES_MAX }
    }

    fn account(&mut self) {
        Stats::add(&self.local.node.stats.commands_processed, std::mem::take(&mut self.commands));
    }
}

/// Resolves when a message may wait for the connection; never if it listens to nothing.
pub(super) async fn message(subscriber: Option<&Subscriber>) {
    match subscriber {
        Some(subscriber) => subscriber.wait().await,
        None => std::future::pending().await,
    }
}
