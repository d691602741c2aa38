//! A store in a directory of its own, and what a test wants to do with it.

use crate::{
    error::Result,
    store::{LogId, NewRow, Store, StoreOptions, Txn, View, engine::Family},
};
use resp_tests::dice::Dice;
use std::ops::ControlFlow;
use tempfile::TempDir;

/// Raises an empty store to the newest feature level, where a new core begins.
pub fn raise(store: &Store) {
    let mut txn = store.begin();
    txn.raise_feature_level(crate::feature_level::NEWEST);
    txn.commit().unwrap();
}

pub struct Home {
    pub directory: TempDir,
    options: StoreOptions,
    pub store: Store,
}

impl Home {
    pub fn new(hot_cache_bytes: usize) -> Self {
        let home = Self::new_at_first_level(hot_cache_bytes);
        raise(&home.store);
        home
    }

    /// As builds without a level in the log left it.
    pub fn new_at_first_level(hot_cache_bytes: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = StoreOptions { hot_cache_bytes, ..StoreOptions::default() };
        let store = Store::open(&directory.path().join("store"), options.clone()).unwrap();
        Home { directory, options, store }
    }

    /// Closes and opens it.
    pub fn reopen(self) -> Self {
        let Home { directory, options, store } = self;
        drop(store);
        let store = Store::open(&directory.path().join("store"), options.clone()).unwrap();
        Home { directory, options, store }
    }

    /// As `reopen`, with everything in files first: there is no log here to bring it back.
    pub fn reopen_flushed(self) -> Self {
        self.store.flush().unwrap();
        self.reopen()
    }

    /// One entry of one accepted command on database `db`, in a batch of its own.
    pub fn write<T>(&self, at: u64, db: u32, run: impl FnOnce(&mut Txn<'_>) -> T) -> T {
        let mut txn = self.store.begin();
        let index = self.store.applied().map_or(1, |applied| applied.index + 1);
        txn.begin_entry(LogId { term: 1, index }, at, index);
        txn.begin_command(db);
        let out = run(&mut txn);
        txn.accept();
        txn.commit().unwrap();
        out
    }

    pub fn set(&self, db: u32, key: &[u8], value: &[u8], expires_at: u64) {
        self.write(0, db, |txn| txn.put(key, NewRow { expires_at, ..NewRow::string(value) }).unwrap());
    }

    /// Runs a read of database `db` at time `now`.
    pub fn read<T>(&self, db: u32, now: u64, run: impl FnOnce(&View<'_>) -> T) -> T {
        run(&self.store.blocking_view(&self.store.published(), db, crate::store::ReadTime::At(now)))
    }

    pub fn get(&self, db: u32, key: &[u8]) -> Option<Vec<u8>> {
        self.read(db, 0, |view| view.get(key).unwrap().map(|row| row.body.to_vec()))
    }

    /// Keys and keys with an expiry, as counted.
    pub fn counts(&self, db: u32) -> (u64, u64) {
        let published = self.store.published();
        let database = published.state().database(db);
        (database.keys, database.expires)
    }

    /// Compacts what is in files.
    pub fn compact(&self) {
        let published = self.store.published();
        let engine = published.engine();
        for family in Family::ALL {
            engine.db.compact_range_cf(engine.family(family).unwrap(), None::<&[u8]>, None::<&[u8]>);
        }
    }

    /// Rows that the engine holds in all: metadata, expiry index.
    pub fn rows(&self) -> (usize, usize) {
        (self.count(Family::Meta), self.count(Family::Expiry))
    }

    /// Sub-keys that the engine holds in all.
    pub fn subkeys(&self) -> usize {
        self.count(Family::Data) + self.count(Family::Score)
    }

    fn count(&self, family: Family) -> usize {
        let published = self.store.published();
        let handle = published.engine().family(family).unwrap();
        let mut iterator = published.engine().db.raw_iterator_cf(handle);
        iterator.seek_to_first();
        let mut rows = 0;
        while iterator.valid() {
            rows += 1;
            iterator.next();
        }
        iterator.status().unwrap();
        rows
    }
}

/// Random commands beside a model: batches of entries, in which one command of four is rejected. Both are compared after
/// every entry, inside the batch, and after every batch; some batches are followed by a flush or a restart.
pub fn against_model<M: Clone + Default>(
    mut home: Home,
    dice: &mut Dice,
    batches: u32,
    databases: u32,
    command: impl Fn(&mut Dice, &mut Txn<'_>, &mut M),
    compare: impl Fn(&View<'_>, &M, &mut Dice),
) -> (Home, M) {
    let mut model = M::default();
    for _ in 0..batches {
        let mut txn = home.store.begin();
        for _ in 0..=dice.below(2) {
            let index = txn.state().applied.map_or(1, |applied| applied.index + 1);
            txn.begin_entry(LogId { term: 1, index }, 0, index);
            for _ in 0..=dice.below(4) {
                txn.begin_command(dice.below(u64::from(databases)) as u32);
                let before = model.clone();
                command(dice, &mut txn, &mut model);
                if dice.below(4) == 0 {
                    txn.reject();
                    model = before;
                } else {
                    txn.accept();
                }
            }
            compare(&txn.view(), &model, dice);
        }
        txn.commit().unwrap();
        home.read(0, 0, |view| compare(view, &model, dice));
        home.store.checksum().unwrap();
        match dice.below(8) {
            0 => home = home.reopen_flushed(),
            1 => home.store.flush().unwrap(),
            _ => {}
        }
    }
    (home, model)
}

/// The keys a scan visits.
pub fn scan(view: &View<'_>, prefix: &[u8], start: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let visited: Result<()> = view.scan(prefix, start, |key, _| {
        found.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    });
    visited.unwrap();
    found
}
