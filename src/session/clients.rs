//! The registry of connected clients: CLIENT LIST, CLIENT KILL, CLIENT PAUSE, maxclients.

use super::{
    ClientAddress, ClientFilter, ClientMemory, Subscriber, TrackingState, client_memory::ClientMemoryTotal,
};
use crate::{acl::User, limits::USER_NAME};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// The part of a connection that other sessions may see and change.
#[derive(Debug)]
pub struct Client {
    pub id: u64,
    pub peer: ClientAddress,
    pub local: ClientAddress,
    /// It speaks TLS.
    pub has_tls: bool,
    /// Socket number, as CLIENT LIST's `fd`.
    pub fd: i32,
    /// Monotonic, as all times here.
    pub created_ms: u64,
    pub text: Mutex<ClientText>,
    /// `None` until it has authenticated.
    user: Mutex<Option<Arc<User>>>,
    /// When it last sent something or took something, ms.
    pub active_ms: AtomicU64,
    pub db: AtomicU32,
    /// Commands queued in MULTI, or `u32::MAX` outside of it.
    pub queued: AtomicU32,
    /// Number of the last command's row (`Resolved::index`), or `usize::MAX` before the first.
    pub last_command: AtomicUsize,
    pub watched: AtomicU32,
    /// Channels, patterns, shard channels.
    pub subscribed: AtomicU32,
    pub psubscribed: AtomicU32,
    pub ssubscribed: AtomicU32,
    pub resp: AtomicU32,
    /// What it pins.
    pub memory: ClientMemory,
    /// The number of its waits: for keys (BLPOP …), other nodes (WAIT), the end of a pause.
    waits: AtomicU32,
    /// Its socket accepts no more bytes at the moment.
    pub waits_to_write: AtomicBool,
    pub no_evict: AtomicBool,
    pub no_touch: AtomicBool,
    /// `None`: it tracks no keys.
    pub tracking: Mutex<Option<TrackingState>>,
    /// Messages for it, since it may get some.
    pub(super) inbox: OnceLock<Arc<Subscriber>>,
    /// Rings when there is a message.
    pub(super) bell: Notify,
    /// It follows -REDIRECT (CLIENT CAPA redirect).
    pub(super) follows_redirects: AtomicBool,
    /// Bytes read from it and written to it, and its calls, since it connected.
    pub net_in: AtomicU64,
    pub net_out: AtomicU64,
    pub calls: AtomicU64,
    /// It is shown the calls of this node (MONITOR).
    pub monitors: AtomicBool,
    /// It follows by PSYNC.
    pub follows: AtomicBool,
    /// Since when a password is required and was not given, ms; 0 = it is not, or was.
    unauthenticated_since_ms: AtomicU64,
    /// A command of it is being run, or waits: it is not the client that is silent.
    pub busy: AtomicBool,
    killed: AtomicBool,
    wake: Notify,
}

/// The parts that are text.
#[derive(Debug, Clone, Default)]
pub struct ClientText {
    pub name: String,
    pub lib_name: String,
    pub lib_ver: String,
}

impl Client {
    pub fn new(
        id: u64,
        peer: impl Into<ClientAddress>,
        local: impl Into<ClientAddress>,
        fd: i32,
        now: u64,
    ) -> Self {
        Client {
            id,
            peer: peer.into(),
            local: local.into(),
            has_tls: false,
            fd,
            created_ms: now,
            text: Mutex::default(),
            user: Mutex::default(),
            active_ms: AtomicU64::new(now),
            db: AtomicU32::new(0),
            queued: AtomicU32::new(u32::MAX),
            last_command: AtomicUsize::new(usize::MAX),
            watched: AtomicU32::new(0),
            subscribed: AtomicU32::new(0),
            psubscribed: AtomicU32::new(0),
            ssubscribed: AtomicU32::new(0),
            resp: AtomicU32::new(2),
            memory: ClientMemory::default(),
            waits: AtomicU32::new(0),
            waits_to_write: AtomicBool::new(false),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            tracking: Mutex::default(),
            inbox: OnceLock::new(),
            bell: Notify::new(),
            follows_redirects: AtomicBool::new(false),
            net_in: AtomicU64::new(0),
            net_out: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            monitors: AtomicBool::new(false),
            follows: AtomicBool::new(false),
            unauthenticated_since_ms: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// As this, with its memory counted among that of these clients.
    pub fn counted_in(self, clients: &Clients) -> Self {
        Client { memory: ClientMemory::counted_in(&clients.memory), ..self }
    }

    /// The client is blocked until the returned guard is dropped.
    pub fn block(self: &Arc<Self>) -> Blocked {
        self.waits.fetch_add(1, Ordering::Relaxed);
        Blocked(Arc::clone(self))
    }

    /// Whether it waits for something.
    pub fn is_blocked(&self) -> bool {
        self.waits.load(Ordering::Relaxed) > 0
    }

    /// Asks the connection's task to close.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether `kill` was called.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Resolves when `kill` is called.
    pub async fn wait_killed(&self) {
        while !self.is_killed() {
            self.wake.notified().await;
        }
    }

    /// Whom it has authenticated as.
    pub fn user(&self) -> Option<Arc<User>> {
        self.user.lock().clone()
    }

    pub fn set_user(&self, user: Option<Arc<User>>) {
        *self.user.lock() = user;
    }

    /// The user's name, as CLIENT LIST shows it: `default` before it has authenticated.
    pub fn user_name(&self) -> String {
        self.user.lock().as_ref().map_or(USER_NAME, |user| user.name()).to_owned()
    }

    /// From now on it has to authenticate, or need not.
    pub fn set_authenticated(&self, authenticated: bool, now: u64) {
        let since = if authenticated { 0 } else { now.max(1) };
        self.unauthenticated_since_ms.store(since, Ordering::Relaxed);
    }

    /// For how long the client has had yet to authenticate, ms.
    pub fn unauthenticated_for_ms(&self, now: u64) -> Option<u64> {
        let since = self.unauthenticated_since_ms.load(Ordering::Relaxed);
        (since > 0).then(|| now.saturating_sub(since))
    }

    pub fn set_db(&self, db: u32) {
        self.db.store(db, Ordering::Relaxed);
    }

    /// RESET: name and flags go, identity and library stay.
    pub fn reset(&self) {
        self.text.lock().name.clear();
        self.set_db(0);
        self.queued.store(u32::MAX, Ordering::Relaxed);
        for count in [&self.watched, &self.subscribed, &self.psubscribed, &self.ssubscribed] {
            count.store(0, Ordering::Relaxed);
        }
        let memory = &self.memory;
        for part in [&memory.multi, &memory.watches, &memory.subscriptions] {
            part.store(0, Ordering::Relaxed);
        }
        self.resp.store(2, Ordering::Relaxed);
        self.no_evict.store(false, Ordering::Relaxed);
        self.no_touch.store(false, Ordering::Relaxed);
        self.monitors.store(false, Ordering::Relaxed);
        self.follows_redirects.store(false, Ordering::Relaxed);
    }
}

/// A client that waits for something.
#[derive(Debug)]
pub struct Blocked(Arc<Client>);

impl Drop for Blocked {
    fn drop(&mut self) {
        self.0.waits.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The commands that CLIENT PAUSE holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseMode {
    Write,
    All,
}

/// A pause in force.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    pub mode: PauseMode,
    pub until_ms: u64,
}

/// All connected clients.
#[derive(Debug, Default)]
pub struct Clients {
    next_id: AtomicU64,
    by_id: Mutex<BTreeMap<u64, Arc<Client>>>,
    /// What all of them pin.
    pub memory: Arc<ClientMemoryTotal>,
    pause: RwLock<Option<Pause>>,
    paused: AtomicBool,
    pub unpaused: Notify,
}

impl Clients {
    /// The next client id; never reused within the process.
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Registers a client unless `max` are connected already.
    pub fn insert(&self, client: Arc<Client>, max: usize) -> bool {
        let mut by_id = self.by_id.lock();
        if by_id.len() >= max {
            return false;
        }
        by_id.insert(client.id, client);
        true
    }

    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.by_id.lock().get(&id).cloned()
    }

    pub fn remove(&self, id: u64) {
        self.by_id.lock().remove(&id);
    }

    pub fn len(&self) -> usize {
        self.by_id.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.by_id.lock().values().cloned().collect()
    }

    /// The number of blocked clients.
    pub fn blocked(&self) -> usize {
        self.by_id.lock().values().filter(|client| client.is_blocked()).count()
    }

    /// Closes the largest clients (as maxmemory-clients demands) until the others pin no more than they may. Returns those
    /// closed, with what they pinned. Clients that are on their way out already no longer count.
    pub fn evict(&self) -> Vec<(Arc<Client>, u64)> {
        let bytes_max = self.memory.bytes_max();
        let staying: Vec<(u64, Arc<Client>)> = {
            let by_id = self.by_id.lock();
            let staying = by_id.values().filter(|client| !client.is_killed());
            staying.map(|client| (client.memory.sum(), Arc::clone(client))).collect()
        };
        let mut bytes = staying.iter().map(|(bytes, _)| *bytes).fold(0, u64::saturating_add);
        if bytes <= bytes_max {
            return Vec::new();
        }
        let may_go = |client: &Client| !client.no_evict.load(Ordering::Relaxed);
        let mut candidates: Vec<_> = staying.into_iter().filter(|(_, client)| may_go(client)).collect();
        candidates.sort_by_key(|(bytes, _)| *bytes);
        let mut evicted = Vec::new();
        while bytes > bytes_max
            && let Some((own, client)) = candidates.pop()
        {
            client.kill();
            bytes = bytes.saturating_sub(own);
            evicted.push((client, own));
        }
        evicted
    }

    /// Matching clients by ascending id. The lock is held for a step per client, however many ids the filter has.
    pub fn select(&self, filter: &ClientFilter, now: u64) -> Vec<Arc<Client>> {
        let by_id = self.by_id.lock();
        let matching = |client: &&Arc<Client>| filter.matches(client, now);
        match &filter.ids {
            Some(ids) if ids.len() < by_id.len() => {
                ids.iter().filter_map(|id| by_id.get(id)).filter(matching).cloned().collect()
            }
            _ => by_id.values().filter(matching).cloned().collect(),
        }
    }

    /// CLIENT PAUSE: a second pause may lengthen and strengthen the first, never weaken it.
    pub fn pause(&self, mode: PauseMode, until_ms: u64) {
        let mut pause = self.pause.write();
        let new = match *pause {
            Some(old) => Pause { mode: old.mode.max(mode), until_ms: old.until_ms.max(until_ms) },
            None => Pause { mode, until_ms },
        };
        *pause = Some(new);
        self.paused.store(true, Ordering::Release);
    }

    /// CLIENT UNPAUSE.
    pub fn unpause(&self) {
        *self.pause.write() = None;
        self.paused.store(false, Ordering::Release);
        self.unpaused.notify_waiters();
    }

    /// The pause in force at `now`; one atomic load when there is none.
    pub fn paused(&self, now: u64) -> Option<Pause> {
        if !self.paused.load(Ordering::Acquire) {
            return None;
        }
        let pause = (*self.pause.read())?;
        if pause.until_ms > now {
            return Some(pause);
        }
        self.unpause();
        None
    }
}
