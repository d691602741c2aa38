//! The connection of a server that follows by PSYNC: its copy of the data, then the stream, until either side ends it.
//!
//! Nothing of the stream is sent behind a copy before the follower has said that it has it: one that looks for the copy's end reads more
//! than that, and would lose it. Until then, and while the copy is waited for, empty lines tell it that the link is up.

use super::connection::{Close, Connection, READ_BYTES};
use crate::{
    psync::{Begun, CopyChunk, Follower, FollowerPhase, FullCopy, Psync, PsyncRequest},
    resp::{Decoded, Decoder, Limits},
    session::Stats,
};
use bytes::{Buf, Bytes, BytesMut};
use std::{
    io::ErrorKind,
    ops::Range,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot, watch};

/// A follower that says nothing for this long once it has its copy, or takes nothing, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Between two looks at what happens without a sign; and between two empty lines.
const TICK: Duration = Duration::from_secs(1);
/// Of what a follower says.
const INPUT_BYTES_MAX: usize = 64 << 10;
/// What is taken from the stream at a time, about.
const OUTPUT_BYTES: usize = 256 << 10;

/// Leaves when the connection ends, however it does.
struct Membership {
    psync: Arc<Psync>,
    follower: Arc<Follower>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.psync.leave(&self.follower);
    }
}

/// What is to be sent.
enum Stage {
    Waits(oneshot::Receiver<FullCopy>),
    Granted(Box<FullCopy>),
    Refused,
    Copy {
        chunks: mpsc::Receiver<CopyChunk>,
        mark: Option<String>,
        has_begun: bool,
    },
    /// All of the copy was sent.
    Copied,
    Stream,
}

/// One that is fed.
struct Feeding {
    of: Membership,
    stage: Stage,
    growth: watch::Receiver<u64>,
    decoder: Decoder,
    words: Vec<Range<usize>>,
    /// The next part of the copy, or that there is none, which is not looked at yet.
    arrived: Option<Option<CopyChunk>>,
    /// Behind what is in the connection's output.
    next: Option<Bytes>,
    heard: Instant,
    sent: Instant,
    told: Instant,
}

impl Connection {
    /// Feeds the follower at the other end; an error that is its reply is no end of the connection.
    pub(super) async fn feed_follower(&mut self, wanted: PsyncRequest) -> Result<(), Close> {
        let psync = Arc::clone(&self.thread.node.psync);
        let peer = self.session.client.peer.to_string();
        let (host, _) = peer.rsplit_once(':').unwrap_or((&peer, ""));
        let finds_end = wanted.announced.finds_end;
        let (follower, begun) = match psync.join(host.to_owned(), wanted) {
            Ok(joined) => joined,
            Err(error) => {
                self.reply_error(error);
                return Ok(());
            }
        };
        let growth = psync.growth();
        let of = Membership { psync, follower };
        let (id, follower) = (self.session.client.id, peer.as_str());
        let stage = match begun {
            Begun::GoesOn { replid } => {
                tracing::info!(client = id, follower, "a server that follows by PSYNC goes on");
                self.output.extend_from_slice(format!("+CONTINUE {replid}\r\n").as_bytes());
                of.follower.enter(FollowerPhase::Online);
                Stage::Stream
            }
            Begun::Copy(copy) => {
                tracing::info!(client = id, follower, "a server follows by PSYNC, and gets all data");
                Stage::Waits(copy)
            }
        };
        self.session.client.follows.store(true, Ordering::Relaxed);
        let now = Instant::now();
        let feeding = Feeding {
            of,
            stage,
            growth,
            decoder: Decoder::new(),
            words: Vec::new(),
            arrived: None,
            next: None,
            heard: now,
            sent: now,
            told: now,
        };
        let ended = Box::pin(self.feed(feeding, finds_end)).await;
        tracing::info!(client = id, follower, "a server follows by PSYNC no more");
        ended
    }

    async fn feed(&mut self, mut feeding: Feeding, finds_end: bool) -> Result<(), Close> {
        // What it says comes into a buffer of its own: the connection's input is what was read with the call.
        let mut input = BytesMut::with_capacity(READ_BYTES);
        loop {
            self.hear(&mut feeding, &mut input)?;
            let made = self.fill(&mut feeding, finds_end)?;
            let waits_to_write = self.pass(&mut feeding)?;
            if self.session.client.is_killed() {
                return Err(Close::Now);
            }
            if !waits_to_write && made {
                tokio::task::yield_now().await;
                continue;
            }
            let client = Arc::clone(&self.session.client);
            let follower = Arc::clone(&feeding.of.follower);
            client.busy.store(false, Ordering::Relaxed);
            tokio::select! {
                ready = self.stream.ready_for(waits_to_write) => ready.map_err(|_| Close::Now)?,
                () = feeding.wait(), if !waits_to_write => {}
                () = follower.wait_ended() => return Err(Close::Now),
                () = client.wait_killed() => return Err(Close::Now),
                _ = self.thread.stop.wait() => return Err(Close::Now),
                () = tokio::time::sleep(TICK) => {}
            }
            feeding.check_time()?;
        }
    }

    /// Reads what the follower says: how far it is.
    fn hear(&mut self, feeding: &mut Feeding, input: &mut BytesMut) -> Result<(), Close> {
        loop {
            input.reserve(READ_BYTES);
            match self.stream.try_receive(input) {
                Ok(0) => return Err(Close::Now),
                Ok(read) => {
                    Stats::add(&self.thread.node.stats.net_input_bytes, read as u64);
                    feeding.heard = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Close::Now),
            }
            let limits = Limits { query_bytes_max: INPUT_BYTES_MAX, ..Limits::pre_auth() };
            let mut at = 0_usize;
            loop {
                let rest = input.get(at..).unwrap_or_default();
                match feeding.decoder.next(rest, &limits, &mut feeding.words) {
                    _ if rest.is_empty() => break,
                    Ok(Decoded::Request { used }) => {
                        let word = |number: usize| {
                            let range = feeding.words.get(number).cloned()?;
                            std::str::from_utf8(rest.get(range)?).ok()
                        };
                        let is_ack = word(1).is_some_and(|word| word.eq_ignore_ascii_case("ack"));
                        if let Some(offset) = word(2).filter(|_| is_ack).and_then(|word| word.parse().ok()) {
                            feeding.of.follower.acknowledged(offset);
                            if matches!(feeding.stage, Stage::Copied) {
                                feeding.stage = Stage::Stream;
                                feeding.of.follower.enter(FollowerPhase::Online);
                            }
                        }
                        at = at.saturating_add(used);
                    }
                    Ok(Decoded::Inline { used, .. } | Decoded::Skip { used }) => at = at.saturating_add(used),
                    Ok(Decoded::Incomplete { .. }) if rest.len() <= INPUT_BYTES_MAX => break,
                    Ok(Decoded::Incomplete { .. }) | Err(_) => {
                        tracing::warn!(
                            client = self.session.client.id,
                            "a follower by PSYNC sends what is no REPLCONF; closing it"
                        );
                        return Err(Close::Now);
                    }
                }
            }
            input.advance(at);
        }
    }

    /// Makes more output, if there is room for it.
    fn fill(&mut self, feeding: &mut Feeding, finds_end: bool) -> Result<bool, Close> {
        let mut made = !self.output.is_empty() || feeding.next.is_some();
        while self.output.len() < OUTPUT_BYTES && feeding.next.is_none() {
            match &mut feeding.stage {
                Stage::Waits(_) => {
                    self.keep_up(feeding);
                    return Ok(made);
                }
                Stage::Refused => return Err(Close::Now),
                Stage::Granted(_) => self.begin_copy(feeding, finds_end)?,
                Stage::Copy { chunks, .. } => {
                    let chunk = feeding.arrived.take().or_else(|| chunks.try_recv().ok().map(Some));
                    match chunk {
                        Some(chunk) => self.copy(feeding, chunk.ok_or(Close::Now)?),
                        None => {
                            self.keep_up(feeding);
                            return Ok(made);
                        }
                    }
                }
                Stage::Copied => return Ok(made),
                Stage::Stream => {
                    feeding.growth.mark_unchanged();
                    match feeding.of.psync.next(&feeding.of.follower) {
                        Ok(Some(bytes)) => feeding.next = Some(bytes),
                        Ok(None) => return Ok(made),
                        Err(_gone) => return Err(Close::Now),
                    }
                }
            }
            made = true;
        }
        Ok(made)
    }

    fn begin_copy(&mut self, feeding: &mut Feeding, finds_end: bool) -> Result<(), Close> {
        let Stage::Granted(copy) = std::mem::replace(&mut feeding.stage, Stage::Refused) else {
            return Ok(());
        };
        let line = format!("+FULLRESYNC {} {}\r\n", copy.replid, copy.offset);
        self.output.extend_from_slice(line.as_bytes());
        let chunks = copy.start(!finds_end).map_err(|_| Close::Now)?;
        feeding.stage = Stage::Copy { chunks, mark: finds_end.then(mark), has_begun: false };
        feeding.of.follower.enter(FollowerPhase::Copies);
        Ok(())
    }

    fn copy(&mut self, feeding: &mut Feeding, chunk: CopyChunk) {
        let Stage::Copy { mark, has_begun, .. } = &mut feeding.stage else { return };
        match chunk {
            CopyChunk::Length(length) => self.output.extend_from_slice(format!("${length}\r\n").as_bytes()),
            CopyChunk::Bytes(bytes) => {
                if let Some(mark) = mark.as_ref().filter(|_| !*has_begun) {
                    self.output.extend_from_slice(format!("$EOF:{mark}\r\n").as_bytes());
                }
                feeding.next = Some(bytes);
            }
            CopyChunk::End => {
                self.output.extend_from_slice(mark.as_deref().unwrap_or_default().as_bytes());
                // It may load for as long as it takes, and says so meanwhile.
                feeding.heard = Instant::now();
                feeding.stage = Stage::Copied;
                return;
            }
        }
        *has_begun = true;
    }

    /// An empty line, where one may stand: within an RDB it may not.
    fn keep_up(&mut self, feeding: &mut Feeding) {
        let is_within = matches!(feeding.stage, Stage::Copy { has_begun: true, .. });
        if !is_within && feeding.told.elapsed() >= TICK {
            feeding.told = Instant::now();
            self.output.extend_from_slice(b"\n");
        }
    }

    /// Writes what the kernel takes; true: it takes no more now.
    fn pass(&mut self, feeding: &mut Feeding) -> Result<bool, Close> {
        loop {
            if self.output.is_empty() {
                let Some(next) = &mut feeding.next else { return Ok(false) };
                // Not more at a time than is worth a system call: the socket takes off the start of a buffer of this connection.
                let part = next.split_to(next.len().min(OUTPUT_BYTES));
                self.output.extend_from_slice(&part);
                if next.is_empty() {
                    feeding.next = None;
                }
            }
            let before = self.output.len();
            let sent = self.stream.try_send(&mut self.output);
            let taken = before.saturating_sub(self.output.len()) as u64;
            if taken > 0 {
                Stats::add(&self.thread.node.stats.net_output_bytes, taken);
                Stats::add(&self.session.client.net_out, taken);
                feeding.sent = Instant::now();
                let now = crate::time::monotonic_ms();
                self.session.client.active_ms.store(now, Ordering::Relaxed);
            }
            match sent {
                Ok(()) if feeding.next.is_some() => {}
                Ok(()) => {
                    // Nothing waits to be taken.
                    feeding.sent = Instant::now();
                    return Ok(false);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(_) => return Err(Close::Now),
            }
        }
    }
}

impl Feeding {
    /// Resolves when there may be more to send.
    async fn wait(&mut self) {
        match &mut self.stage {
            Stage::Waits(copy) => {
                self.stage = match copy.await {
                    Ok(copy) => Stage::Granted(Box::new(copy)),
                    Err(_gone) => Stage::Refused,
                };
            }
            Stage::Copy { chunks, .. } if self.arrived.is_none() => {
                self.arrived = Some(chunks.recv().await);
            }
            Stage::Granted(_) | Stage::Refused | Stage::Copy { .. } => {}
            Stage::Copied => std::future::pending().await,
            Stage::Stream => {
                let _ = self.growth.changed().await;
            }
        }
    }

    fn check_time(&self) -> Result<(), Close> {
        let must_speak = matches!(self.stage, Stage::Copied | Stage::Stream);
        let is_silent = must_speak && self.heard.elapsed() > SILENCE_MAX;
        if is_silent || self.sent.elapsed() > SILENCE_MAX {
            tracing::warn!(follower = %self.of.follower.address, "a server that follows by PSYNC is silent; closing its connection");
            return Err(Close::Now);
        }
        Ok(())
    }
}

/// What ends an RDB: 40 letters that it does not have.
fn mark() -> String {
    let letters = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    letters.chars().take(40).collect()
}
