//! Server-side state of one connection, owned by the task that serves it.

use super::{Client, Consistency, Subscriptions, Transaction};
use crate::{
    resp::Protocol,
    store::{Condition, Watches},
    time::monotonic_ms,
};
use std::sync::{Arc, atomic::Ordering};

/// CLIENT REPLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// Drop the reply of the next command, then `On`.
    SkipNext,
    /// Drop this reply.
    Skip,
}

/// See the module.
pub struct Session {
    /// What other sessions may see of this one (CLIENT LIST, CLIENT KILL).
    pub client: Arc<Client>,
    /// Selected logical database.
    pub db: u32,
    pub protocol: Protocol,
    pub authenticated: bool,
    /// `Some` between MULTI and EXEC or DISCARD.
    pub transaction: Option<Transaction>,
    /// Keys under WATCH with the revisions they had.
    pub watches: Vec<Condition>,
    /// Told of writes to these keys; `None` = nothing is watched.
    pub watched: Option<Watches>,
    pub reply_mode: ReplyMode,
    pub consistency: Consistency,
    /// On an edge: the entry of the core that has this connection's last write, or a later one; 0 = it wrote nothing.
    pub wrote: u64,
    pub subscriptions: Subscriptions,
    /// CLIENT CAPA redirect: the client can be told to go elsewhere.
    pub can_be_redirected: bool,
    /// Set by QUIT: close once the reply is sent.
    pub closing: bool,
}

impl Session {
    /// A fresh session; it is authenticated if the server asks for no password.
    pub fn new(client: Arc<Client>, authenticated: bool) -> Self {
        client.set_authenticated(authenticated, monotonic_ms());
        Session {
            client,
            db: 0,
            protocol: Protocol::Resp2,
            authenticated,
            transaction: None,
            watches: Vec::new(),
            watched: None,
            reply_mode: ReplyMode::On,
            consistency: Consistency::default(),
            wrote: 0,
            subscriptions: Subscriptions::default(),
            can_be_redirected: false,
            closing: false,
        }
    }

    /// Back to a new connection's state (RESET). Whether it stays authenticated is the caller's to say.
    pub fn reset(&mut self, authenticated: bool) {
        let client = Arc::clone(&self.client);
        client.reset();
        // What it wrote it wrote, whatever it is reset to.
        let wrote = self.wrote;
        *self = Session { wrote, ..Session::new(client, authenticated) };
    }

    /// Forgets all watches; returns them, and whether one of the keys was written meanwhile.
    pub fn unwatch(&mut self) -> (Vec<Condition>, bool) {
        self.client.watched.store(0, Ordering::Relaxed);
        let touched = self.watched.take().is_some_and(|watched| watched.touched());
        (std::mem::take(&mut self.watches), touched)
    }

    /// The client has proved who it is.
    pub fn authenticate(&mut self) {
        self.authenticated = true;
        self.client.set_authenticated(true, 0);
    }

    /// Selects a database.
    pub fn select(&mut self, db: u32) {
        self.db = db;
        self.client.set_db(db);
    }
}
