//! A replica on a store of its own, and entries by hand.

use crate::{
    commands,
    replica::{BatchBuilder, ProposalBuilder, Replica},
    resp::Reply,
    store::{ChangeEvent, Interest, LogId, Observer, Store, StoreOptions, tests::support::raise},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{fs, path::Path, sync::Arc};
use tempfile::TempDir;

const COPIES_MAX: usize = 100;

/// Index and payload.
pub type Entry = (u64, Bytes);

pub struct Home {
    directory: TempDir,
    options: StoreOptions,
    pub store: Arc<Store>,
    pub replica: Replica,
}

pub fn position(index: u64) -> LogId {
    LogId { term: 1, index }
}

impl Home {
    /// An empty store with a hot cache of so many bytes.
    pub fn new(hot_cache_bytes: usize) -> Self {
        let home = Self::at_first_level(hot_cache_bytes);
        raise(&home.store);
        home
    }

    /// One at this feature level.
    pub fn at_level(level: u32) -> Self {
        let home = Self::at_first_level(0);
        let mut txn = home.store.begin();
        txn.raise_feature_level(level);
        txn.commit().unwrap();
        home
    }

    fn at_first_level(hot_cache_bytes: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = StoreOptions { hot_cache_bytes, ..StoreOptions::default() };
        let (store, replica) = open(&directory, &options);
        Home { directory, options, store, replica }
    }

    /// As after a crash: only what is in files by now is there. Closing would write the rest, so it is the files of
    /// this moment that are opened.
    pub fn crash(self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy(&self.directory.path().join("store"), &directory.path().join("store"));
        let options = self.options;
        let (store, replica) = open(&directory, &options);
        Home { directory, options, store, replica }
    }

    /// Applies entries in one batch.
    pub fn apply(&self, entries: &[Entry]) -> Vec<Vec<Vec<Reply>>> {
        let mut txn = self.replica.begin();
        let replies = entries
            .iter()
            .map(|(index, payload)| self.replica.apply(&mut txn, position(*index), payload).unwrap())
            .collect();
        txn.commit().unwrap();
        replies
    }

    /// Applies one call as an entry after the last one.
    pub fn call(&self, at: u64, db: u32, words: &[&[u8]]) -> Reply {
        self.next(at, commands(&[(db, words)]))
    }

    /// Applies a sweep as an entry after the last one; returns how many keys it deleted.
    pub fn sweep(&self, at: u64, keys_max: u32) -> Reply {
        let Reply::Array(mut counts) = self.next(at, ProposalBuilder::sweep(keys_max)) else { panic!() };
        counts.swap_remove(0)
    }

    /// Applies one proposal as an entry after the last one; returns its last reply.
    pub fn next(&self, at: u64, proposal: Bytes) -> Reply {
        let index = self.store.applied().map_or(1, |applied| applied.index + 1);
        self.apply(&[(index, entry(at, index, &[proposal]))]).pop().unwrap().pop().unwrap().pop().unwrap()
    }

    /// Rows of collections that no batch which was stored has made.
    pub fn rows_ahead(&self) -> usize {
        self.store.rows_made_after(self.store.applied().map_or(0, |applied| applied.index))
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn keys(&self, db: u32) -> u64 {
        self.store.published().state().database(db).keys
    }
}

/// Copies a directory that the engine has open; again if a compaction changed it meanwhile.
fn copy(from: &Path, to: &Path) {
    let manifests = || -> u64 {
        files(&from.join("db"))
            .iter()
            .filter(|(name, _)| name.starts_with("MANIFEST"))
            .map(|(_, len)| len)
            .sum()
    };
    for _ in 0..COPIES_MAX {
        let before = manifests();
        fs::create_dir_all(to.join("db")).unwrap();
        let copied = files(&from.join("db"))
            .iter()
            .all(|(name, _)| fs::copy(from.join("db").join(name), to.join("db").join(name)).is_ok());
        if copied && manifests() == before {
            return;
        }
        fs::remove_dir_all(to).unwrap();
    }
    panic!("{from:?} never stands still");
}

/// Names and lengths.
fn files(directory: &Path) -> Vec<(String, u64)> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    // A file that the engine no longer needs may go at any time.
    entries
        .filter_map(|entry| Some((entry.file_name().into_string().unwrap(), entry.metadata().ok()?.len())))
        .collect()
}

fn open(directory: &TempDir, options: &StoreOptions) -> (Arc<Store>, Replica) {
    let store = Arc::new(Store::open(&directory.path().join("store"), options.clone()).unwrap());
    let replica = Replica::new(Arc::clone(&store), commands::table());
    (store, replica)
}

/// A replica that says which keyspace events it tells.
pub struct Told {
    home: Home,
    events: Arc<Events>,
}

#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl Observer for Events {
    fn interest(&self) -> Interest {
        Interest { events: true, ..Interest::default() }
    }

    fn changed(&self, _index: u64, changes: Vec<ChangeEvent>) {
        for change in changes {
            if let ChangeEvent::Keyspace { db, key, class, name } = change {
                self.0.lock().push(format!("{db} {} {class:?} {name}", String::from_utf8_lossy(&key)));
            }
        }
    }

    fn replaced(&self) {}
}

impl Told {
    pub fn of(home: Home) -> Self {
        let events = Arc::new(Events::default());
        home.store.observe(Arc::clone(&events) as Arc<dyn Observer>);
        Told { home, events }
    }

    /// Applies a call, or a sweep (`SWEEP`), and compares what it tells.
    pub fn check(&self, at: u64, call: &str, expected: &[&str]) {
        let words: Vec<&[u8]> = call.split(' ').map(str::as_bytes).collect();
        match call {
            "SWEEP" => drop(self.home.sweep(at, 100)),
            _ => drop(self.home.call(at, 0, &words)),
        }
        assert_eq!(std::mem::take(&mut *self.events.0.lock()), expected, "{call} at {at}");
    }
}

pub fn commands(calls: &[(u32, &[&[u8]])]) -> Bytes {
    let mut builder = ProposalBuilder::commands();
    calls.iter().for_each(|(db, words)| builder.push(*db, words));
    builder.finish()
}

pub fn entry(at: u64, seed: u64, proposals: &[Bytes]) -> Bytes {
    let mut batch = BatchBuilder::with_capacity(0);
    proposals.iter().for_each(|proposal| batch.push(proposal));
    batch.finish(at, seed)
}
