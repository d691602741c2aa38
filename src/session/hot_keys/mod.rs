//! HOTKEYS: the keys that take most of this node's time, or of its clients' bytes, while somebody looks (Redis 8.6).
//!
//! Time is what calls take to execute, as in SLOWLOG: reads where they run, and every write of the log where this node applies it, whoever's
//! it is. Bytes are those of requests and replies of this node's own clients. A call with several keys counts for each with its share.
//!
//! Without a session a call costs one look at a flag. With one, each takes a lock for a moment; the bound is the number of keys
//! that are counted, and the length of their names.

mod heavy;
mod session;

pub use session::{HotKeyMetrics, HotKeyReport, HotKeySession};

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// See the module. One session at a time; the last one is kept until it is reset.
#[derive(Debug, Default)]
pub struct HotKeys {
    is_on: AtomicBool,
    session: Mutex<Option<HotKeySession>>,
}

impl HotKeys {
    /// Whether calls are looked at.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// False: there is one under way.
    pub fn start(&self, new: HotKeySession) -> bool {
        let mut session = self.session.lock();
        if session.as_mut().is_some_and(|session| session.is_under_way()) {
            return false;
        }
        *session = Some(new);
        self.is_on.store(true, Ordering::Relaxed);
        true
    }

    /// False: none is under way.
    pub fn stop(&self) -> bool {
        self.is_on.store(false, Ordering::Relaxed);
        self.session.lock().as_mut().is_some_and(HotKeySession::stop)
    }

    /// False: one is under way.
    pub fn reset(&self) -> bool {
        let mut session = self.session.lock();
        let may = !session.as_mut().is_some_and(|session| session.is_under_way());
        if may {
            *session = None;
        }
        may
    }

    /// Of the session under way, or of the last one; `None`: there is none.
    pub fn report(&self) -> Option<HotKeyReport> {
        self.session.lock().as_mut().map(HotKeySession::report)
    }

    /// A call with these keys took so long, or so many bytes.
    #[cold]
    pub fn note<'k>(&self, keys: impl Iterator<Item = &'k [u8]>, micros: u64, bytes: u64) {
        let mut session = self.session.lock();
        if let Some(session) = session.as_mut()
            && !session.note(keys, micros, bytes)
        {
            // Its time is up.
            self.is_on.store(false, Ordering::Relaxed);
        }
    }
}
