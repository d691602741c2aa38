//! TLS handshakes of a network thread that are under way: no more than so many, since each may pin 64 KiB that the client chose
//! and a session's state, and none of it is counted in `maxmemory-clients`.
//!
//! A client that has sent nothing has no place: it costs what a connection costs. Others wait for a place with their bytes in
//! the kernel, and the one that came last is next: a client that has just come gets through behind any number of handshakes that
//! never end, as long as fewer than there are places come each second after it; in a rush of honest ones everybody does. While clients wait, who has had a place for `PATIENCE` loses it.

use crate::limits::{TLS_HANDSHAKES_MAX, TLS_HANDSHAKES_OF_THREAD_MIN};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};
use tokio::sync::oneshot;

/// More than an honest handshake takes from the other end of the world.
const PATIENCE: Duration = Duration::from_secs(1);

/// The places of a thread.
pub(super) struct Handshakes {
    free: Cell<usize>,
    /// By the order in which they came.
    waiting: RefCell<BTreeMap<u64, oneshot::Sender<Place>>>,
    came: Cell<u64>,
}

impl Handshakes {
    /// The share of one of so many threads.
    pub(super) fn of_threads(threads: usize) -> Rc<Self> {
        let share = TLS_HANDSHAKES_MAX.checked_div(threads).unwrap_or(TLS_HANDSHAKES_MAX);
        Self::with(share.max(TLS_HANDSHAKES_OF_THREAD_MIN))
    }

    fn with(places: usize) -> Rc<Self> {
        Rc::new(Handshakes { free: Cell::new(places), waiting: RefCell::default(), came: Cell::new(0) })
    }

    /// Waits for a place. May be dropped meanwhile.
    pub(super) async fn place(self: &Rc<Self>) -> Place {
        if let Some(left) = self.free.get().checked_sub(1) {
            self.free.set(left);
            return Place { of: Some(Rc::clone(self)) };
        }
        let number = self.came.get();
        self.came.set(number.wrapping_add(1));
        let (sender, place) = oneshot::channel();
        self.waiting.borrow_mut().insert(number, sender);
        let _leaves = Leaves { of: self, number };
        // Its sender is there as long as this waits.
        place.await.unwrap_or(Place { of: None })
    }

    /// A place is free: the next one's.
    fn pass_on(self: Rc<Self>) {
        let mut place = Place { of: Some(Rc::clone(&self)) };
        loop {
            let next = self.waiting.borrow_mut().pop_last();
            let Some((_, next)) = next else { break };
            match next.send(place) {
                Ok(()) => return,
                // It has just stopped waiting.
                Err(unwanted) => place = unwanted,
            }
        }
        place.of = None;
        self.free.set(self.free.get().saturating_add(1));
    }
}

/// Takes a client that no longer waits off the list.
struct Leaves<'a> {
    of: &'a Handshakes,
    number: u64,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.of.waiting.borrow_mut().remove(&self.number);
    }
}

/// The right to shake hands; free again when dropped.
pub(super) struct Place {
    of: Option<Rc<Handshakes>>,
}

impl Place {
    /// Resolves when others wait and this one has had its time.
    pub(super) async fn overdue(&self) {
        let is_wanted = || self.of.as_ref().is_some_and(|of| !of.waiting.borrow().is_empty());
        loop {
            tokio::time::sleep(PATIENCE).await;
            if is_wanted() {
                return;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(of) = self.of.take() {
            of.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn the_last_to_come_is_next_and_no_place_is_lost() {
        let all = Handshakes::with(2);
        let mut held: Vec<Place> = (0..2).map(|_| all.place().now_or_never().unwrap()).collect();
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(all.place())).collect();
        for one in &mut waiting {
            assert!(one.now_or_never().is_none());
        }
        drop(held.pop());
        assert!((&mut waiting[0]).now_or_never().is_none());
        let last = waiting.pop().unwrap().now_or_never().unwrap();
        // One goes before it is told, one after.
        drop(waiting.pop());
        drop(last);
        drop(waiting.pop());
        drop(held.pop());
        assert_eq!((all.free.get(), all.waiting.borrow().len()), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_long_goes_only_if_others_wait() {
        let all = Handshakes::with(1);
        let place = all.place().await;
        let long = Duration::from_secs(60);
        assert!(tokio::time::timeout(long, place.overdue()).await.is_err());
        let waits = all.place();
        tokio::pin!(waits);
        assert!((&mut waits).now_or_never().is_none());
        assert!(tokio::time::timeout(2 * PATIENCE, place.overdue()).await.is_ok());
        drop(place);
        assert!(waits.now_or_never().is_some());
    }
}
