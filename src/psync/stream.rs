//! The bytes of the stream that are kept: for followers that are behind, up to one bound, and for those that come back, up to
//! another; and the followers.
//!
//! Positions count the stream's bytes from its beginning. Redis counts from 1: the byte at position N is its offset N + 1.

use super::Announced;
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::Notify;

/// Where a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FollowerPhase {
    /// It waits for its copy to begin.
    Waits = 0,
    /// It gets a copy of the data.
    Copies = 1,
    Online = 2,
}

impl FollowerPhase {
    /// As INFO of redis-server names it.
    pub fn name(self) -> &'static str {
        match self {
            FollowerPhase::Waits => "wait_bgsave",
            FollowerPhase::Copies => "send_bulk",
            FollowerPhase::Online => "online",
        }
    }
}

/// One that follows.
pub struct Follower {
    pub id: u64,
    pub address: String,
    pub announced: Announced,
    phase: AtomicU8,
    /// The next byte to send; before it gets any, that of its copy.
    at: AtomicU64,
    /// What it says it has.
    acked: AtomicU64,
    heard: Mutex<Instant>,
    gone: AtomicBool,
    ended: Notify,
}

impl Follower {
    fn new(id: u64, address: String, announced: Announced) -> Self {
        Follower {
            id,
            address,
            announced,
            phase: AtomicU8::new(FollowerPhase::Waits as u8),
            at: AtomicU64::new(u64::MAX),
            acked: AtomicU64::new(0),
            heard: Mutex::new(Instant::now()),
            gone: AtomicBool::new(false),
            ended: Notify::new(),
        }
    }

    pub fn phase(&self) -> FollowerPhase {
        match self.phase.load(Ordering::Relaxed) {
            0 => FollowerPhase::Waits,
            1 => FollowerPhase::Copies,
            _ => FollowerPhase::Online,
        }
    }

    pub fn enter(&self, phase: FollowerPhase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// It has that much of the stream, as it says.
    pub fn acknowledged(&self, offset: u64) {
        self.acked.store(offset, Ordering::Relaxed);
        *self.heard.lock() = Instant::now();
    }

    /// It is to be disconnected.
    fn end(&self) {
        self.gone.store(true, Ordering::Release);
        self.ended.notify_one();
    }

    /// Resolves when it is to be disconnected.
    pub async fn wait_ended(&self) {
        while !self.gone.load(Ordering::Acquire) {
            self.ended.notified().await;
        }
    }
}

/// What a follower is shown as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowerStatus {
    pub address: String,
    pub port: u16,
    pub phase: FollowerPhase,
    pub acked: u64,
    pub lag_bytes: u64,
    pub silent_seconds: u64,
}

/// What the stream is shown as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamStatus {
    pub is_active: bool,
    pub replid: String,
    /// Bytes since its beginning.
    pub offset: u64,
    pub first: u64,
    pub kept_bytes: u64,
    pub followers: Vec<FollowerStatus>,
}

/// What is asked for is kept no more, or the follower is to be disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// See the module.
#[derive(Default)]
pub struct Stream {
    pub replid: String,
    /// With their positions; none is empty.
    blocks: VecDeque<(u64, Bytes)>,
    first: u64,
    end: u64,
    pub followers: Vec<Arc<Follower>>,
    next_id: u64,
}

impl Stream {
    /// Begins anew, without followers.
    pub fn begin(&mut self, replid: String) {
        self.followers.drain(..).for_each(|follower| follower.end());
        // A replica that once followed another stream takes the offset as it is; as in redis-server it need not begin at 0.
        *self = Stream { replid, next_id: self.next_id, ..Stream::default() };
    }

    /// Begins anew for followers that have got nothing yet.
    pub fn name(&mut self, replid: String) {
        let followers = std::mem::take(&mut self.followers);
        *self = Stream { replid, followers, next_id: self.next_id, ..Stream::default() };
    }

    pub fn end(&self) -> u64 {
        self.end
    }

    pub fn kept(&self) -> u64 {
        self.end.saturating_sub(self.first)
    }

    /// A new follower.
    pub fn join(&mut self, address: String, announced: Announced) -> Arc<Follower> {
        self.next_id = self.next_id.saturating_add(1);
        let follower = Arc::new(Follower::new(self.next_id, address, announced));
        self.followers.push(Arc::clone(&follower));
        follower
    }

    pub fn leave(&mut self, id: u64) {
        self.followers.retain(|follower| follower.id != id);
    }

    fn has(&self, follower: &Follower) -> bool {
        self.followers.iter().any(|one| one.id == follower.id)
    }

    /// Whether a follower can go on with this byte, counted from 1.
    pub fn can_go_on(&self, replid: &str, offset: u64) -> Option<u64> {
        let at = offset.checked_sub(1)?;
        let is_kept = (self.first..=self.end).contains(&at);
        (!replid.is_empty() && replid == self.replid && is_kept).then_some(at)
    }

    /// The follower goes on from here.
    pub fn place(&self, follower: &Follower, at: u64) {
        follower.at.store(at, Ordering::Relaxed);
    }

    /// The next bytes for a follower; `None`: there are none yet.
    pub fn next(&self, follower: &Follower) -> Result<Option<Bytes>, Gone> {
        let at = follower.at.load(Ordering::Relaxed);
        if !self.has(follower) || at < self.first {
            return Err(Gone);
        }
        if at >= self.end {
            return Ok(None);
        }
        let behind = self.blocks.partition_point(|(position, _)| *position <= at);
        let (position, block) = behind.checked_sub(1).and_then(|place| self.blocks.get(place)).ok_or(Gone)?;
        let skip = usize::try_from(at.saturating_sub(*position)).map_err(|_| Gone)?;
        if skip >= block.len() {
            return Err(Gone);
        }
        let bytes = block.slice(skip..);
        follower.at.store(at.saturating_add(bytes.len() as u64), Ordering::Relaxed);
        Ok(Some(bytes))
    }

    pub fn append(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            let len = bytes.len() as u64;
            self.blocks.push_back((self.end, bytes));
            self.end = self.end.saturating_add(len);
        }
    }

    /// Forgets what neither a follower needs nor `backlog` bytes for those that come back.
    pub fn trim(&mut self, backlog: u64) {
        let needed = self.followers.iter().map(|follower| follower.at.load(Ordering::Relaxed)).min();
        let keep = self.end.saturating_sub(backlog).min(needed.unwrap_or(u64::MAX));
        while let Some((position, block)) = self.blocks.front()
            && position.saturating_add(block.len() as u64) <= keep
        {
            self.blocks.pop_front();
        }
        self.first = self.blocks.front().map_or(self.end, |(position, _)| *position);
    }

    /// The follower that is farthest behind, and where it is.
    pub fn slowest(&self) -> Option<(Arc<Follower>, u64)> {
        let placed = |follower: &Arc<Follower>| (Arc::clone(follower), follower.at.load(Ordering::Relaxed));
        self.followers.iter().map(placed).min_by_key(|(_, at)| *at)
    }

    /// Disconnects a follower.
    pub fn drop_follower(&mut self, follower: &Follower) {
        follower.end();
        self.leave(follower.id);
    }

    pub fn status(&self, is_active: bool) -> StreamStatus {
        let follower = |follower: &Arc<Follower>| {
            let acked = follower.acked.load(Ordering::Relaxed);
            FollowerStatus {
                address: follower.announced.address.clone().unwrap_or_else(|| follower.address.clone()),
                port: follower.announced.port,
                phase: follower.phase(),
                acked,
                lag_bytes: self.end.saturating_sub(acked),
                silent_seconds: follower.heard.lock().elapsed().as_secs(),
            }
        };
        StreamStatus {
            is_active,
            replid: self.replid.clone(),
            offset: self.end,
            first: self.first,
            kept_bytes: self.kept(),
            followers: self.followers.iter().map(follower).collect(),
        }
    }
}
