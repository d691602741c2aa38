//! How many writes are on their way to the leader, and what becomes of those whose leader is one no more.
//!
//! A leader that was cut off answers nothing, and the connection to it is given up only after seconds. What waits for it
//! must hold up neither what can go to the next leader nor what this node, leading itself now, proposes.

use super::progress::Progress;
use crate::limits::FORWARDS_IN_FLIGHT_MAX;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How long a leader whose place another one has taken may take to answer: it may have handed over, and be about to.
const OVERTAKEN_MAX: Duration = Duration::from_millis(1000);

/// Counts of what is forwarded.
#[derive(Debug, Default)]
pub struct Forwards {
    /// All.
    under_way: AtomicUsize,
    /// Those that count against `FORWARDS_IN_FLIGHT_MAX`.
    placed: AtomicUsize,
}

impl Forwards {
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    pub fn has_room(&self) -> bool {
        self.placed.load(Ordering::SeqCst) < FORWARDS_IN_FLIGHT_MAX
    }
}

/// One batch on its way, until it is dropped.
pub struct Forwarding {
    progress: Arc<Progress>,
    has_place: bool,
}

impl Forwarding {
    /// Also if there is no room: whoever begins several asks before.
    pub fn begin(progress: &Arc<Progress>) -> Self {
        progress.forwards.under_way.fetch_add(1, Ordering::SeqCst);
        progress.forwards.placed.fetch_add(1, Ordering::SeqCst);
        Forwarding { progress: Arc::clone(progress), has_place: true }
    }

    /// Returns when there is nothing more to hope for from a leader that was asked: another one has led for a while. From
    /// the moment on that another one leads this batch makes room for others.
    pub async fn overtaken(&mut self, asked: u64) {
        self.progress.led_by_another_than(asked).await;
        self.give_up_place();
        tokio::time::sleep(OVERTAKEN_MAX).await;
    }

    fn give_up_place(&mut self) {
        if std::mem::replace(&mut self.has_place, false) {
            self.progress.forwards.placed.fetch_sub(1, Ordering::SeqCst);
            self.progress.ring_if_awaited();
        }
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.give_up_place();
        self.progress.forwards.under_way.fetch_sub(1, Ordering::SeqCst);
        self.progress.ring_if_awaited();
    }
}
