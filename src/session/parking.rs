//! Sessions that wait for keys (BLPOP, XREAD BLOCK, …): parked outside the log, woken when apply has written one of their
//! keys.
//!
//! Per key there is a queue in order of arrival. All readers are woken. Of the takers, the first that is not already trying
//! is woken; it tries through the log like any other write, and a session that leaves the queue wakes the next. So sessions
//! that wait on one node are served in turn, and an element is given to exactly one session of all nodes: the log decides.
//! Waiting costs no log entry.
//!
//! **A head start.** When this node has queued a write that may add to a key, the first taker of the key is told before the write
//! is even in the log (`expect`): its attempt is queued right behind that write, so both share an entry and a sync. It is an
//! attempt like any other, and the log decides; if it comes to nothing, the session goes on waiting.
//!
//! **No wake-up is lost**: a session registers, then looks at the data; a batch publishes its data, then looks for
//! registered sessions.

use crate::limits::PARKING_KEYS_AT_A_TIME;
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
    /// By client: for CLIENT UNBLOCK.
    by_client: Mutex<BTreeMap<u64, Arc<Waiter>>>,
}

/// Why a parked session continues without its key, by CLIENT UNBLOCK.
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
    /// It takes the element that it waits for.
    takes: bool,
    /// The sessions before it have found nothing for themselves.
    has_turn: AtomicBool,
    /// A write that may be for it is in the queue.
    expects: AtomicBool,
    unblocked: AtomicU8,
    bell: Notify,
}

/// A parked session's position in the queues; dropping it leaves them.
#[derive(Debug)]
pub struct Parked {
    parking: Arc<Parking>,
    waiter: Arc<Waiter>,
    keys: Vec<Key>,
}

/// Memory for one key: its name here and in the map of queues, the entry there, and the queue.
const KEY_BYTES: usize = 2 * size_of::<Key>() + size_of::<VecDeque<Arc<Waiter>>>() + 4 * size_of::<usize>();

impl Parking {
    /// Whether no session is parked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of parked sessions.
    pub fn len(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }

    /// The number of keys with waiting sessions.
    pub fn keys(&self) -> usize {
        self.queues.lock().len()
    }

    /// Joins the queues of these keys at the end. `takes`: the session takes the element that it waits for.
    pub fn park(self: &Arc<Self>, client: u64, takes: bool, db: u32, keys: &[Vec<u8>]) -> Parked {
        self.sessions.fetch_add(1, Ordering::SeqCst);
        let waiter = Arc::new(Waiter {
            client,
            takes,
            has_turn: AtomicBool::new(false),
            expects: AtomicBool::new(false),
            unblocked: AtomicU8::new(0),
            bell: Notify::new(),
        });
        let mut keys: Vec<Key> = keys.iter().map(|key| (db, key.clone())).collect();
        keys.sort_unstable();
        keys.dedup();
        for keys in keys.chunks(PARKING_KEYS_AT_A_TIME) {
            let mut queues = self.queues.lock();
            for key in keys {
                queues.entry(key.clone()).or_default().push_back(Arc::clone(&waiter));
            }
        }
        self.by_client.lock().insert(client, Arc::clone(&waiter));
        Parked { parking: Arc::clone(self), waiter, keys }
    }

    /// The key was written or deleted.
    pub fn ready(&self, db: u32, key: &[u8]) {
        if let Some(queue) = self.queues.lock().get(&(db, key.to_vec())) {
            wake(queue);
        }
    }

    /// Whether a session waits to take from the key.
    pub fn is_awaited(&self, db: u32, key: &[u8]) -> bool {
        !self.is_empty()
            && self.queues.lock().get(&(db, key.to_vec())).is_some_and(|queue| first_taker(queue).is_some())
    }

    /// A write that may add to the key is in the queue to the log: what the first taker queues now comes behind it.
    pub fn expect(&self, db: u32, key: &[u8]) {
        if let Some(first) = self.queues.lock().get(&(db, key.to_vec())).and_then(first_taker) {
            first.expects.store(true, Ordering::SeqCst);
            first.bell.notify_one();
        }
    }

    /// Any key may have been written.
    pub fn all_ready(&self) {
        self.queues.lock().values().for_each(wake);
    }

    /// CLIENT UNBLOCK: whether that client was parked.
    pub fn unblock(&self, client: u64, how: Unblocked) -> bool {
        let Some(waiter) = self.by_client.lock().get(&client).map(Arc::clone) else { return false };
        let how = if how == Unblocked::Timeout { 1 } else { 2 };
        waiter.unblocked.store(how, Ordering::SeqCst);
        waiter.bell.notify_one();
        true
    }
}

/// Wakes all readers, and the first taker. A taker that is trying will try again: its attempt may have come before this
/// write.
fn wake(queue: &VecDeque<Arc<Waiter>>) {
    queue.iter().filter(|waiter| !waiter.takes).for_each(|waiter| waiter.bell.notify_one());
    if let Some(first) = first_taker(queue) {
        first.bell.notify_one();
    }
}

fn first_taker(queue: &VecDeque<Arc<Waiter>>) -> Option<&Arc<Waiter>> {
    queue.iter().find(|waiter| waiter.takes)
}

impl Parked {
    /// Memory that it takes while it is parked.
    pub fn memory_bytes(&self) -> u64 {
        let names: usize = self.keys.iter().map(|(_, key)| key.capacity().saturating_mul(2)).sum();
        names.saturating_add(self.keys.len().saturating_mul(KEY_BYTES)) as u64
    }

    /// Waits until a key may be ready, or CLIENT UNBLOCK ends the wait.
    pub async fn wait(&self) -> Option<Unblocked> {
        self.waiter.bell.notified().await;
        match self.waiter.unblocked.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(Unblocked::Timeout),
            _ => Some(Unblocked::Error),
        }
    }

    /// Whether a write that may be for this session is on its way. Asked once, it forgets.
    pub fn takes_head_start(&self) -> bool {
        self.waiter.expects.swap(false, Ordering::SeqCst)
    }

    /// The session found nothing for itself: the next one in each queue may want it.
    pub fn pass_on(&self) {
        for keys in self.keys.chunks(PARKING_KEYS_AT_A_TIME) {
            let queues = self.parking.queues.lock();
            for queue in keys.iter().filter_map(|key| queues.get(key)) {
                let behind = queue.iter().skip_while(|waiter| !Arc::ptr_eq(waiter, &self.waiter)).skip(1);
                if let Some(next) = behind.into_iter().find(|waiter| waiter.takes) {
                    next.has_turn.store(true, Ordering::SeqCst);
                    next.bell.notify_one();
                }
            }
        }
    }

    /// Whether it is this session's turn: it is the first taker in the queue of one of its keys, or those before it have
    /// passed their turn on.
    pub fn is_next(&self) -> bool {
        if self.waiter.has_turn.swap(false, Ordering::SeqCst) {
            return true;
        }
        let is_first = |queue: &VecDeque<Arc<Waiter>>| {
            first_taker(queue).is_some_and(|first| Arc::ptr_eq(first, &self.waiter))
        };
        !self.waiter.takes
            || self.keys.chunks(PARKING_KEYS_AT_A_TIME).any(|keys| {
                let queues = self.parking.queues.lock();
                keys.iter().any(|key| queues.get(key).is_some_and(is_first))
            })
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.parking.by_client.lock().remove(&self.waiter.client);
        for keys in self.keys.chunks(PARKING_KEYS_AT_A_TIME) {
            let mut queues = self.parking.queues.lock();
            for key in keys {
                let Some(queue) = queues.get_mut(key) else { continue };
                queue.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
                match queue.is_empty() {
                    true => drop(queues.remove(key)),
                    // There may be more than this one took.
                    false => wake(queue),
                }
            }
        }
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
    async fn the_first_taker_alone_has_a_head_start_and_has_it_once() {
        let parking = Arc::new(Parking::default());
        let reader = parking.park(1, false, 0, &[b"k".to_vec()]);
        assert!(!parking.is_awaited(0, b"k"), "readers wait for the write itself");
        let (first, second) =
            (parking.park(2, true, 0, &[b"k".to_vec()]), parking.park(3, true, 0, &[b"k".to_vec()]));
        assert!(parking.is_awaited(0, b"k") && !parking.is_awaited(1, b"k") && !parking.is_awaited(0, b"l"));
        parking.expect(0, b"k");
        assert!(is_woken(&first).await && !is_woken(&second).await && !is_woken(&reader).await);
        assert!(first.takes_head_start() && !first.takes_head_start() && !second.takes_head_start());
    }

    #[tokio::test]
    async fn a_client_can_be_unblocked() {
        let parking = Arc::new(Parking::default());
        let parked = parking.park(7, true, 0, &[b"k".to_vec()]);
        assert!(!parking.unblock(8, Unblocked::Error));
        assert!(parking.unblock(7, Unblocked::Error));
        assert_eq!(parked.wait().await, Some(Unblocked::Error));
        drop(parked);
        assert!(!parking.unblock(7, Unblocked::Error), "it waits no more");
    }
}
