//! Long reads: those that visit many rows, or many bytes. They run on the pool, few at a time on the whole node, and what
//! they have built counts against a bound until their clients have taken it.
//!
//! **Bound.** A long read begins while less than `HELD_BYTES_MAX` of others' replies wait for their clients, and no more
//! than `at_a_time` of them run. So clients together hold `HELD_BYTES_MAX`, and the replies of those that run, however many ask.
//! Of reads that look at more than `LARGE_READ_BYTES` one goes on at a time, until its reply is taken, too.
//! A client that takes its reply very slowly is closed when another one waits because of it. One that waits too long
//! itself gets an error.

use crate::{
    limits::{LONG_READ_WAIT_MAX, LONG_REPLIES_BYTES_MAX as HELD_BYTES_MAX},
    resp::ErrorReply,
    session::{Client, Stats},
    store::{LargeReads, ReadWatch},
};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// While others wait, a client's pace is measured over this time.
const PATIENCE: Duration = Duration::from_secs(1);
/// From one look at it to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// A slower one is closed then, bytes a second,
const PACE_MIN: u64 = 64 * 1024;
/// and one that would take longer, seconds, for all of its reply.
const TAKEN_WITHIN: u64 = 60;

/// See the module; one for all network threads.
pub(super) struct LongReads {
    running: Arc<Semaphore>,
    stats: Arc<Stats>,
    held: Mutex<Held>,
    released: Notify,
    /// A large one goes on.
    large: Mutex<bool>,
    large_done: Condvar,
}

#[derive(Default)]
struct Held {
    bytes: u64,
    next: u64,
    by: BTreeMap<u64, Holder>,
}

struct Holder {
    client: Arc<Client>,
    bytes: u64,
    /// What was unsent at the start of the measurement.
    mark: Option<(Instant, u64)>,
}

impl Holder {
    /// Goes on measuring; whether the client turned out to be slow.
    fn is_slow(&mut self, now: Instant) -> bool {
        let unsent = self.client.memory.unsent.load(Ordering::Relaxed);
        let Some((since, before)) = self.mark.filter(|_| unsent > 0) else {
            self.mark = (unsent > 0).then_some((now, unsent));
            return false;
        };
        let passed = now.saturating_duration_since(since);
        if passed < PATIENCE {
            return false;
        }
        self.mark = Some((now, unsent));
        let passed_ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let pace = PACE_MIN.max(self.bytes / TAKEN_WITHIN);
        before.saturating_sub(unsent).saturating_mul(1000) < pace.saturating_mul(passed_ms)
    }
}

/// The right to run one.
pub(super) struct Turn {
    of: Arc<LongReads>,
    _permit: OwnedSemaphorePermit,
}

/// A reply that its client has not yet taken.
pub(super) struct Hold {
    of: Arc<LongReads>,
    key: u64,
    /// The room that it may have as a large one is free when this is dropped.
    _read: Arc<ReadWatch>,
}

impl LongReads {
    pub(super) fn new(at_a_time: usize, stats: Arc<Stats>) -> Arc<Self> {
        let running = Arc::new(Semaphore::new(at_a_time.max(1)));
        Arc::new(LongReads {
            running,
            stats,
            held: Mutex::default(),
            released: Notify::new(),
            large: Mutex::default(),
            large_done: Condvar::new(),
        })
    }

    /// Waits for a turn, in order of arrival.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<Turn, ErrorReply> {
        let too_many =
            || ErrorReply::try_again("too many large replies wait for their clients; nothing was read");
        tokio::time::timeout(LONG_READ_WAIT_MAX, self.turn()).await.unwrap_or_else(|_late| Err(too_many()))
    }

    async fn turn(self: &Arc<Self>) -> Result<Turn, ErrorReply> {
        let permit = Arc::clone(&self.running).acquire_owned().await;
        let permit = permit.map_err(|_closed| ErrorReply::err("internal error"))?;
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Registers before the look, so that a release in between is not missed.
            released.as_mut().enable();
            if self.held.lock().bytes < HELD_BYTES_MAX {
                return Ok(Turn { of: Arc::clone(self), _permit: permit });
            }
            if tokio::time::timeout(LOOK_INTERVAL, released).await.is_err() {
                self.close_the_slow(Instant::now());
            }
        }
    }

    fn close_the_slow(&self, now: Instant) {
        for holder in self.held.lock().by.values_mut() {
            if !holder.is_slow(now) || holder.client.is_killed() {
                continue;
            }
            Stats::add(&self.stats.output_limit_disconnections, 1);
            tracing::warn!(
                client = holder.client.id,
                reply_bytes = holder.bytes,
                "a client reads a large reply too slowly while others wait for theirs; closing it"
            );
            holder.client.kill();
        }
    }
}

impl LargeReads for LongReads {
    fn begin(&self, goes_on: &dyn Fn() -> bool) -> bool {
        let began = Instant::now();
        let mut is_taken = self.large.lock();
        while *is_taken {
            if !goes_on() || began.elapsed() > LONG_READ_WAIT_MAX {
                return false;
            }
            if self.large_done.wait_for(&mut is_taken, LOOK_INTERVAL).timed_out() {
                self.close_the_slow(Instant::now());
            }
        }
        *is_taken = true;
        true
    }

    fn end(&self) {
        *self.large.lock() = false;
        self.large_done.notify_one();
    }
}

impl Turn {
    /// The read is done: its reply is the client's to take.
    pub(super) fn hold(self, client: &Arc<Client>, read: Arc<ReadWatch>) -> Hold {
        let bytes = read.bytes();
        let mut held = self.of.held.lock();
        let key = held.next;
        held.next = held.next.wrapping_add(1);
        held.bytes = held.bytes.saturating_add(bytes);
        held.by.insert(key, Holder { client: Arc::clone(client), bytes, mark: None });
        drop(held);
        Hold { of: Arc::clone(&self.of), key, _read: read }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.of.held.lock();
        if let Some(holder) = held.by.remove(&self.key) {
            held.bytes = held.bytes.saturating_sub(holder.bytes);
        }
        drop(held);
        self.of.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::net::SocketAddr;

    fn client(id: u64) -> Arc<Client> {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        Arc::new(Client::new(id, address, address, -1, 0))
    }

    fn read_of(bytes: u64) -> Arc<ReadWatch> {
        let read = ReadWatch::short();
        // A long one is told that it is long.
        drop(read.count(bytes as usize));
        Arc::new(read)
    }

    #[tokio::test]
    async fn few_run_at_a_time_and_held_replies_have_a_bound() {
        let reads = LongReads::new(2, Arc::new(Stats::new(0)));
        let (first, second) = (reads.begin().await.unwrap(), reads.begin().await.unwrap());
        assert!(reads.begin().now_or_never().is_none(), "a third would be one too many");
        let small = first.hold(&client(1), read_of(HELD_BYTES_MAX - 100));
        let third = reads.begin().now_or_never().expect("its turn").unwrap();
        drop(third);
        let large = second.hold(&client(2), read_of(100));
        let mut waiting = Box::pin(reads.begin());
        assert!((&mut waiting).now_or_never().is_none(), "replies wait for their clients");
        drop(large);
        assert!(waiting.await.is_ok());
        drop(small);
        assert_eq!(reads.held.lock().bytes, 0);
    }

    #[test]
    fn one_large_read_goes_on_at_a_time_and_the_others_end_when_nobody_waits() {
        let reads = LongReads::new(2, Arc::new(Stats::new(0)));
        assert!(LargeReads::begin(&*reads, &|| true));
        let looks = std::sync::atomic::AtomicUsize::new(0);
        assert!(!LargeReads::begin(&*reads, &|| looks.fetch_add(1, Ordering::Relaxed) < 1), "there is one");
        reads.end();
        assert!(LargeReads::begin(&*reads, &|| true));
    }

    #[tokio::test]
    async fn those_who_take_little_are_closed_and_only_they() {
        let reads = LongReads::new(3, Arc::new(Stats::new(0)));
        let clients = [client(1), client(2), client(3)];
        let mut holds = Vec::new();
        for client in &clients {
            client.memory.unsent.store(10 * PACE_MIN, Ordering::Relaxed);
            holds.push(reads.begin().await.unwrap().hold(client, read_of(1)));
        }
        let [slow, quick, done] = &clients;
        let began = Instant::now();
        reads.close_the_slow(began);
        slow.memory.unsent.fetch_sub(PACE_MIN / 2, Ordering::Relaxed);
        quick.memory.unsent.fetch_sub(2 * PACE_MIN, Ordering::Relaxed);
        done.memory.unsent.store(0, Ordering::Relaxed);
        reads.close_the_slow(began + PATIENCE / 2);
        assert!(clients.iter().all(|client| !client.is_killed()), "too early to tell");
        reads.close_the_slow(began + PATIENCE);
        assert!(slow.is_killed() && !quick.is_killed() && !done.is_killed());
        reads.close_the_slow(began + 2 * PATIENCE);
        assert!(quick.is_killed(), "it has stopped");
    }
}
