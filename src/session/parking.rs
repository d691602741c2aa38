//! Sessions that wait for keys (BLPOP, XREAD BLOCK, …): parked outside the log, woken when apply has written one of their
//! keys.
//!
//! Per key there is a queue in order of arrival. Those who only read are all woken. Of those who take, the first that is
//! not already trying is woken; it tries through the log like any other write, and whoever leaves the queue wakes the next.
//! So of several that wait on one node each is served in turn, and an element is given to one, whatever the number of
//! nodes: the log decides. Waiting costs no log entry.
//!
//! **No wake-up is lost**: a session registers, then looks at the data; a batch publishes its data, then looks whether
//! anybody is registered.

use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

type Key = (u32, Vec<u8>);

/// All parked sessions of this node.
#[derive(Debug, Default)]
pub struct Parking {
    sessions: AtomicUsize,
    queues: Mutex<BTreeMap<Key, VecDeque<Arc<Waiter>>>>,
}

/// Why a parked session goes on although nothing came, by CLIENT UNBLOCK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unblocked {
    /// As if its time were up.
    Timeout,
    /// With an error.
    Error,
}

#[derive(Debug)]
struct Waiter {
    client: u64,
    /// It takes what it waits for.
    takes: bool,
    /// Whoever was before it has found nothing for itself.
    has_turn: AtomicBool,
    unblocked: AtomicU8,
    bell: Notify,
}

/// A parked session's place in the queues; dropping it leaves them.
#[derive(Debug)]
pub struct Parked {
    parking: Arc<Parking>,
    waiter: Arc<Waiter>,
    keys: Vec<Key>,
}

impl Parking {
    /// Whether nobody is parked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many sessions are parked.
    pub fn len(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }

    /// How many keys somebody waits for.
    pub fn keys(&self) -> usize {
        self.queues.lock().len()
    }

    /// Takes the last place in the queues of these keys. `takes`: the session takes what it waits for.
    pub fn park(self: &Arc<Self>, client: u64, takes: bool, db: u32, keys: &[Vec<u8>]) -> Parked {
        self.sessions.fetch_add(1, Ordering::SeqCst);
        let (has_turn, unblocked) = (AtomicBool::new(false), AtomicU8::new(0));
        let waiter = Arc::new(Waiter { client, takes, has_turn, unblocked, bell: Notify::new() });
        let mut keys: Vec<Key> = keys.iter().map(|key| (db, key.clone())).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut queues = self.queues.lock();
        for key in &keys {
            queues.entry(key.clone()).or_default().push_back(Arc::clone(&waiter));
        }
        drop(queues);
        Parked { parking: Arc::clone(self), waiter, keys }
    }

    /// The key was written, or is gone.
    pub fn ready(&self, db: u32, key: &[u8]) {
        if let Some(queue) = self.queues.lock().get(&(db, key.to_vec())) {
            wake(queue);
        }
    }

    /// Any key may have been written.
    pub fn all_ready(&self) {
        self.queues.lock().values().for_each(wake);
    }

    /// CLIENT UNBLOCK: whether that client was parked.
    pub fn unblock(&self, client: u64, how: Unblocked) -> bool {
        let queues = self.queues.lock();
        let Some(waiter) = queues.values().flatten().find(|waiter| waiter.client == client) else {
            return false;
        };
        let how = if how == Unblocked::Timeout { 1 } else { 2 };
        waiter.unblocked.store(how, Ordering::SeqCst);
        waiter.bell.notify_one();
        true
    }
}

/// Wakes all who read, and the first of those who take. One that is trying will try again: what it tried may have been
/// before this write.
fn wake(queue: &VecDeque<Arc<Waiter>>) {
    queue.iter().filter(|waiter| !waiter.takes).for_each(|waiter| waiter.bell.notify_one());
    if let Some(first) = queue.iter().find(|waiter| waiter.takes) {
        first.bell.notify_one();
    }
}

impl Parked {
    /// Waits until a key may be ready, or CLIENT UNBLOCK says to go on.
    pub async fn wait(&self) -> Option<Unblocked> {
        self.waiter.bell.notified().await;
        match self.waiter.unblocked.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(Unblocked::Timeout),
            _ => Some(Unblocked::Error),
        }
    }

    /// What was there was nothing for this session: the next one in each queue may want it.
    pub fn pass_on(&self) {
        let queues = self.parking.queues.lock();
        for queue in self.keys.iter().filter_map(|key| queues.get(key)) {
            let behind = queue.iter().skip_while(|waiter| !Arc::ptr_eq(waiter, &self.waiter)).skip(1);
            if let Some(next) = behind.into_iter().find(|waiter| waiter.takes) {
                next.has_turn.store(true, Ordering::SeqCst);
                next.bell.notify_one();
            }
        }
    }

    /// Whether it is this session's turn: of those who take it is the first in the queue of one of its keys, or those
    /// before it have passed it on.
    pub fn is_next(&self) -> bool {
        if self.waiter.has_turn.swap(false, Ordering::SeqCst) {
            return true;
        }
        let queues = self.parking.queues.lock();
        !self.waiter.takes
            || self.keys.iter().any(|key| {
                let queue = queues.get(key);
                queue
                    .and_then(|queue| queue.iter().find(|waiter| waiter.takes))
                    .is_some_and(|first| Arc::ptr_eq(first, &self.waiter))
            })
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        let mut queues = self.parking.queues.lock();
        for key in &self.keys {
            let Some(queue) = queues.get_mut(key) else { continue };
            queue.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
            match queue.is_empty() {
                true => drop(queues.remove(key)),
                // There may be more than this one took.
                false => wake(queue),
            }
        }
        drop(queues);
        self.parking.sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn is_woken(parked: &Parked) -> bool {
        tokio::time::timeout(Duration::from_millis(1), parked.wait()).await.is_ok()
    }

    #[tokio::test]
    async fn those_who_take_are_woken_in_turn_and_readers_all_at_once() {
        let parking = Arc::new(Parking::default());
        let keys = [b"k".to_vec(), b"l".to_vec(), b"k".to_vec()];
        let first = parking.park(1, true, 0, &keys);
        let second = parking.park(2, true, 0, &keys);
        let readers = [parking.park(3, false, 0, &keys), parking.park(4, false, 0, &keys)];
        assert!(first.is_next() && !second.is_next());
        parking.ready(1, b"k");
        assert!(!is_woken(&first).await, "another database");
        parking.ready(0, b"k");
        assert!(is_woken(&first).await && !is_woken(&second).await);
        for reader in &readers {
            assert!(is_woken(reader).await);
        }
        first.pass_on();
        assert!(is_woken(&second).await && !is_woken(&first).await);
        drop(first);
        assert!(is_woken(&second).await && second.is_next(), "there may be more");
        drop((second, readers));
        assert!(parking.is_empty() && parking.queues.lock().is_empty());
    }

    #[tokio::test]
    async fn a_client_can_be_unblocked() {
        let parking = Arc::new(Parking::default());
        let parked = parking.park(7, true, 0, &[b"k".to_vec()]);
        assert!(!parking.unblock(8, Unblocked::Error));
        assert!(parking.unblock(7, Unblocked::Error));
        assert_eq!(parked.wait().await, Some(Unblocked::Error));
    }
}
