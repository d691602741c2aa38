//! What has changed since the last unit of the stream.
//!
//! A key is known by the *contents* that its database had when it was written, since databases are emptied and exchanged: what was
//! written to contents that no database has any more is not worth sending, and all of that costs no look at the keys.
//!
//! **Bounds.** Commands beyond `COMMANDS_BYTES_MAX` are given up for the values of their keys; keys beyond `KEYS_BYTES_MAX` make it
//! overflow, and then nothing of it is of use.

use crate::{
    limits::{DATABASES, SYSTEM_DATABASE},
    store::{ChangeEvent, DatabaseChange, KeyChange, Passed, PassedCall, PassedCommand},
};
use foldhash::{HashMap, HashMapExt, HashSet};
use std::collections::hash_map::Entry;

const COMMANDS_BYTES_MAX: usize = 32 << 20;
const KEYS_BYTES_MAX: usize = 128 << 20;
/// What a key, or a command, takes beside its bytes, about.
const OVERHEAD_BYTES: usize = 128;

/// A key of contents.
pub type Place = (u32, Vec<u8>);

/// What is to be sent of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dirty {
    Expiry,
    /// These consumer groups, and the expiry.
    Groups(HashSet<Vec<u8>>),
    Value,
}

/// A command as it was called, with the database that it meant then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    pub db: u32,
    /// `None`: it is about no key.
    pub place: Option<Place>,
    pub words: Vec<Vec<u8>>,
}

/// See the module.
#[derive(Debug)]
pub struct Pending {
    /// Of each database.
    contents: Vec<u32>,
    next: u32,
    pub commands: Vec<Queued>,
    commands_bytes: usize,
    pub dirty: HashMap<Place, Dirty>,
    keys_bytes: usize,
    /// Commands that were given up for values.
    pub given_up: u64,
}

impl Default for Pending {
    fn default() -> Self {
        Pending {
            contents: (0..DATABASES).collect(),
            next: DATABASES,
            commands: Vec::new(),
            commands_bytes: 0,
            dirty: HashMap::new(),
            keys_bytes: 0,
            given_up: 0,
        }
    }
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.dirty.is_empty()
    }

    /// Takes all of it out. Databases go on to be known by what was written to them.
    pub fn split(&mut self) -> Self {
        let left = Pending { contents: self.contents.clone(), next: self.next, ..Pending::default() };
        std::mem::replace(self, left)
    }

    /// Takes the changes of a batch; false: it has overflown.
    pub fn take(&mut self, events: Vec<ChangeEvent>) -> bool {
        // Those that a call accounts for are behind it in this list.
        let mut own: Vec<KeyChange> = Vec::new();
        // How many of the last events nobody has accounted for yet, and which of them are changes of keys.
        let mut since: Vec<bool> = Vec::new();
        for event in events {
            match event {
                ChangeEvent::Key(change) => {
                    since.push(true);
                    own.push(change);
                    continue;
                }
                ChangeEvent::Call(call) => {
                    let first = since.len().saturating_sub(call.changes);
                    let keys = since.split_off(first).into_iter().filter(|is_key| *is_key).count();
                    let of_call = own.split_off(own.len().saturating_sub(keys));
                    self.values_of(own.drain(..));
                    since.clear();
                    self.call(call, of_call);
                    continue;
                }
                // In its place among the changes of keys.
                ChangeEvent::Databases(change) => {
                    self.values_of(own.drain(..));
                    since.clear();
                    self.databases(change);
                }
                ChangeEvent::Keyspace { .. }
                | ChangeEvent::Message { .. }
                | ChangeEvent::Read { .. }
                | ChangeEvent::ReadsTooMuch { .. }
                | ChangeEvent::User { .. } => {}
            }
            since.push(false);
        }
        self.values_of(own.drain(..));
        self.keep_bounds()
    }

    fn place(&self, db: u32, key: Vec<u8>) -> Option<Place> {
        let contents = self.contents.get(usize::try_from(db).ok()?)?;
        Some((*contents, key))
    }

    /// The database that has these contents now.
    pub fn database_of(&self, contents: u32) -> Option<u32> {
        let at = self.contents.iter().position(|now| *now == contents)?;
        u32::try_from(at).ok()
    }

    fn values_of(&mut self, changes: impl Iterator<Item = KeyChange>) {
        for change in changes {
            self.mark(change.db, change.key, Dirty::Value);
        }
    }

    fn mark(&mut self, db: u32, key: Vec<u8>, dirty: Dirty) {
        if db == SYSTEM_DATABASE {
            return;
        }
        let Some(place) = self.place(db, key) else { return };
        let bytes = place.1.len().saturating_add(OVERHEAD_BYTES);
        match self.dirty.entry(place) {
            Entry::Vacant(vacant) => {
                if let Dirty::Groups(groups) = &dirty {
                    self.keys_bytes = self.keys_bytes.saturating_add(groups_bytes(groups));
                }
                self.keys_bytes = self.keys_bytes.saturating_add(bytes);
                vacant.insert(dirty);
            }
            Entry::Occupied(mut there) => match (there.get_mut(), dirty) {
                (Dirty::Value, _) | (_, Dirty::Expiry) => {}
                (Dirty::Groups(groups), Dirty::Groups(more)) => {
                    for group in more {
                        let bytes = group.len().saturating_add(OVERHEAD_BYTES);
                        if groups.insert(group) {
                            self.keys_bytes = self.keys_bytes.saturating_add(bytes);
                        }
                    }
                }
                (there, dirty) => *there = dirty,
            },
        }
    }

    fn call(&mut self, call: PassedCall, own: Vec<KeyChange>) {
        let db = call.db;
        // Of a key that had expired there is still a value elsewhere, on which a call would build.
        let is_plain = |change: &KeyChange| change.db == db && (change.before.is_none() || change.was_live);
        match call.passed {
            Passed::Commands(commands) => {
                let is_of = |change: &KeyChange| commands.iter().any(|command| command.key == change.key);
                let of_clients = own.iter().filter(|change| change.db != SYSTEM_DATABASE);
                match of_clients.clone().all(|change| is_plain(change) && is_of(change)) {
                    true => commands.into_iter().for_each(|command| self.queue(db, command)),
                    false => {
                        commands.into_iter().for_each(|command| self.mark(db, command.key, Dirty::Value));
                        self.values_of(own.into_iter());
                    }
                }
            }
            Passed::Expiry => {
                for change in own {
                    let is_left = change.after.is_some() && is_plain(&change);
                    let dirty = if is_left { Dirty::Expiry } else { Dirty::Value };
                    self.mark(change.db, change.key, dirty);
                }
            }
            Passed::Keys(keys) => {
                keys.into_iter().for_each(|key| self.mark(db, key, Dirty::Value));
                self.values_of(own.into_iter());
            }
            Passed::StreamGroup { key, group } => match own.is_empty() {
                true => self.mark(db, key, Dirty::Groups([group].into_iter().collect())),
                false => self.values_of(own.into_iter()),
            },
            Passed::Words(words) => self.push(Queued { db, place: None, words }),
        }
    }

    fn queue(&mut self, db: u32, command: PassedCommand) {
        if let Some(place) = self.place(db, command.key) {
            self.push(Queued { db, place: Some(place), words: command.words });
        }
    }

    fn push(&mut self, queued: Queued) {
        let words = queued.words.iter().fold(0_usize, |sum, word| sum.saturating_add(word.len()));
        let key = queued.place.as_ref().map_or(0, |(_, key)| key.len());
        let lists = queued.words.len().saturating_mul(size_of::<Vec<u8>>());
        let bytes = words.saturating_add(key).saturating_add(lists).saturating_add(OVERHEAD_BYTES);
        self.commands_bytes = self.commands_bytes.saturating_add(bytes);
        self.commands.push(queued);
    }

    fn databases(&mut self, change: DatabaseChange) {
        let at = |db: u32| usize::try_from(db).unwrap_or(usize::MAX);
        let word = |number: u32| number.to_string().into_bytes();
        let words = match change {
            DatabaseChange::Emptied(db) => {
                let Some(contents) = self.contents.get_mut(at(db)) else { return };
                *contents = self.next;
                self.next = self.next.saturating_add(1);
                (db, vec![b"FLUSHDB".to_vec()])
            }
            DatabaseChange::Exchanged(a, b) => {
                if a >= DATABASES || b >= DATABASES {
                    return;
                }
                self.contents.swap(at(a), at(b));
                (0, vec![b"SWAPDB".to_vec(), word(a), word(b)])
            }
        };
        self.push(Queued { db: words.0, place: None, words: words.1 });
    }

    /// What of it is worth sending: nothing of contents that are gone, and no command about a key whose value is sent.
    pub fn is_wanted(&self, queued: &Queued) -> bool {
        match &queued.place {
            None => true,
            Some(place) => {
                self.database_of(place.0).is_some() && !matches!(self.dirty.get(place), Some(Dirty::Value))
            }
        }
    }

    fn keep_bounds(&mut self) -> bool {
        if self.commands_bytes > COMMANDS_BYTES_MAX {
            let commands = std::mem::take(&mut self.commands);
            self.commands_bytes = 0;
            for queued in commands {
                match queued.place {
                    None => self.push(queued),
                    Some(place) => {
                        self.given_up = self.given_up.saturating_add(1);
                        if let Some(db) = self.database_of(place.0) {
                            self.mark(db, place.1, Dirty::Value);
                        }
                    }
                }
            }
        }
        self.commands_bytes <= COMMANDS_BYTES_MAX && self.keys_bytes <= KEYS_BYTES_MAX
    }
}

fn groups_bytes(groups: &HashSet<Vec<u8>>) -> usize {
    groups.iter().fold(0, |sum, group| sum.saturating_add(group.len()).saturating_add(OVERHEAD_BYTES))
}
