//! Requests of clients and operators at a node, and their results.

use crate::{
    replication::{
        queue::{Outcome, Ticket},
        tests::simulation::{checker, command, node::Node},
    },
    session::{Consistency, CoreRequest},
    state::Work,
    tests::stage::Stage,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

impl Node {
    pub(super) fn submit(&self, stage: &Stage, write: u64) {
        stage.turn_to(self.slot);
        let Some(running) = &self.running else { return };
        let mailbox = Arc::clone(&running.mailbox);
        // Some are said to take long: others hear of them only when they are applied here.
        let work = Work { calls: 1, is_bounded: false, may_take_long: write.is_multiple_of(5) };
        let ticket = Ticket { mailbox, id: write, was_forwarded: false, client: 0, work };
        stage.note(format_args!("is to write {write}"));
        checker::with(|checker| checker.asks(self.slot, write));
        if running.handle.submit(command::proposal(write), ticket).is_err() {
            checker::with(|checker| checker.refuses(self.slot, write));
        }
    }

    /// Tells the checker what became of writes.
    pub(super) fn outcomes(&self, stage: &Stage) {
        stage.turn_to(self.slot);
        let Some(running) = &self.running else { return };
        let mut outcomes = Vec::new();
        running.mailbox.drain(&mut outcomes);
        for (write, outcome) in outcomes {
            stage.note(format_args!("says of {write}: {outcome:?}"));
            checker::with(|checker| match outcome {
                Outcome::Applied(_) => checker.acknowledges(self.slot, write),
                Outcome::NotDone(_) => checker.refuses(self.slot, write),
                Outcome::Unknown(_) => checker.leaves_open(write),
            });
        }
    }

    /// Reads as a client does: under the lease.
    pub(super) fn read_at_once(&self, when: &str) {
        let Some(running) = &self.running else { return };
        let _inside = running.runtime.enter();
        if running.handle.can_read() {
            let applied = running.handle.store().applied();
            checker::with(|checker| {
                let wanted = checker.must_show();
                checker.reads(self.slot, when, wanted, applied);
            });
        }
    }

    /// Reads as a client does, behind a barrier.
    pub(super) fn read(&self, stage: &Stage) {
        stage.turn_to(self.slot);
        let Some(running) = &self.running else { return };
        let (handle, store, slot) = (running.handle.clone(), Arc::clone(running.handle.store()), self.slot);
        let wanted = checker::with(|checker| checker.must_show());
        running.runtime.spawn(async move {
            if handle.barrier(Consistency::Linearizable).await.is_ok() {
                checker::with(|checker| checker.reads(slot, "behind a barrier", wanted, store.applied()));
            }
        });
    }

    /// Lets another node lead.
    pub(super) fn hand_over(&self, stage: &Stage) {
        stage.turn_to(self.slot);
        let Some(running) = &self.running else { return };
        let handle = running.handle.clone();
        running.runtime.spawn(async move { handle.core(CoreRequest::Transfer { name: None }).await });
    }

    /// It takes itself out of the core while it leads.
    pub(super) fn remove_itself(&self, stage: &Stage) {
        stage.turn_to(self.slot);
        let Some(running) = &self.running else { return };
        let handle = running.handle.clone();
        running.runtime.spawn(async move { handle.remove_leader().await });
    }

    /// It is to lead no more, as when it is about to stop.
    pub(super) fn step_down(&self, stage: &Stage) {
        stage.turn_to(self.slot);
        let Some(running) = &self.running else { return };
        let handle = running.handle.clone();
        running.runtime.spawn(async move { handle.step_down().await });
    }

    /// It is asked to stop, as by a signal: another node leads first, and everything is closed.
    pub(super) fn ask_to_stop(&self, stage: &Stage) {
        stage.turn_to(self.slot);
        let Some(running) = &self.running else { return };
        running.is_asked_to_stop.store(true, Ordering::Relaxed);
        let handle = running.handle.clone();
        running.runtime.spawn(async move {
            handle.step_down().await;
            handle.shutdown(Duration::from_secs(10)).await;
        });
    }
}
