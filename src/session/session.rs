//! Server-side state of one connection, owned by the task that serves it.

use super::{Client, Consistency, GroupSession, SessionTracking, Subscriptions, Transaction};
use crate::{acl::User, psync::Announced, resp::Protocol, store::Condition, time::monotonic_ms};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

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

/// The session.
pub struct Session {
    /// The part that other sessions may see (CLIENT LIST, CLIENT KILL).
    pub client: Arc<Client>,
    /// Selected logical database.
    pub db: u32,
    pub protocol: Protocol,
    pub authenticated: bool,
    /// Whose calls these are; before it has authenticated, `default`.
    pub user: Arc<User>,
    /// `Users::version` as of which the user was read.
    pub users_version: u64,
    /// `Some` between MULTI and EXEC or DISCARD.
    pub transaction: Option<Transaction>,
    pub reply_mode: ReplyMode,
    pub consistency: Consistency,
    /// One for each group that this connection has written to or watches keys of.
    groups: BTreeMap<u64, GroupSession>,
    pub subscriptions: Subscriptions,
    /// Of a client that tracks keys.
    pub tracking: Option<Box<SessionTracking>>,
    /// Of a client that says what follower it is (REPLCONF).
    pub announced: Option<Box<Announced>>,
    /// Set by QUIT: close once the reply is sent.
    pub closing: bool,
}

impl Session {
    /// A fresh session of this user; it is authenticated if the server asks for no password.
    pub fn new(client: Arc<Client>, user: Arc<User>, users_version: u64, authenticated: bool) -> Self {
        client.set_authenticated(authenticated, monotonic_ms());
        client.set_user(authenticated.then(|| Arc::clone(&user)));
        Session {
            client,
            db: 0,
            protocol: Protocol::Resp2,
            authenticated,
            user,
            users_version,
            transaction: None,
            reply_mode: ReplyMode::On,
            consistency: Consistency::default(),
            groups: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            tracking: None,
            announced: None,
            closing: false,
        }
    }

    /// Resets to a new connection's state (RESET), of the user `default`. The caller decides whether it is authenticated.
    pub fn reset(&mut self, default: Arc<User>, authenticated: bool) {
        let client = Arc::clone(&self.client);
        client.reset();
        // Its writes stay written, despite the reset.
        let mut groups = std::mem::take(&mut self.groups);
        groups.values_mut().for_each(|group| drop(group.unwatch()));
        *self = Session { groups, ..Session::new(client, default, self.users_version, authenticated) };
    }

    /// What it has to do with this group.
    pub fn of_group(&mut self, group: u64) -> &mut GroupSession {
        self.groups.entry(group).or_default()
    }

    /// How far this group's log must be for this connection to find its own writes; 0 = it wrote nothing there.
    pub fn wrote(&self, group: u64) -> u64 {
        self.groups.get(&group).map_or(0, |known| known.wrote)
    }

    /// Keys under WATCH, and the bytes of their names, in all groups.
    pub fn watching(&self) -> (usize, usize) {
        let add = |(keys, bytes): (usize, usize), (more, of): (usize, usize)| {
            (keys.saturating_add(more), bytes.saturating_add(of))
        };
        self.groups.values().map(GroupSession::watching).fold((0, 0), add)
    }

    /// Forgets all watches; returns those of this group, and whether one of the keys was written meanwhile. Those of another
    /// group cannot be checked by an entry of this one, so they count as written.
    pub fn unwatch(&mut self, group: u64) -> (Vec<Condition>, bool) {
        self.client.watched.store(0, Ordering::Relaxed);
        let (mut own, mut touched) = (Vec::new(), false);
        for (id, known) in &mut self.groups {
            let (watches, written) = known.unwatch();
            touched |= written || *id != group && !watches.is_empty();
            if *id == group {
                own = watches;
            }
        }
        (own, touched)
    }

    /// The client has authenticated as this user.
    pub fn authenticate(&mut self, user: Arc<User>) {
        self.authenticated = true;
        self.client.set_authenticated(true, 0);
        self.client.set_user(Some(Arc::clone(&user)));
        self.user = user;
    }

    /// The database of the next call: within MULTI, what the queued calls have selected.
    pub fn db_of_calls(&self) -> u32 {
        self.transaction.as_ref().map_or(self.db, |transaction| transaction.db)
    }

    /// Selects a database.
    pub fn select(&mut self, db: u32) {
        self.db = db;
        self.client.set_db(db);
    }
}
