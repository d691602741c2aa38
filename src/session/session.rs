//! Server-side state of one connection, owned by the task that serves it.

use super::{Client, Transaction};
use crate::{resp::Protocol, store::Condition};
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
    pub reply_mode: ReplyMode,
    /// Set by QUIT: close once the reply is sent.
    pub closing: bool,
}

impl Session {
    /// A fresh session; it is authenticated if the server asks for no password.
    pub fn new(client: Arc<Client>, authenticated: bool) -> Self {
        client.unauthenticated.store(!authenticated, Ordering::Relaxed);
        Session {
            client,
            db: 0,
            protocol: Protocol::Resp2,
            authenticated,
            transaction: None,
            watches: Vec::new(),
            reply_mode: ReplyMode::On,
            closing: false,
        }
    }

    /// Back to a new connection's state (RESET). Whether it stays authenticated is the caller's to say.
    pub fn reset(&mut self, authenticated: bool) {
        let client = Arc::clone(&self.client);
        client.reset();
        *self = Session::new(client, authenticated);
    }

    /// The client has proved who it is.
    pub fn authenticate(&mut self) {
        self.authenticated = true;
        self.client.unauthenticated.store(false, Ordering::Relaxed);
    }

    /// Selects a database.
    pub fn select(&mut self, db: u32) {
        self.db = db;
        self.client.set_db(db);
    }
}
