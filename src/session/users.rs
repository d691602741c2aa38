//! The users as this node has applied them: rows of the system's database, compiled.
//!
//! Batches that change users tell their names (`ChangeEvent::User`), and a snapshot replaces them all; both are followed before
//! the write is answered. A session looks at `version` before each call, and reads its user anew when that has changed.
//! Sessions whose user is gone or off are closed: at their next call, or by `cut` within a second.
//!
//! As long as nobody has changed the user `default` it has no row, and may do everything. Its password is each node's
//! `requirepass` until a rule says something of its passwords.

use super::{AclLog, Clients, DeniedIn, DeniedReason};
use crate::{
    acl::{Catalogue, Definition, Hash, Record, USER_ROWS, User, is_one_of, key_of, name_of},
    config::Settings,
    error::{Error, Result, StoreError},
    limits::{SYSTEM_DATABASE, USER_NAME},
    store::{ReadTime, Store},
    time::now_ms,
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

type ByName = BTreeMap<String, Arc<User>>;

/// See the module.
pub struct Users {
    /// Read before every call, so apart from what is written often.
    version: AtomicU64,
    by_name: ArcSwap<ByName>,
    catalogue: &'static Catalogue,
    /// The user `default` without a row.
    built_in: Arc<User>,
    /// Serialises changes.
    changing: Mutex<()>,
    /// The version as of which sessions were closed.
    cut: AtomicU64,
    /// Users that may no longer hear what they could.
    hear_less: Mutex<BTreeSet<String>>,
    /// Serialises ACL SAVE.
    pub saving: Mutex<()>,
    pub log: AclLog,
    pub denied_commands: AtomicU64,
    pub denied_keys: AtomicU64,
    pub denied_channels: AtomicU64,
    pub denied_databases: AtomicU64,
}

impl Users {
    pub fn new(catalogue: &'static Catalogue) -> Self {
        let built_in = Arc::new(User::new(USER_NAME, 0, Definition::of_default(), catalogue));
        Users {
            version: AtomicU64::new(0),
            by_name: ArcSwap::default(),
            catalogue,
            built_in,
            changing: Mutex::default(),
            cut: AtomicU64::new(0),
            hear_less: Mutex::default(),
            saving: Mutex::default(),
            log: AclLog::default(),
            denied_commands: AtomicU64::new(0),
            denied_keys: AtomicU64::new(0),
            denied_channels: AtomicU64::new(0),
            denied_databases: AtomicU64::new(0),
        }
    }

    pub fn catalogue(&self) -> &'static Catalogue {
        self.catalogue
    }

    /// Changes with every change of a user.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// A user.
    pub fn get(&self, name: &str) -> Option<Arc<User>> {
        let found = self.by_name.load().get(name).cloned();
        found.or_else(|| (name == USER_NAME).then(|| Arc::clone(&self.built_in)))
    }

    /// The user of a connection that has not authenticated.
    pub fn default_user(&self) -> Arc<User> {
        self.get(USER_NAME).unwrap_or_else(|| Arc::clone(&self.built_in))
    }

    /// Whether the password of the user `default` is that of the configuration.
    pub fn password_is_configured(&self) -> bool {
        self.default_user().definition().password_is_configured
    }

    /// All users, by name.
    pub fn all(&self) -> Vec<Arc<User>> {
        let by_name = self.by_name.load();
        let built_in = Some(&self.built_in).filter(|_| !by_name.contains_key(USER_NAME));
        let mut all: Vec<Arc<User>> = by_name.values().chain(built_in).cloned().collect();
        all.sort_by(|a, b| a.name().cmp(b.name()));
        all
    }

    /// A user was refused something: counts it, and adds it to ACL LOG, which has so many entries at most. `client`: as CLIENT INFO
    /// describes it.
    pub fn note_denied(
        &self,
        why: (DeniedReason, DeniedIn),
        object: &[u8],
        user: &str,
        client: String,
        len_max: usize,
    ) {
        let counter = match why.0 {
            DeniedReason::Command => Some(&self.denied_commands),
            DeniedReason::Key => Some(&self.denied_keys),
            DeniedReason::Channel => Some(&self.denied_channels),
            DeniedReason::Database => Some(&self.denied_databases),
            // Counted where it fails.
            DeniedReason::Auth => None,
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.log.add(why, object, user.as_bytes(), client, now_ms(), len_max);
    }

    /// Whether there are any but `default` as it has always been.
    pub fn has_any(&self) -> bool {
        !self.by_name.load().is_empty()
    }

    /// Whether a connection need not authenticate: it is the user `default`'s.
    pub fn is_open(&self, settings: &Settings) -> bool {
        self.default_user().definition().is_on && !self.default_has_password(settings)
    }

    /// Whether the user `default` has a password at this node.
    pub fn default_has_password(&self, settings: &Settings) -> bool {
        let user = self.default_user();
        match user.definition().password_is_configured {
            true => !settings.requirepass.is_empty(),
            false => !user.definition().is_nopass,
        }
    }

    /// The user, if the password is right.
    pub fn authenticate(&self, settings: &Settings, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        let name = std::str::from_utf8(name).ok();
        let user = name.and_then(|name| self.get(name));
        let (is_on, is_nopass, hashes) = match &user {
            Some(user) if user.definition().password_is_configured => {
                let password = &settings.requirepass;
                let valid = std::iter::once(password).chain(&settings.requirepass_also);
                let hashes = valid.map(|password| Hash::of(password.as_bytes())).collect();
                (user.definition().is_on, password.is_empty(), hashes)
            }
            Some(user) => {
                let definition = user.definition();
                (definition.is_on, definition.is_nopass, definition.passwords.clone())
            }
            None => (false, false, Vec::new()),
        };
        // Compares for any user, so that the time does not tell whether there is one.
        let is_right = is_one_of(password, &hashes);
        user.filter(|_| is_on && (is_right || is_nopass))
    }

    /// CONFIG RESETSTAT.
    pub fn reset_counts(&self) {
        let counters =
            [&self.denied_commands, &self.denied_keys, &self.denied_channels, &self.denied_databases];
        for counter in counters {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Reads all users anew: at start, and when a snapshot has replaced the data.
    pub fn reload(&self, store: &Store) -> Result<(), StoreError> {
        self.read_all(store).map_err(fatal)
    }

    fn read_all(&self, store: &Store) -> Result<()> {
        let _changing = self.changing.lock();
        let published = store.published();
        let view = store.blocking_view(&published, SYSTEM_DATABASE, ReadTime::LastEntry).quiet();
        let mut by_name = ByName::new();
        view.scan(&[USER_ROWS], &[USER_ROWS], |key, row| {
            let name = name_of(key).ok_or_else(damaged)?;
            by_name.insert(name.to_owned(), Arc::new(self.compile(name, &row.body)?));
            Ok(ControlFlow::Continue(()))
        })?;
        let old = self.by_name.load_full();
        let mut hear_less = self.hear_less.lock();
        for (name, before) in old.iter() {
            if by_name.get(name).is_some_and(|now| now.hears_less_than(before)) {
                hear_less.insert(name.clone());
            }
        }
        drop(hear_less);
        self.install(by_name);
        Ok(())
    }

    /// Reads these users anew, which a batch has changed.
    pub fn follow(&self, store: &Store, names: &BTreeSet<String>) -> Result<(), StoreError> {
        self.read_some(store, names).map_err(fatal)
    }

    fn read_some(&self, store: &Store, names: &BTreeSet<String>) -> Result<()> {
        let _changing = self.changing.lock();
        let published = store.published();
        let view = store.blocking_view(&published, SYSTEM_DATABASE, ReadTime::LastEntry).quiet();
        let mut by_name = ByName::clone(&self.by_name.load());
        for name in names {
            let before = by_name.remove(name).or_else(|| self.get(name));
            let Some(row) = view.get(&key_of(name))? else { continue };
            let now = self.compile(name, &row.body)?;
            if before.is_some_and(|before| now.hears_less_than(&before)) {
                self.hear_less.lock().insert(name.clone());
            }
            by_name.insert(name.clone(), Arc::new(now));
        }
        self.install(by_name);
        Ok(())
    }

    fn compile(&self, name: &str, body: &[u8]) -> Result<User> {
        let record = Record::decode(body).ok_or_else(damaged)?;
        Ok(User::new(name, record.created, record.definition, self.catalogue))
    }

    fn install(&self, by_name: ByName) {
        self.by_name.store(Arc::new(by_name));
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The user of a session as it is now; `None`: there is none any more, or it is off.
    pub fn refreshed(&self, user: &User) -> Option<Arc<User>> {
        self.get(user.name()).filter(|now| now.created() == user.created() && now.definition().is_on)
    }

    /// Closes the sessions of users that are gone or off, those that listen to what their users may no longer hear, and those
    /// that monitor for users who `may_monitor` no more. To be called often; does nothing unless users have changed.
    pub fn cut(&self, clients: &Clients, may_monitor: impl Fn(&User) -> bool) {
        let version = self.version();
        if self.cut.swap(version, Ordering::Relaxed) == version {
            return;
        }
        let hear_less = std::mem::take(&mut *self.hear_less.lock());
        for client in clients.all() {
            let Some(user) = client.user() else { continue };
            let is_deaf = || client.is_subscribed() && hear_less.contains(user.name());
            let is_blind = |now: &User| client.monitors.load(Ordering::Relaxed) && !may_monitor(now);
            if self.refreshed(&user).is_none_or(|now| is_blind(&now)) || is_deaf() {
                client.kill();
            }
        }
    }
}

fn fatal(error: Error) -> StoreError {
    match error {
        Error::Fatal(error) => error,
        other => StoreError::corrupt("user", other.to_string()),
    }
}

fn damaged() -> StoreError {
    StoreError::corrupt("user", "a row that this program cannot read")
}
