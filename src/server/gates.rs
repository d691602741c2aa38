//! The gates that every call passes, in Redis's order. Each is one step: the call continues, or its client gets the reason
//! why not.
//!
//! | gate | a call of a client | a queued call, when EXEC comes to it |
//! |---|---|---|
//! | known, arity | always | was checked when it was queued |
//! | authenticated | always | always |
//! | ready | always; EXEC with all that is queued | always |
//! | allowed by the feature level | always | was checked when it was queued |
//! | permitted (`permission.rs`) | always | always |
//! | redirected | always; EXEC with all that is queued | with EXEC |
//! | listening | always | with EXEC |
//! | fresh | always; EXEC with all that is queued | with EXEC |
//! | not a source's (`flotilla admin replicate-from`) | always | was checked when it was queued |
//! | with room, on disk and within `maxmemory` | always; EXEC with all that is queued | with EXEC |
//! | queued | inside MULTI | it may be none for EXEC (`NOT_IN_EXEC`) |
//! | paused | always; EXEC if it writes | with EXEC |
//! | in a cluster | always | always |
//! | may read what only the data tell | always | always |
//!
//! `dispatch.rs` handles calls that have passed.

use super::connection::{Close, Connection, gone};
use crate::{
    command::{Flags, Resolved, Run},
    resp::{ErrorReply, Protocol, Reply},
    session::{PauseMode, Stats},
    state::Room,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// Time that a paused client sleeps before it checks the pause again.
const PAUSE_POLL: Duration = Duration::from_millis(50);
/// What a call waits for at the gates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From one look to the next.
    poll: Duration,
    wait_max: Duration,
}

/// A new core raises its feature level.
const FOR_LEVEL: Patience = Patience { poll: Duration::from_millis(5), wait_max: Duration::from_secs(2) };
/// Keys are evicted to make room.
const FOR_ROOM: Patience = Patience { poll: Duration::from_millis(2), wait_max: Duration::from_secs(2) };

/// Why a call is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    Error(ErrorReply),
    /// Ask another node, or no node can serve it.
    Elsewhere(ErrorReply),
    /// It is worth waiting; if that takes too long, this.
    NotYet(ErrorReply, Patience),
    /// The session's user is gone or off.
    Gone,
    /// The client is a browser tricked into sending requests (cross-protocol attack).
    Security,
}

impl Connection {
    /// The gates before MULTI's queue.
    pub(super) fn admit(&mut self, argv: &[&[u8]]) -> Result<Resolved, Refusal> {
        let call = self.known(argv)?;
        self.session.client.last_command.store(call.index, Ordering::Relaxed);
        let admitted = self
            .follow_user()
            .and_then(|()| self.authenticated(call))
            .and_then(|()| self.ready(call))
            .and_then(|()| self.allowed(call))
            .and_then(|()| self.permitted(call, argv))
            .and_then(|()| self.redirected(call, argv))
            .and_then(|()| self.listening(call))
            .and_then(|()| self.fresh(call))
            .and_then(|()| self.unfollowing(call))
            .and_then(|()| self.fits(call, argv));
        match admitted {
            Ok(()) => Ok(call),
            // Counted once it is refused for good.
            Err(refusal @ Refusal::NotYet(..)) => Err(refusal),
            Err(refusal) => {
                self.count_rejected(Some(call.index));
                Err(refusal)
            }
        }
    }

    /// As `admit`. The first calls of a new core wait until it has raised its feature level, and what may make the data grow
    /// until keys have been evicted, if that is to be expected.
    pub(super) async fn admit_in_time(&mut self, argv: &[&[u8]]) -> Result<Resolved, Refusal> {
        let began = Instant::now();
        // What the connection has already to write counts against the room that it waits for.
        self.flush_writes().await;
        loop {
            match self.admit(argv) {
                Err(Refusal::NotYet(_, patience)) if began.elapsed() < patience.wait_max => {
                    tokio::time::sleep(patience.poll).await;
                }
                Err(refusal @ Refusal::NotYet(..)) => {
                    self.count_rejected(self.thread.table.index(argv));
                    return Err(refusal);
                }
                admitted => return admitted,
            }
        }
    }

    /// Whether the data may grow, once keys have been evicted if that is to be expected.
    pub(super) async fn room_in_time(&self) -> Room {
        let began = Instant::now();
        loop {
            match self.thread.node.group.state.room(0) {
                Room::Soon if began.elapsed() < FOR_ROOM.wait_max => tokio::time::sleep(FOR_ROOM.poll).await,
                room => return room,
            }
        }
    }

    /// The gates that a queued call passes when EXEC runs it, with this database selected.
    pub(super) fn admit_queued(&self, call: Resolved, argv: &[&[u8]], db: u32) -> Result<(), ErrorReply> {
        let admitted = self.authenticated(call).and_then(|()| self.ready(call));
        match admitted {
            Ok(()) => self
                .permitted_in_exec(call, argv, db)
                .and_then(|()| self.in_exec(call))
                .and_then(|()| self.in_cluster(call, argv))
                .and_then(|()| self.may_read_untold(call, argv, db)),
            Err(Refusal::Error(error) | Refusal::Elsewhere(error) | Refusal::NotYet(error, _)) => Err(error),
            Err(Refusal::Security | Refusal::Gone) => Err(ErrorReply::no_auth()),
        }
    }

    /// Known, with the right number of words.
    fn known(&self, argv: &[&[u8]]) -> Result<Resolved, Refusal> {
        self.thread.table.resolve(argv).map_err(|error| {
            self.count_rejected(self.thread.table.index(argv));
            match argv.first() {
                Some(word) if is_http(word) => Refusal::Security,
                _ => Refusal::Error(error),
            }
        })
    }

    fn authenticated(&self, call: Resolved) -> Result<(), Refusal> {
        match self.session.authenticated || call.command.flags.has(Flags::NO_AUTH) {
            true => Ok(()),
            false => Err(Refusal::Error(ErrorReply::no_auth())),
        }
    }

    /// Whether the node can serve it yet.
    fn ready(&self, call: Resolved) -> Result<(), Refusal> {
        if self.thread.node.ready.load(Ordering::Acquire) || self.has_throughout(call, Flags::LOADING) {
            return Ok(());
        }
        let (code, why) = self.thread.node.group.state.waiting();
        Err(Refusal::Error(ErrorReply::new(code, why)))
    }

    /// Whether the active feature level allows it. It only ever goes up, so a queued call is not asked about again.
    fn allowed(&self, call: Resolved) -> Result<(), Refusal> {
        let group = &self.thread.node.group;
        call.allowed_at(group.state.feature_level()).map_err(|error| {
            match group.store.latest().state().last_at {
                0 => Refusal::NotYet(error, FOR_LEVEL),
                _ => Refusal::Error(error),
            }
        })
    }

    /// Calls that a RESP2 client may send while it is subscribed: it could not tell other replies from messages. One that
    /// monitors gets no data.
    fn listening(&self, call: Resolved) -> Result<(), Refusal> {
        let is_data = matches!(call.command.run, Run::Read(_) | Run::Write(_) | Run::Script(_));
        if is_data && self.session.subscriptions.is_monitor() {
            // As redis-server words it.
            return Err(Refusal::Error(ErrorReply::err("Replica can't interact with the keyspace")));
        }
        let listens = self.session.protocol == Protocol::Resp2 && !self.session.subscriptions.is_empty();
        if !listens || call.command.flags.has(Flags::WHILE_SUBSCRIBED) {
            return Ok(());
        }
        let text = format!(
            "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            self.thread.table.names().get(call.index).map_or("", String::as_str)
        );
        Err(Refusal::Error(ErrorReply::err(text)))
    }

    /// Whether the node may serve what it has although its link to the leader or the core is down. As in redis-server, that
    /// is the operator's to say.
    fn fresh(&self, call: Resolved) -> Result<(), Refusal> {
        let node = &self.thread.node;
        if node.config.settings().replica_serve_stale_data
            || self.has_throughout(call, Flags::STALE)
            || node.group.state.is_link_up()
        {
            return Ok(());
        }
        let text = "Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
        Err(Refusal::Error(ErrorReply::new("MASTERDOWN", text)))
    }

    /// Whether the data are the node's own to read and to write, or those of a Redis that they follow. Apply asks again, for
    /// what passed here a moment too early.
    fn unfollowing(&self, call: Resolved) -> Result<(), Refusal> {
        let (flags, is_script) = (call.command.flags, matches!(call.command.run, Run::Script(_)));
        let writes = flags.has(Flags::WRITE);
        if !writes && !is_script && !flags.has(Flags::READONLY) {
            return Ok(());
        }
        let latest = self.thread.node.group.store.latest();
        match latest.source() {
            Some(source) if source.refuses_reads() => {
                let text = format!("Flotilla is loading the data of {}", source.address);
                Err(Refusal::Error(ErrorReply::new("LOADING", text)))
            }
            // A script that only reads may.
            Some(source) if writes && source.refuses_writes() => {
                Err(Refusal::Error(ErrorReply::follows_source(&source.address)))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether there is room for what it may add. Inside MULTI it is asked when a call is queued, too, as by
    /// redis-server.
    fn fits(&self, call: Resolved, argv: &[&[u8]]) -> Result<(), Refusal> {
        let state = &self.thread.node.group.state;
        let bytes = match &self.session.transaction {
            Some(transaction) if call.command.flags.has(Flags::RUNS_QUEUE) => {
                let mut queued =
                    transaction.calls.iter().filter_map(|queued| self.thread.table.at(queued.row));
                match queued.any(|call| call.command.may_add()) {
                    true => transaction.bytes() as u64,
                    false => return Ok(()),
                }
            }
            _ if call.command.flags.has(Flags::DENYOOM) => {
                argv.iter().fold(0, |sum: u64, word| sum.saturating_add(word.len() as u64))
            }
            _ => return Ok(()),
        };
        let room = state.room(bytes);
        match room.refusal() {
            None => Ok(()),
            Some(error) if room == Room::Soon => Err(Refusal::NotYet(error, FOR_ROOM)),
            Some(error) => Err(Refusal::Error(error)),
        }
    }

    /// Whether the call has a flag; of EXEC, also whether all that is queued has it.
    fn has_throughout(&self, call: Resolved, flag: Flags) -> bool {
        let queued = self.session.transaction.iter().flat_map(|transaction| &transaction.calls);
        let mut queued = queued.filter_map(|queued| self.thread.table.at(queued.row));
        let runs_queue = call.command.flags.has(Flags::RUNS_QUEUE);
        call.command.flags.has(flag) && (!runs_queue || queued.all(|call| call.command.flags.has(flag)))
    }

    /// Inside MULTI, queues the call; true if it did (or refused it).
    pub(super) async fn queued(&mut self, call: Resolved, argv: &[&[u8]]) -> bool {
        let Some(transaction) = &mut self.session.transaction else { return false };
        if call.command.flags.has(Flags::NOT_QUEUED) {
            return false;
        }
        let reply = if call.command.flags.has(Flags::NO_MULTI) {
            transaction.aborted = true;
            Reply::Error(ErrorReply::err("Command not allowed inside a transaction"))
        } else if transaction.push(call.index, call.command.is_write(), argv) {
            if let Some(db) = call.command.selects.and_then(|selects| selects(argv)) {
                transaction.db = db;
            }
            let queued = u32::try_from(transaction.calls.len()).unwrap_or(u32::MAX);
            self.session.client.queued.store(queued, Ordering::Relaxed);
            self.session.client.memory.multi.store(transaction.bytes() as u64, Ordering::Relaxed);
            Reply::Simple("QUEUED".into())
        } else {
            Reply::Error(ErrorReply::err("transaction is larger than the limit; EXEC will be refused"))
        };
        if matches!(reply, Reply::Error(_)) {
            self.count_rejected(Some(call.index));
        }
        self.flush_writes().await;
        self.reply(&reply);
        true
    }

    /// Waits while clients are paused (CLIENT PAUSE).
    pub(super) async fn paused(&mut self, call: Resolved) -> Result<(), Close> {
        if !self.is_held_back(call) {
            return Ok(());
        }
        self.flush_writes().await;
        self.send().await?;
        let client = Arc::clone(&self.session.client);
        let _blocked = client.block();
        while self.is_held_back(call) {
            if client.is_killed() || self.thread.stop.is_asked() {
                return Err(Close::Now);
            }
            let node = &self.thread.node;
            tokio::select! {
                () = node.clients.unpaused.notified() => {}
                () = tokio::time::sleep(PAUSE_POLL) => {}
                // A client that has disconnected wants nothing done any more.
                () = gone(&mut self.stream, &mut self.input, &client, &node.stats) => return Err(Close::Now),
            }
            self.clock.lap();
        }
        Ok(())
    }

    pub(super) fn is_held_back(&self, call: Resolved) -> bool {
        let Some(pause) = self.thread.node.clients.paused(self.clock.now_ms()) else { return false };
        let (command, queue) = (call.command, &self.session.transaction);
        match pause.mode {
            PauseMode::All => !command.flags.has(Flags::IN_PAUSE),
            PauseMode::Write if command.flags.has(Flags::RUNS_QUEUE) => {
                queue.as_ref().is_some_and(|queue| queue.writes)
            }
            PauseMode::Write => command.is_write(),
        }
    }

    /// Whether it is a call for EXEC.
    fn in_exec(&self, call: Resolved) -> Result<(), ErrorReply> {
        if !call.command.flags.has(Flags::NOT_IN_EXEC) {
            return Ok(());
        }
        let name = call.full_name().to_ascii_uppercase();
        // Each as redis-server words it.
        let client = if call.command.flags.has(Flags::PUBSUB) { "a DENY BLOCKING" } else { "DENY BLOCKING" };
        Err(ErrorReply::err(format!("{name} isn't allowed for {client} client")))
    }

    /// A cluster has one database. Said where a call runs, as by redis-server: MULTI queues it.
    pub(super) fn in_cluster(&self, call: Resolved, argv: &[&[u8]]) -> Result<(), ErrorReply> {
        let Some(refuses) = call.command.not_in_cluster else { return Ok(()) };
        match refuses(argv).filter(|_| self.thread.node.config.settings().cluster_enabled) {
            Some(text) => Err(ErrorReply::err(text)),
            None => Ok(()),
        }
    }

    pub(super) fn count_rejected(&self, index: Option<usize>) {
        if let Some(stats) = index.and_then(|index| self.thread.node.stats.command(index)) {
            Stats::add(&stats.rejected, 1);
        }
    }
}

fn is_http(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"POST") || word.eq_ignore_ascii_case(b"HOST:")
}
