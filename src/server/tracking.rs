//! Client-side caching on a network thread: registers what its clients read, and tells them of changes.
//!
//! **The order that matters** (`session/tracking`): `track` registers keys, and then `attempt` takes the published state. Messages are passed on
//! before a call and behind its reply, never in between, so one that was queued since the registration comes behind the reply, and voids
//! it. A script says what it reads only when it has: `track_script` registers that, and if another state has been published
//! meanwhile, voids it at once. Reads in the log are registered by apply, at their position (`replica/origin.rs`).

use super::{
    connection::{Close, Connection},
    thread::ThreadState,
};
use crate::{
    command::{Flags, Resolved, Run},
    limits::{RECENT_LOOKED_AT_MAX, RECENT_TOLD_BYTES_MAX},
    resp::Reply,
    session::{SessionTracking, TrackingOptions, TrackingRevision, tell_changed},
    store::{Origin, ScriptReads},
};
use std::{rc::Rc, time::Duration};
use tokio::task::yield_now;

/// Keys of a call that are registered from one pause to the next.
const KEYS_AT_A_TIME: usize = 4096;
/// Recently changed keys from one pause to the next.
const CHANGED_AT_A_TIME: usize = 1024;
/// Pause of one who waits for apply to tell what it has just published.
const TOLD_INTERVAL: Duration = Duration::from_millis(1);

impl Connection {
    /// CLIENT TRACKING ON.
    pub(super) fn start_tracking(&mut self, options: TrackingOptions) -> Reply {
        let (node, client) = (&self.thread.node, &self.session.client);
        let begin = || Box::new(SessionTracking::begin(&node.tracking, client));
        let tracking = self.session.tracking.get_or_insert_with(begin);
        let prefixes = tracking.set(options);
        self.thread.tracking.borrow_mut().begin(tracking, prefixes);
        Reply::Ok
    }

    /// Whether the client tracks what its next call reads.
    pub(super) fn tracks_reads(&self) -> bool {
        self.session.tracking.as_ref().is_some_and(|tracking| tracking.tracks_reads())
    }

    /// What the log must know of this client for a call of it.
    pub(super) fn origin_of(&self, call: Resolved) -> Option<Origin> {
        let may_read = !matches!(call.command.run, Run::Write(_));
        self.session.tracking.as_ref().and_then(|tracking| tracking.origin(may_read))
    }

    /// Registers the keys that a call is about to read. What a script reads is not known yet.
    pub(super) async fn track(&self, call: Resolved, argv: &[&[u8]]) {
        let Some(tracking) = &self.session.tracking else { return };
        if call.command.flags.has(Flags::RUNS_SCRIPT) {
            return;
        }
        let thread = &self.thread;
        // What has been applied by now is in the state that will be read: without this it would be told of as well.
        thread.invalidate_some();
        let keys_max = thread.tracked_keys_max();
        let mut keys = call.command.keys_read(argv).peekable();
        loop {
            let some = keys.by_ref().take(KEYS_AT_A_TIME);
            thread.tracking.borrow_mut().register(tracking, some, &thread.node.clients, keys_max);
            if keys.peek().is_none() {
                return;
            }
            yield_now().await;
        }
    }

    /// Registers what scripts have read.
    pub(super) fn track_script(&self, reads: Option<Box<ScriptReads>>) {
        let (Some(reads), Some(tracking)) = (reads, &self.session.tracking) else { return };
        let (thread, clients) = (&self.thread, &self.thread.node.clients);
        let keys = || reads.keys.iter().map(Vec::as_slice);
        let mut table = thread.tracking.borrow_mut();
        if reads.is_too_much {
            return table.void_all(tracking, clients);
        }
        table.register(tracking, keys(), clients, thread.tracked_keys_max());
        if !thread.node.group.store.is_latest(reads.number) {
            table.void(tracking, keys(), clients);
        }
    }

    /// A transaction began to track, and what it read was read before: the client is told to drop it.
    pub(super) fn void_untracked(&self) {
        if let Some(tracking) = self.session.tracking.as_ref().filter(|tracking| tracking.tracks_reads()) {
            self.thread.tracking.borrow_mut().void_all(tracking, &self.thread.node.clients);
        }
    }

    /// The connection's prefixes are tracked by now: tells it which of their keys have changed behind this, before its reply.
    pub(super) async fn tell_since(&mut self, since: &TrackingRevision) -> Result<(), Close> {
        let (mut after, mut looked_at, mut told_bytes) = (None, 0_usize, 0_usize);
        loop {
            let Some(tracking) = &self.session.tracking else { return Ok(()) };
            let (thread, node) = (&self.thread, &self.thread.node);
            let is_little = looked_at <= RECENT_LOOKED_AT_MAX && told_bytes <= RECENT_TOLD_BYTES_MAX;
            let page = match is_little && thread.may_tell_since(since) {
                true => node.tracking.recent.page(since.index, after, CHANGED_AT_A_TIME),
                false => None,
            };
            let Some(page) = page else {
                thread.tracking.borrow_mut().void_all(tracking, &node.clients);
                break;
            };
            let bytes = tell_changed(&node.tracking, tracking, &page.names, &node.clients);
            told_bytes = told_bytes.saturating_add(bytes);
            looked_at = looked_at.saturating_add(page.names.len());
            after = page.next;
            if after.is_none() {
                break;
            }
            yield_now().await;
        }
        self.pass_on().await
    }

    /// CLIENT CACHED: registered first, so a change that is not known here yet is told of.
    pub(super) async fn cached(&self, since: &TrackingRevision, keys: &[Vec<u8>]) -> Reply {
        let (thread, recent) = (&self.thread, &self.thread.node.tracking.recent);
        let Some(tracking) = &self.session.tracking else { return Reply::Nil };
        if !thread.may_tell_since(since) || !recent.knows(since.index) {
            return Reply::Nil;
        }
        for some in keys.chunks(KEYS_AT_A_TIME) {
            let (some, keys_max) = (some.iter().map(Vec::as_slice), thread.tracked_keys_max());
            thread.tracking.borrow_mut().register(tracking, some, &thread.node.clients, keys_max);
            yield_now().await;
        }
        let mut changed = Vec::new();
        for some in keys.chunks(CHANGED_AT_A_TIME) {
            match recent.changed(since.index, some.iter().map(Vec::as_slice)) {
                Some(some) => changed.extend(some.into_iter().map(Reply::bulk)),
                None => return Reply::Nil,
            }
            yield_now().await;
        }
        Reply::Array(changed)
    }

    /// CLIENT REVISION: what the connection has been told of all changes up to, with what is told before the reply.
    pub(super) async fn tracking_revision(&mut self) -> Result<Reply, Close> {
        let thread = Rc::clone(&self.thread);
        let node = &thread.node;
        let published = node.group.store.published();
        while !node.tracking.recent.has_told(published.number()) {
            tokio::time::sleep(TOLD_INTERVAL).await;
        }
        // What an earlier look has left, and then what has arrived since.
        for _ in 0..2 {
            while thread.invalidate_some() {
                yield_now().await;
            }
        }
        self.pass_on().await?;
        let history = published.site().map_or_else(|| node.history_id(), |site| site.history.clone());
        let index = published.state().applied.map_or(0, |applied| applied.index);
        Ok(Reply::bulk(TrackingRevision { history, index }.text()))
    }

    /// CLIENT CACHING is about the call, or the transaction, behind it; calls of its siblings in between do not count.
    pub(super) fn forget_caching(&mut self, argv: &[&[u8]]) {
        let Some(tracking) = &mut self.session.tracking else { return };
        if !tracking.is_asked() || self.session.transaction.is_some() {
            return;
        }
        let call = self.thread.table.resolve(argv);
        if !call.is_ok_and(|call| call.command.flags.has(Flags::KEEPS_CACHING)) {
            tracking.called();
        }
    }
}

impl ThreadState {
    /// Whether the node can tell what has changed behind this: it is of the data's history, what the node has is current, and it is not
    /// behind. On an edge that is, the client would read values from before this revision, and keep them as if they were of it.
    fn may_tell_since(&self, since: &TrackingRevision) -> bool {
        let applied = self.node.group.store.latest().state().applied.map_or(0, |applied| applied.index);
        self.node.group.state.is_link_up()
            && self.node.history_id() == since.history
            && since.index <= applied
    }

    /// `tracking-table-max-keys`.
    fn tracked_keys_max(&self) -> u64 {
        self.node.config.settings().tracking_keys_max
    }

    /// Tells clients of some of the changes that have arrived; returns whether there are more.
    fn invalidate_some(&self) -> bool {
        let keys_max = self.tracked_keys_max();
        let (has_more, forgotten) = self.tracking.borrow_mut().work(&self.node.clients, keys_max);
        if let Some(forgotten) = forgotten {
            // There may be a million.
            tokio::task::spawn_blocking(move || drop(forgotten));
        }
        has_more
    }

    /// Tells clients of changes, for ever.
    pub(super) async fn invalidate(&self) {
        let arrivals = self.tracking.borrow().arrivals();
        loop {
            arrivals.wait().await;
            while self.invalidate_some() {
                yield_now().await;
            }
        }
    }

    /// To be called some times a second.
    pub(super) fn look_after_tracking(&self) {
        if self.node.tracking.is_idle() {
            return;
        }
        let is_current = self.node.group.state.is_link_up();
        self.tracking.borrow_mut().tick(is_current, &self.node.clients, self.tracked_keys_max());
    }
}
