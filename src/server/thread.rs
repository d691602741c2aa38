//! A network thread: a current-thread runtime that owns its connections.
//!
//! Connections are tasks of this thread only, so their state needs no locks. Replies of the log arrive in the thread's
//! mailbox: one wake per batch, whatever number of connections it answers.

use super::{Stop, connection::Connection};
use crate::{
    command::Table,
    fail,
    replication::{GroupHandle, Mailbox, Outcome, Ticket},
    resp::ErrorReply,
    session::{Client, NETWORK_THREAD, Node, Session, ThreadStats},
    time::monotonic_ms,
};
use bytes::Bytes;
use slab::Slab;
use std::{
    cell::RefCell,
    io,
    rc::Rc,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::LocalSet,
};

/// How often idle clients and overdue writes are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);
/// Threads of one network thread's pool for reads that must wait for the disk.
const BLOCKING_THREADS_MAX: usize = 16;
/// How long connections may take to say that the time to stop is up.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);
/// How long a thread that ends waits for reads on its pool.
const POOL_END_MAX: Duration = Duration::from_millis(100);

/// An accepted socket on its way to a network thread.
pub(super) type Accepted = (std::net::TcpStream, Arc<Client>);

/// What the connections of one thread share.
pub(super) struct ThreadState {
    pub(super) node: Arc<Node>,
    pub(super) log: GroupHandle,
    pub(super) stop: Arc<Stop>,
    pub(super) table: &'static Table,
    pub(super) stats: Arc<ThreadStats>,
    mailbox: Arc<Mailbox>,
    waiters: RefCell<Slab<Waiter>>,
}

struct Waiter {
    since_ms: u64,
    answer: Option<oneshot::Sender<Outcome>>,
}

impl ThreadState {
    /// Queues a proposal; resolves with its outcome, or with "outcome unknown" after the write timeout.
    pub(super) async fn propose(&self, proposal: Bytes) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        let waiter = Waiter { since_ms: monotonic_ms(), answer: Some(answer) };
        let id = self.waiters.borrow_mut().insert(waiter);
        let ticket = Ticket { mailbox: Arc::clone(&self.mailbox), id: id as u64, was_forwarded: false };
        if let Err(refused) = self.log.submit(proposal, ticket) {
            self.waiters.borrow_mut().try_remove(id);
            return Outcome::NotDone(refused.into());
        }
        outcome.await.unwrap_or_else(|_| Outcome::Unknown(outcome_unknown("the log stopped")))
    }

    fn deliver(&self, outcomes: &mut Vec<(u64, Outcome)>) {
        let mut waiters = self.waiters.borrow_mut();
        for (id, outcome) in outcomes.drain(..) {
            let waiter = usize::try_from(id).ok().and_then(|id| waiters.try_remove(id));
            if let Some(answer) = waiter.and_then(|waiter| waiter.answer) {
                // The connection may have gone; its write stands all the same.
                let _ = answer.send(outcome);
            }
        }
    }

    /// Answers writes that have waited too long.
    fn expire_waiters(&self) {
        let timeout_ms = self.node.config.settings().write_timeout_ms;
        self.answer_unknown(monotonic_ms().saturating_sub(timeout_ms), "no answer from the log in time");
    }

    /// Answers writes that have waited since before that time; says how many. Their slots stay taken until the log has its
    /// say.
    fn answer_unknown(&self, before_ms: u64, why: &str) -> usize {
        let mut waiters = self.waiters.borrow_mut();
        let overdue = waiters.iter_mut().filter(|(_, waiter)| waiter.since_ms < before_ms);
        let answers = overdue.filter_map(|(_, waiter)| waiter.answer.take());
        // The connection may have gone.
        answers.map(|answer| drop(answer.send(Outcome::Unknown(outcome_unknown(why))))).count()
    }

    /// The time to stop is up: nothing more is proposed, and what is proposed is of unknown outcome.
    fn give_up_writes(&self) {
        self.log.refuse_writes();
        let unknown = self.answer_unknown(u64::MAX, "the server stopped before the log had an answer");
        if unknown > 0 {
            tracing::warn!(
                unknown,
                "stopping: writes of clients have no outcome yet and were answered UNKNOWN"
            );
        }
    }
}

/// The error of a write that may or may not have happened.
pub(super) fn outcome_unknown(why: &str) -> ErrorReply {
    ErrorReply::new("UNKNOWN", format!("outcome unknown: {why}; the write may or may not be applied"))
}

/// A running network thread.
pub(super) struct NetworkThread {
    pub(super) sender: mpsc::Sender<Accepted>,
    /// True in the end: nothing of it runs any more, not even a read.
    pub(super) thread: JoinHandle<bool>,
}

/// Starts network thread number `index`.
pub(super) fn start(
    index: usize,
    node: Arc<Node>,
    log: GroupHandle,
    stop: Arc<Stop>,
    table: &'static Table,
) -> io::Result<NetworkThread> {
    let (sender, receiver) = mpsc::channel(1024);
    let thread = std::thread::Builder::new().name(format!("{NETWORK_THREAD}{index}")).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .build();
        match runtime {
            Ok(runtime) => {
                let stats = node.stats.threads.thread(table.names().len());
                let state = ThreadState {
                    stats,
                    node,
                    log,
                    stop,
                    table,
                    mailbox: Mailbox::new(),
                    waiters: RefCell::new(Slab::with_capacity(1024)),
                };
                LocalSet::new().block_on(&runtime, run(Rc::new(state), receiver));
                let ended = Instant::now();
                runtime.shutdown_timeout(POOL_END_MAX);
                ended.elapsed() < POOL_END_MAX
            }
            Err(error) => fail::stop_the_process(&format!("a network thread could not start: {error}")),
        }
    })?;
    Ok(NetworkThread { sender, thread })
}

async fn run(state: Rc<ThreadState>, mut accepted: mpsc::Receiver<Accepted>) {
    let completions = tokio::task::spawn_local(deliver_completions(Rc::clone(&state)));
    let sweeper = tokio::task::spawn_local(sweep(Rc::clone(&state)));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            next = accepted.recv() => match next {
                Some((stream, client)) => admit(&state, &mut connections, stream, client),
                None => break,
            },
            _ = state.stop.wait() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    // Connections see the stop themselves: they finish what they hold and close.
    let all_closed = async { while connections.join_next().await.is_some() {} };
    tokio::pin!(all_closed);
    tokio::select! {
        () = &mut all_closed => {}
        () = state.stop.wait_overdue(Duration::MAX) => {
            state.give_up_writes();
            let _ = tokio::time::timeout(LAST_WORDS_MAX, all_closed).await;
        }
    }
    completions.abort();
    sweeper.abort();
}

fn admit(
    state: &Rc<ThreadState>,
    connections: &mut tokio::task::JoinSet<()>,
    stream: std::net::TcpStream,
    client: Arc<Client>,
) {
    let id = client.id;
    let authenticated = state.node.config.settings().requirepass.is_empty();
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "connection lost at accept");
            state.node.clients.remove(id);
            return;
        }
    };
    let session = Session::new(client, authenticated);
    let state = Rc::clone(state);
    connections.spawn_local(async move {
        let node = Arc::clone(&state.node);
        Connection::new(state, session, stream).serve().await;
        node.clients.remove(id);
    });
}

async fn deliver_completions(state: Rc<ThreadState>) {
    let mut outcomes = Vec::new();
    loop {
        state.mailbox.wait().await;
        state.mailbox.drain(&mut outcomes);
        state.deliver(&mut outcomes);
    }
}

async fn sweep(state: Rc<ThreadState>) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        state.expire_waiters();
    }
}
