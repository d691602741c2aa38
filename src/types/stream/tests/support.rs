//! A store in a directory of its own, and commands run on it.

use crate::{
    command::invoke,
    commands,
    resp::Reply,
    store::{LogId, Observer, ReadTime, Store, StoreOptions, Txn, View, tests::support::raise},
};
use std::sync::Arc;
use tempfile::TempDir;

pub struct Home {
    directory: TempDir,
    pub store: Store,
}

impl Home {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store"), StoreOptions::default()).unwrap();
        raise(&store);
        Home { directory, store }
    }

    pub fn observed(observer: Arc<dyn Observer>) -> Self {
        let home = Home::new();
        home.store.observe(observer);
        home
    }

    /// Closes and opens it, with everything in files.
    pub fn reopen(self) -> Self {
        self.store.flush().unwrap();
        let Home { directory, store } = self;
        drop(store);
        let store = Store::open(&directory.path().join("store"), StoreOptions::default()).unwrap();
        Home { directory, store }
    }

    /// A batch whose entry is of this time.
    pub fn begin(&self, at: u64) -> Txn<'_> {
        let mut txn = self.store.begin();
        let index = self.store.applied().map_or(1, |applied| applied.index + 1);
        txn.begin_entry(LogId { term: 1, index }, at, index);
        txn
    }

    /// One command in a batch of its own. Words are what stands between blanks.
    pub fn call(&self, at: u64, line: &str) -> Reply {
        let mut txn = self.begin(at);
        let reply = run(&mut txn, line);
        txn.commit().unwrap();
        reply
    }

    pub fn view<T>(&self, at: u64, read: impl FnOnce(&View<'_>) -> T) -> T {
        read(&self.store.blocking_view(&self.store.published(), 0, ReadTime::At(at)))
    }
}

pub fn words(line: &str) -> Vec<&[u8]> {
    line.split(' ').map(str::as_bytes).collect()
}

/// Runs a command as apply does.
pub fn run(txn: &mut Txn<'_>, line: &str) -> Reply {
    txn.begin_command(0);
    let reply = invoke(commands::table(), txn, &words(line), true).unwrap();
    txn.accept();
    reply
}
