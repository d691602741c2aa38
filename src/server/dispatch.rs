//! The gates that every call passes, in Redis's order: known, arity, authenticated, queued by MULTI, paused, run.

use super::{
    ahead::gone,
    connection::{Close, Connection},
};
use crate::{
    command::{Args, Flags, Resolved, Run},
    error::Error,
    resp::{ErrorReply, Protocol, Reply},
    session::{Context, PauseMode, Stats},
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// How long a paused client sleeps before it looks at the pause again.
const PAUSE_POLL: Duration = Duration::from_millis(50);

impl Connection {
    /// Runs one call and appends its reply, or queues it behind the chunk's writes.
    pub(super) async fn dispatch(&mut self, argv: &[&[u8]]) -> Result<(), Close> {
        let resolved = match self.gate(argv) {
            Ok(resolved) => resolved,
            Err(Refusal::Security) => {
                tracing::warn!(
                    client = self.session.client.id,
                    "a client speaks HTTP: closing, this looks like a cross-protocol attack"
                );
                return Err(Close::Now);
            }
            Err(Refusal::Error(error)) => {
                self.settle().await;
                let is_exec = argv.first().is_some_and(|word| word.eq_ignore_ascii_case(b"EXEC"));
                let is_elsewhere = ["MOVED", "REDIRECT", "CROSSSLOT", "CLUSTERDOWN"].contains(&error.code());
                if is_exec && is_elsewhere {
                    self.abandon_transaction();
                    self.reply_error(error);
                } else if is_exec {
                    self.abandon_transaction();
                    let why = if error.code() == "ERR" { error.text().to_owned() } else { error.to_string() };
                    let text = format!("Transaction discarded because of: {why}");
                    self.reply_error(ErrorReply::new("EXECABORT", text));
                } else {
                    if let Some(transaction) = &mut self.session.transaction {
                        transaction.aborted = true;
                    }
                    self.reply_error(error);
                }
                return Ok(());
            }
        };
        if self.queue(resolved, argv).await {
            return Ok(());
        }
        if self.is_held_back(resolved) {
            self.settle().await;
            self.wait_out_pause(resolved).await?;
        }
        self.run(resolved, argv).await
    }

    fn gate(&mut self, argv: &[&[u8]]) -> Result<Resolved, Refusal> {
        let resolved = self.local.table.resolve(argv).map_err(|error| {
            self.count_rejected(self.local.table.index(argv));
            match argv.first() {
                Some(word) if is_http(word) => Refusal::Security,
                _ => Refusal::Error(error),
            }
        })?;
        self.session.client.last_command.store(resolved.index, Ordering::Relaxed);
        if !self.session.authenticated && !resolved.command.flags.has(Flags::NO_AUTH) {
            self.count_rejected(Some(resolved.index));
            return Err(Refusal::Error(ErrorReply::no_auth()));
        }
        if !self.local.node.ready.load(Ordering::Acquire) && !resolved.command.flags.has(Flags::LOADING) {
            self.count_rejected(Some(resolved.index));
            let (code, why) = self.local.node.log.waiting();
            return Err(Refusal::Error(ErrorReply::new(code, why)));
        }
        if let Some(error) = self.elsewhere(resolved, argv) {
            self.count_rejected(Some(resolved.index));
            return Err(Refusal::Error(error));
        }
        let listens = self.session.protocol == Protocol::Resp2 && !self.session.subscriptions.is_empty();
        if listens && !is_for_listeners(resolved) {
            self.count_rejected(Some(resolved.index));
            let text = format!(
                "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                self.local.table.names().get(resolved.index).map_or("", String::as_str)
            );
            return Err(Refusal::Error(ErrorReply::err(text)));
        }
        Ok(resolved)
    }

    /// An EXEC that was refused ends its transaction all the same.
    fn abandon_transaction(&mut self) {
        self.session.transaction = None;
        self.session.unwatch();
        self.session.client.queued.store(u32::MAX, Ordering::Relaxed);
    }

    /// Inside MULTI, queues the call; true if it did (or refused it).
    async fn queue(&mut self, resolved: Resolved, argv: &[&[u8]]) -> bool {
        let Some(transaction) = &mut self.session.transaction else { return false };
        if matches!(resolved.command.name, "EXEC" | "DISCARD" | "MULTI" | "WATCH" | "QUIT" | "RESET") {
            return false;
        }
        let reply = if resolved.command.flags.has(Flags::NO_MULTI) {
            transaction.aborted = true;
            Reply::Error(ErrorReply::err("Command not allowed inside a transaction"))
        } else if transaction.push(argv) {
            let queued = u32::try_from(transaction.calls.len()).unwrap_or(u32::MAX);
            self.session.client.queued.store(queued, Ordering::Relaxed);
            self.session.client.multi_bytes.store(transaction.bytes() as u64, Ordering::Relaxed);
            Reply::Simple("QUEUED".into())
        } else {
            Reply::Error(ErrorReply::err("transaction is larger than the limit; EXEC will be refused"))
        };
        if matches!(reply, Reply::Error(_)) {
            self.count_rejected(Some(resolved.index));
        }
        self.settle().await;
        self.reply(&reply);
        true
    }

    fn is_held_back(&self, resolved: Resolved) -> bool {
        let clients = &self.local.node.clients;
        let Some(pause) = clients.paused(self.clock.now_ms()) else { return false };
        // CLIENT UNPAUSE must get through, or a pause could not be taken back.
        let is_client = resolved.parent.is_some_and(|parent| parent.name == "CLIENT");
        match pause.mode {
            PauseMode::All => !is_client,
            PauseMode::Write => {
                resolved.command.is_write() || (resolved.command.name == "EXEC" && self.queue_writes())
            }
        }
    }

    fn queue_writes(&self) -> bool {
        self.session.transaction.as_ref().is_some_and(|transaction| {
            transaction.calls.iter().any(|argv| {
                let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
                self.local.table.resolve(&argv).is_ok_and(|resolved| resolved.command.is_write())
            })
        })
    }

    pub(super) async fn wait_out_pause(&mut self, resolved: Resolved) -> Result<(), Close> {
        if !self.is_held_back(resolved) {
            return Ok(());
        }
        self.send().await?;
        let client = Arc::clone(&self.session.client);
        let _blocked = client.block();
        while self.is_held_back(resolved) {
            if client.is_killed() || self.local.stop.is_asked() {
                return Err(Close::Now);
            }
            let node = &self.local.node;
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

    pub(super) fn count_rejected(&self, index: Option<usize>) {
        if let Some(stats) = index.and_then(|index| self.local.node.stats.command(index)) {
            Stats::add(&stats.rejected, 1);
        }
    }

    /// Counts a call that ran.
    pub(super) fn count_call(&mut self, index: usize, took: Duration, failed: bool) {
        self.commands = self.commands.saturating_add(1);
        self.local.stats.record(index, took);
        if let Some(stats) = self.local.node.stats.command(index) {
            Stats::add(&stats.calls, 1);
            Stats::add(&stats.micros, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            if failed {
                Stats::add(&stats.failed, 1);
            }
        }
    }

    async fn run(&mut self, resolved: Resolved, argv: &[&[u8]]) -> Result<(), Close> {
        if let Some(error) = self.refused_in_cluster(resolved, argv) {
            self.settle().await;
            self.finish(resolved.index, &Reply::Error(error));
            return Ok(());
        }
        if let Some(wait_for) = resolved.command.wait {
            let reply = self.wait_for_keys(resolved, wait_for, argv).await?;
            self.finish(resolved.index, &reply);
            return Ok(());
        }
        match resolved.command.run {
            Run::Write(_) => self.write(resolved.index, argv).await,
            // A cheap read behind writes of the same chunk travels with them: one round trip for all.
            Run::Read(_) if !self.pending.is_empty() && resolved.command.flags.has(Flags::FAST) => {
                self.write(resolved.index, argv).await;
            }
            Run::Read(handler) => {
                self.settle().await;
                let reply = self.read(handler, resolved.names, argv).await?;
                self.finish(resolved.index, &reply);
            }
            Run::Local(handler) => {
                self.settle().await;
                self.wait_to_authenticate(resolved, argv).await?;
                let (mut context, mut args) = (self.context(), Args::new(argv, resolved.names));
                let outcome = handler(&mut context, &mut args);
                if resolved.command.name.ends_with("UNSUBSCRIBE") {
                    // Nothing comes after the confirmation: a RESP2 client would take it for a reply.
                    self.pass_on().await?;
                }
                let reply = self.reply_of(outcome)?;
                self.finish(resolved.index, &reply);
            }
            Run::Admin(handler) => {
                self.settle().await;
                let (mut context, mut args) = (self.context(), Args::new(argv, resolved.names));
                let outcome = handler(&mut context, &mut args);
                match outcome {
                    Ok(action) => {
                        let reply = self.act(action).await?;
                        self.finish(resolved.index, &reply);
                    }
                    Err(error) => {
                        let reply = self.reply_of(Err(error))?;
                        self.finish(resolved.index, &reply);
                    }
                }
            }
            Run::Container => {
                self.settle().await;
                self.count_rejected(Some(resolved.index));
                let name = resolved.command.name.to_ascii_lowercase();
                self.reply_error(ErrorReply::wrong_arity(&name));
            }
        }
        Ok(())
    }

    /// After wrong passwords from its address, an attempt waits until it is due.
    async fn wait_to_authenticate(&mut self, resolved: Resolved, argv: &[&[u8]]) -> Result<(), Close> {
        let has_password = match resolved.command.name {
            "AUTH" => true,
            "HELLO" => argv.iter().any(|word| word.eq_ignore_ascii_case(b"AUTH")),
            _ => false,
        };
        let from = self.session.client.peer.ip();
        while has_password && let Some(left) = self.local.node.auth_failures.held_for(from, Instant::now()) {
            self.send().await?;
            self.pause_for(left).await?;
        }
        Ok(())
    }

    /// Counts a call and appends its reply.
    fn finish(&mut self, index: usize, reply: &Reply) {
        let took = self.clock.lap();
        self.count_call(index, took, matches!(reply, Reply::Error(_)));
        self.reply(reply);
    }

    pub(super) fn context(&mut self) -> Context<'_> {
        Context { session: &mut self.session, node: &self.local.node, now: self.clock.now_ms() }
    }

    /// A handler's outcome as a reply; a store failure stops the node.
    pub(super) fn reply_of(&self, outcome: Result<Reply, Error>) -> Result<Reply, Close> {
        match outcome {
            Ok(reply) => Ok(reply),
            Err(Error::Client(error)) => Ok(Reply::Error(error)),
            Err(Error::WouldBlock | Error::NotLogged) => Ok(Reply::Error(ErrorReply::err("internal error"))),
            Err(Error::Fatal(error)) => error.stop_the_process("the store failed while reading"),
        }
    }
}

enum Refusal {
    Error(ErrorReply),
    Security,
}

fn is_http(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"POST") || word.eq_ignore_ascii_case(b"HOST:")
}

/// What a RESP2 client may still say while it listens.
fn is_for_listeners(resolved: Resolved) -> bool {
    const WORDS: [&str; 9] = [
        "PING",
        "PSUBSCRIBE",
        "PUNSUBSCRIBE",
        "QUIT",
        "RESET",
        "SSUBSCRIBE",
        "SUBSCRIBE",
        "SUNSUBSCRIBE",
        "UNSUBSCRIBE",
    ];
    resolved.parent.is_none() && WORDS.contains(&resolved.command.name)
}
