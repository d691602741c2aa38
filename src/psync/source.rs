//! The observer's side, which apply calls, and the thread that makes the stream.
//!
//! Apply hands over the changes of a batch and then the view after it, by the number of its publication. The thread takes what has
//! gathered with the view that belongs to it, under one lock, so the two always agree. While it is busy changes gather, and
//! what is written again and again is sent once: its work is bounded by its own pace, not by that of the writers.

use super::{
    Begun, Libraries, PsyncOptions, PsyncRequest,
    full_copy::{self, FullCopy},
    pending::Pending,
    producer::Unit,
    stream::{Follower, Gone, Stream, StreamStatus},
    totals::{PsyncTotals, count},
    values::{Sink, Stopped, command},
};
use crate::{
    resp::ErrorReply,
    store::{ChangeEvent, Published, Store},
};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// Followers notice by it that the link is up.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Batches that were begun before changes were asked for are over by then, as a rule. If not, followers begin anew.
const BEGIN_PAUSE: Duration = Duration::from_millis(20);

/// Who waits for a copy.
type Wanted = (Arc<Follower>, oneshot::Sender<FullCopy>);

/// What apply has told.
#[derive(Default)]
struct Changes {
    /// Of the batch that will be told of next.
    arriving: Vec<ChangeEvent>,
    pending: Pending,
    /// The state after all of `pending`; `None`: nothing is taken from apply yet.
    view: Option<Arc<Published>>,
    /// Why what was told is of no use.
    lost: Option<&'static str>,
    wanted: Vec<Wanted>,
    has_thread: bool,
    stops: bool,
}

/// See the module.
pub struct Psync {
    pub(super) options: PsyncOptions,
    /// Which has the observer, which has this.
    store: Weak<Store>,
    libraries: Libraries,
    new_replid: fn() -> String,
    is_active: AtomicBool,
    changes: Mutex<Changes>,
    work: Condvar,
    pub(super) stream: Mutex<Stream>,
    /// The end of the stream, for connections that wait for more.
    pub(super) grown: watch::Sender<u64>,
    /// A follower has taken something, or has left.
    pub(super) taken: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
    pub(super) copies: Arc<full_copy::Turn>,
    pub totals: PsyncTotals,
}

impl Psync {
    pub fn new(
        store: &Arc<Store>,
        options: PsyncOptions,
        libraries: Libraries,
        new_replid: fn() -> String,
    ) -> Self {
        Psync {
            options,
            store: Arc::downgrade(store),
            libraries,
            new_replid,
            is_active: AtomicBool::new(false),
            changes: Mutex::default(),
            work: Condvar::new(),
            stream: Mutex::default(),
            grown: watch::Sender::new(0),
            taken: Condvar::new(),
            thread: Mutex::default(),
            copies: Arc::default(),
            totals: PsyncTotals::default(),
        }
    }

    /// Whether changes are to be told.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.is_active.load(Ordering::Acquire)
    }

    /// Changes of a batch, which `told` will number.
    pub fn changed(&self, changes: &[ChangeEvent]) {
        if self.is_active() {
            self.changes.lock().arriving.extend_from_slice(changes);
        }
    }

    /// The batch was published under this number; `recorded`: `changed` has got all that it changed.
    pub fn told(&self, number: u64, recorded: bool) {
        if !self.is_active() {
            return;
        }
        let mut changes = self.changes.lock();
        let arrived = std::mem::take(&mut changes.arriving);
        let Some(view) = &changes.view else { return };
        // It is in the view already.
        if number <= view.number() {
            return;
        }
        // The store itself calls.
        let Some(published) = self.store.upgrade().map(|store| store.published()) else { return };
        if !recorded || published.number() != number {
            changes.lost = Some("a batch was not recorded");
        } else if changes.lost.is_none() {
            if !changes.pending.take(arrived) {
                changes.lost = Some("more has changed than is kept");
                changes.pending = Pending::default();
            }
            changes.view = Some(published);
        }
        drop(changes);
        self.work.notify_one();
    }

    /// Another state has taken the place of the data.
    pub fn data_were_replaced(&self) {
        if self.is_active() {
            let mut changes = self.changes.lock();
            changes.lost = Some("a snapshot has replaced the data");
            (changes.arriving, changes.pending) = (Vec::new(), Pending::default());
            drop(changes);
            self.work.notify_one();
        }
    }

    /// A follower asks to be fed.
    pub fn join(
        self: &Arc<Self>,
        address: String,
        wanted: PsyncRequest,
    ) -> Result<(Arc<Follower>, Begun), ErrorReply> {
        self.start().map_err(|error| ErrorReply::err(format!("cannot start a thread: {error}")))?;
        let mut stream = self.stream.lock();
        if stream.followers.len() >= self.options.followers_max {
            let max = self.options.followers_max;
            return Err(ErrorReply::err(format!(
                "psync-replicas-max is {max}, and that many follow already"
            )));
        }
        let PsyncRequest { go_on, announced } = wanted;
        let place = go_on.as_ref().and_then(|(replid, offset)| stream.can_go_on(replid, *offset));
        let follower = stream.join(address, announced);
        if let Some(at) = place {
            stream.place(&follower, at);
            count(&self.totals.partial, 1);
            return Ok((follower, Begun::GoesOn { replid: stream.replid.clone() }));
        }
        drop(stream);
        if go_on.is_some() {
            count(&self.totals.partial_refused, 1);
        }
        count(&self.totals.full_copies, 1);
        let (to, copy) = oneshot::channel();
        self.changes.lock().wanted.push((Arc::clone(&follower), to));
        self.work.notify_one();
        Ok((follower, Begun::Copy(copy)))
    }

    /// The next bytes for a follower; `None`: there are none yet.
    pub fn next(&self, follower: &Follower) -> Result<Option<Bytes>, Gone> {
        let next = self.stream.lock().next(follower);
        self.taken.notify_one();
        next
    }

    /// A follower's connection has ended.
    pub fn leave(&self, follower: &Follower) {
        self.stream.lock().leave(follower.id);
        self.taken.notify_one();
        self.work.notify_one();
    }

    /// To wait for more of the stream.
    pub fn growth(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    pub fn status(&self) -> StreamStatus {
        self.stream.lock().status(self.is_active())
    }

    fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let mut changes = self.changes.lock();
        if !changes.has_thread && !changes.stops {
            let psync = Arc::clone(self);
            let started = thread::Builder::new().name("psync".into()).spawn(move || {
                let _watch = Watch(Arc::clone(&psync));
                psync.run();
            })?;
            *self.thread.lock() = Some(started);
            changes.has_thread = true;
        }
        Ok(())
    }

    /// Ends its threads, as the node stops; false: they have not ended in time.
    pub fn end(&self, within: Duration) -> bool {
        self.changes.lock().stops = true;
        self.copies.end();
        self.work.notify_one();
        self.taken.notify_one();
        let until = Instant::now() + within;
        let is_over =
            || self.thread.lock().as_ref().is_none_or(JoinHandle::is_finished) && self.copies.is_free();
        while !is_over() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        // What keeps the files open.
        *self.changes.lock() = Changes { stops: true, has_thread: true, ..Changes::default() };
        is_over()
    }
}

/// If the thread ends by a panic, no follower stays connected to a stream that nobody writes; the next one starts another.
struct Watch(Arc<Psync>);

impl Drop for Watch {
    fn drop(&mut self) {
        if thread::panicking() {
            let psync = &self.0;
            let remedy = "none is needed here, they get all data again; report the panic";
            tracing::error!(remedy, "the stream for servers that follow by PSYNC ended by a panic");
            count(&psync.totals.restarts, 1);
            let mut changes = psync.changes.lock();
            psync.is_active.store(false, Ordering::Release);
            *changes = Changes { stops: changes.stops, ..Changes::default() };
            psync.stream.lock().begin(String::new());
        }
    }
}

/// What the thread is to do next.
enum Work {
    Begin(Option<&'static str>),
    Unit { pending: Pending, view: Arc<Published>, wanted: Vec<Wanted> },
    Ping,
    Rest,
    End,
}

impl Psync {
    fn run(&self) {
        let (mut pinged, mut alone_since) = (Instant::now(), None);
        loop {
            let is_alone = self.stream.lock().followers.is_empty();
            let since = *alone_since.get_or_insert_with(Instant::now);
            if !is_alone {
                alone_since = None;
            }
            let rests = is_alone && self.is_active() && since.elapsed() >= self.options.backlog_ttl;
            match self.next_work(pinged, rests) {
                Work::Begin(why) => self.begin(why),
                Work::Unit { pending, view, wanted } => self.unit(pending, &view, wanted),
                Work::Ping => {
                    pinged = Instant::now();
                    let mut unit = Unit::new(self);
                    let _ = unit.put(command(&[b"PING"])).and_then(|()| unit.flush());
                }
                Work::Rest => self.rest(),
                Work::End => return,
            }
        }
    }

    fn next_work(&self, pinged: Instant, rests: bool) -> Work {
        let mut changes = self.changes.lock();
        loop {
            if changes.stops {
                return Work::End;
            }
            // Whoever asked meanwhile needs it.
            if rests && changes.wanted.is_empty() {
                return Work::Rest;
            }
            if changes.lost.is_some() || changes.view.is_none() && !changes.wanted.is_empty() {
                return Work::Begin(changes.lost);
            }
            let view = changes.view.clone();
            if let Some(view) = view {
                if !changes.pending.is_empty() || !changes.wanted.is_empty() {
                    // What a database's contents are called goes on, for what is to come.
                    let pending = changes.pending.split();
                    let wanted = std::mem::take(&mut changes.wanted);
                    return Work::Unit { pending, view, wanted };
                }
                let wait = PING_INTERVAL.saturating_sub(pinged.elapsed());
                if wait.is_zero() {
                    return Work::Ping;
                }
                self.work.wait_for(&mut changes, wait);
            } else {
                self.work.wait(&mut changes);
            }
        }
    }

    /// Begins a stream from the state as it is.
    fn begin(&self, why: Option<&'static str>) {
        if let Some(why) = why {
            count(&self.totals.restarts, 1);
            tracing::warn!(why, "servers that follow by PSYNC get all data again");
        }
        self.is_active.store(true, Ordering::Release);
        thread::sleep(BEGIN_PAUSE);
        let mut changes = self.changes.lock();
        (changes.arriving, changes.pending, changes.lost) = (Vec::new(), Pending::default(), None);
        if why.is_some() {
            // Of followers that are disconnected now.
            changes.wanted.clear();
        }
        changes.view = self.store.upgrade().map(|store| store.published());
        let mut stream = self.stream.lock();
        match why {
            Some(_) => stream.begin((self.new_replid)()),
            // Those that wait for their copy stay.
            None => stream.name((self.new_replid)()),
        }
        self.grown.send_replace(stream.end());
    }

    /// Nobody has followed for long.
    fn rest(&self) {
        let mut changes = self.changes.lock();
        let mut stream = self.stream.lock();
        if stream.followers.is_empty() && changes.wanted.is_empty() {
            self.is_active.store(false, Ordering::Release);
            *changes = Changes { has_thread: true, stops: changes.stops, ..Changes::default() };
            stream.begin(String::new());
        }
    }

    /// One unit of the stream; at its end those begin who have asked for a copy.
    fn unit(&self, pending: Pending, view: &Arc<Published>, wanted: Vec<Wanted>) {
        // The node has ended.
        let Some(store) = self.store.upgrade() else { return };
        let done = if pending.is_empty() { Ok(()) } else { self.produce(&pending, &store, view) };
        match done {
            Ok(()) => {
                let stream = self.stream.lock();
                for (follower, to) in wanted {
                    // What follows its copy is kept for it from now on.
                    stream.place(&follower, stream.end());
                    let copy = FullCopy {
                        replid: stream.replid.clone(),
                        offset: stream.end(),
                        store: Arc::clone(&store),
                        view: Arc::clone(view),
                        libraries: self.libraries,
                        turn: Arc::clone(&self.copies),
                    };
                    // A follower that has gone needs none.
                    let _ = to.send(copy);
                }
            }
            Err(Stopped::Unwanted) => {}
            Err(Stopped::TooLarge(key)) => {
                let key =
                    String::from_utf8_lossy(key.get(..key.len().min(100)).unwrap_or_default()).into_owned();
                tracing::warn!(key, "the value of a key is too large to be sent to followers by PSYNC");
                self.changes.lock().lost = Some("a value is too large");
            }
            Err(Stopped::Failed(why)) => {
                tracing::warn!(why, "a unit of the stream for followers by PSYNC was not read");
                self.changes.lock().lost = Some("the data could not be read");
            }
        }
    }
}
