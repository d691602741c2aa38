//! The gates that every call passes, in Redis's order. Each is one step: the call goes on, or its client hears why not.
//!
//! | gate | a call of a client | a queued call, when EXEC comes to it |
//! |---|---|---|
//! | known, arity | always | was checked when it was queued |
//! | authenticated | always | always |
//! | ready | always | always |
//! | permitted | always | always |
//! | redirected | always; EXEC with all that is queued | with EXEC |
//! | listening | always | with EXEC |
//! | queued | inside MULTI | it may be none for EXEC (`NOT_IN_EXEC`) |
//! | paused | always; EXEC if it writes | with EXEC |
//! | in a cluster | always | always |
//!
//! What happens to a call that has passed them is `dispatch.rs`'s.

use super::{
    ahead::gone,
    connection::{Close, Connection},
};
use crate::{
    command::{Flags, Resolved},
    resp::{ErrorReply, Protocol, Reply},
    session::{PauseMode, Stats},
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How long a paused client sleeps before it looks at the pause again.
const PAUSE_POLL: Duration = Duration::from_millis(50);

/// Why a call does not go on.
#[derive(Debug)]
pub(super) enum Refusal {
    Error(ErrorReply),
    /// Another node is to be asked, or no node would do.
    Elsewhere(ErrorReply),
    /// The client is no client but a browser that somebody has talked into it.
    Security,
}

impl Connection {
    /// The gates before MULTI's queue.
    pub(super) fn admit(&mut self, argv: &[&[u8]]) -> Result<Resolved, Refusal> {
        let call = self.known(argv)?;
        self.session.client.last_command.store(call.index, Ordering::Relaxed);
        let admitted = self
            .authenticated(call)
            .and_then(|()| self.ready(call))
            .and_then(|()| self.permitted(call))
            .and_then(|()| self.redirected(call, argv))
            .and_then(|()| self.listening(call));
        match admitted {
            Ok(()) => Ok(call),
            Err(refusal) => {
                self.count_rejected(Some(call.index));
                Err(refusal)
            }
        }
    }

    /// The gates that a queued call passes when EXEC comes to it.
    pub(super) fn admit_queued(&self, call: Resolved, argv: &[&[u8]]) -> Result<(), ErrorReply> {
        let admitted =
            self.authenticated(call).and_then(|()| self.ready(call)).and_then(|()| self.permitted(call));
        match admitted {
            Ok(()) => self.in_exec(call).and_then(|()| self.in_cluster(call, argv)),
            Err(Refusal::Error(error) | Refusal::Elsewhere(error)) => Err(error),
            Err(Refusal::Security) => Err(ErrorReply::no_auth()),
        }
    }

    /// Known, with as many words as it takes.
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
        if self.thread.node.ready.load(Ordering::Acquire) || call.command.flags.has(Flags::LOADING) {
            return Ok(());
        }
        let (code, why) = self.thread.node.log.waiting();
        Err(Refusal::Error(ErrorReply::new(code, why)))
    }

    /// Whether the user may make this call. There is one user, who may make all.
    fn permitted(&self, _call: Resolved) -> Result<(), Refusal> {
        Ok(())
    }

    /// What a RESP2 client may still say while it is subscribed: it could not tell other replies from messages.
    fn listening(&self, call: Resolved) -> Result<(), Refusal> {
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
            let queued = u32::try_from(transaction.calls.len()).unwrap_or(u32::MAX);
            self.session.client.queued.store(queued, Ordering::Relaxed);
            self.session.client.multi_bytes.store(transaction.bytes() as u64, Ordering::Relaxed);
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
                // Whoever has gone wants nothing done any more.
                () = gone(&mut self.stream, &mut self.input, &client, &node.stats) => return Err(Close::Now),
            }
            self.clock.lap();
        }
        Ok(())
    }

    fn is_held_back(&self, call: Resolved) -> bool {
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
        Err(ErrorReply::err(format!("{name} isn't allowed for a DENY BLOCKING client")))
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
