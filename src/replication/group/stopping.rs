//! The end of a group on this node: leadership is handed over, proposals get their outcomes, threads end.

use super::{handle::GroupHandle, thread::Request};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::Instant,
};

/// Longest time for the raft thread to end once it has nothing more to wait for.
const END_MAX: Duration = Duration::from_secs(4);

impl GroupHandle {
    /// Before a stop: hands leadership to another node, if there is one, and refuses to lead again. Writes continue
    /// meanwhile: they are forwarded.
    pub async fn step_down(&self) {
        let (answer, done) = oneshot::channel();
        // At once: the raft thread may be asked to take over leadership before it handles the request.
        self.group.state.refuse_leadership();
        // An error means that the log has stopped: then it does not lead.
        if self.requests.send(Request::StepDown(answer)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Lets another node lead from a thread that may wait, when this one is about to end without its log: asks, and waits no
    /// longer than this. Does not keep the log alive.
    pub fn last_hand_over(&self) -> impl Fn(Duration) + Send + Sync + use<> {
        let (requests, state) = (self.requests.downgrade(), Arc::clone(&self.group.state));
        move |within| {
            let Some(requests) = requests.upgrade().filter(|_| state.is_leader()) else { return };
            let (answer, mut done) = oneshot::channel();
            state.refuse_leadership();
            if requests.try_send(Request::StepDown(answer)).is_err() {
                return;
            }
            let deadline = Instant::now() + within;
            while done.try_recv() == Err(TryRecvError::Empty) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// As leader: takes itself out of the core, which `core` never does.
    #[cfg(test)]
    pub async fn remove_leader(&self) {
        let _ = self.requests.send(Request::RemoveLeader).await;
    }

    /// Refuses new proposals from here on.
    pub fn refuse_writes(&self) {
        self.queue.close();
    }

    /// Refuses new proposals, waits `within` for the outcomes of queued ones, stops all threads and closes the files.
    /// Returns whether everything has stopped; proposals without an outcome by then have none.
    pub async fn shutdown(&self, within: Duration) -> bool {
        self.queue.close_by(Instant::now() + within);
        let mut ended = self.ended.clone();
        let ended = tokio::time::timeout(within + END_MAX, ended.wait_for(Option::is_some)).await;
        // An error of the channel means that the thread is gone, as intended.
        ended.is_ok_and(|ended| ended.is_ok_and(|ended| ended.is_none_or(|has_ended| has_ended)))
    }
}
