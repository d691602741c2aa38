//! What a client is at: idle, listening, and the flags that CLIENT LIST shows.

use super::{Client, ClientAddress, TrackingMode};
use crate::state::PortKind;
use std::sync::atomic::Ordering;

impl Client {
    /// Whether it has sent and received nothing for this long, and no call of it is running. A client that waits for a key
    /// or listens may be silent for days.
    pub fn is_idle(&self, now: u64, longer_than_ms: u64) -> bool {
        let silent_ms = now.saturating_sub(self.active_ms.load(Ordering::Relaxed));
        let listens = self.is_subscribed()
            || self.monitors.load(Ordering::Relaxed)
            || self.follows.load(Ordering::Relaxed);
        silent_ms > longer_than_ms && !listens && !self.busy.load(Ordering::Relaxed)
    }

    /// It follows -REDIRECT from now on (CLIENT CAPA redirect), until RESET.
    pub fn follow_redirects(&self) {
        self.follows_redirects.store(true, Ordering::Relaxed);
    }

    pub fn can_be_redirected(&self) -> bool {
        self.follows_redirects.load(Ordering::Relaxed)
    }

    /// Which port of a node is for clients like it.
    pub fn port_kind(&self) -> PortKind {
        if self.has_tls { PortKind::Tls } else { PortKind::Plain }
    }

    /// Whether it listens to anything: CLIENT LIST's type pubsub.
    pub fn is_subscribed(&self) -> bool {
        [&self.subscribed, &self.psubscribed, &self.ssubscribed]
            .iter()
            .any(|count| count.load(Ordering::Relaxed) > 0)
    }

    /// Redis's letters; `N`: none of them.
    pub fn flags(&self) -> String {
        let flag = |set: bool, letter: &'static str| if set { letter } else { "" };
        let tracking = *self.tracking.lock();
        let flags = [
            flag(self.monitors.load(Ordering::Relaxed), "O"),
            flag(self.follows.load(Ordering::Relaxed), "S"),
            flag(self.is_subscribed(), "P"),
            flag(self.queued.load(Ordering::Relaxed) != u32::MAX, "x"),
            flag(self.is_blocked(), "b"),
            flag(tracking.is_some(), "t"),
            flag(tracking.is_some_and(|state| state.is_broken), "R"),
            flag(tracking.is_some_and(|state| state.mode == TrackingMode::Broadcast), "B"),
            flag(matches!(self.peer, ClientAddress::Unix { .. }), "U"),
            flag(self.no_evict.load(Ordering::Relaxed), "e"),
            flag(self.no_touch.load(Ordering::Relaxed), "T"),
        ]
        .concat();
        if flags.is_empty() { "N".to_owned() } else { flags }
    }
}
