//! An edge's data are the core's, whatever way its entries come.

use super::support::{Home, commands, entry, position};
use crate::{
    replica::{BootstrapSnapshot, Replica, SiteEntry, put_record},
    resp::Reply,
    store::{LogId, Store, StoreOptions, tests::support::raise},
};
use bytes::Bytes;
use std::sync::Arc;
use tempfile::TempDir;

/// An edge, and how far its site's log has come.
struct Edge {
    directory: TempDir,
    replica: Replica,
    next: u64,
}

fn open(directory: &TempDir) -> Replica {
    let store = Store::open(&directory.path().join("store"), StoreOptions::default()).unwrap();
    Replica::new(Arc::new(store), crate::commands::table()).of_edge()
}

impl Edge {
    fn new() -> Edge {
        let directory = tempfile::tempdir().unwrap();
        let replica = open(&directory);
        // As the core that these tests apply the same entries to.
        raise(replica.store());
        let edge = Edge { directory, replica, next: 2 };
        // As every log begins: a membership, a leader's first entry.
        let mut txn = edge.replica.begin();
        edge.replica.membership(&mut txn, position(0), b"the site's members".to_vec()).unwrap();
        edge.replica.advance(&mut txn, position(1)).unwrap();
        txn.commit().unwrap();
        edge
    }

    fn reopen(self) -> Edge {
        let Edge { directory, replica, next } = self;
        replica.store().flush().unwrap();
        drop(replica);
        let replica = open(&directory);
        Edge { directory, replica, next }
    }

    /// Applies core entries as one entry of the site; `None` is an entry without commands.
    fn follow(&mut self, history: &str, entries: &[(LogId, Option<&Bytes>)]) -> Reply {
        let mut records = Vec::new();
        for (at, batch) in entries {
            put_record(&mut records, *at, batch.map(|bytes| &bytes[..]));
        }
        let mut txn = self.replica.begin();
        let payload = SiteEntry::entries(history, &records);
        let replies = self.replica.apply(&mut txn, position(self.next), &payload).unwrap();
        txn.commit().unwrap();
        self.next += 1;
        replies[0][0].clone()
    }

    fn sum(&self) -> u32 {
        self.replica.store().checksum().unwrap()
    }
}

fn is_refused(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(_))
}

/// A core with some data: its entries, positions 0 to 4.
fn core() -> (Home, Vec<(LogId, Option<Bytes>)>) {
    let home = Home::new(1 << 20);
    let mut txn = home.replica.begin();
    home.replica.membership(&mut txn, position(0), b"the core's members".to_vec()).unwrap();
    home.replica.advance(&mut txn, position(1)).unwrap();
    txn.commit().unwrap();
    let mut entries = vec![(position(0), None), (position(1), None)];
    for (index, words) in [
        (2, vec![&b"SET"[..], b"a", b"1"]),
        (3, vec![b"SET", b"b", b"2", b"PX", b"50"]),
        (4, vec![b"INCR", b"a"]),
    ] {
        let payload = entry(1000 + index, index, &[commands(&[(0, &words[..])])]);
        home.apply(&[(index, payload.clone())]);
        entries.push((position(index), Some(payload)));
    }
    (home, entries)
}

fn borrowed(entries: &[(LogId, Option<Bytes>)]) -> Vec<(LogId, Option<&Bytes>)> {
    entries.iter().map(|(at, batch)| (*at, batch.as_ref())).collect()
}

#[test]
fn the_state_is_the_cores_however_entries_are_cut_and_repeated() {
    let (core, entries) = core();
    let entries = borrowed(&entries);
    let mut edge = Edge::new();
    assert_eq!(edge.follow("h", &entries[..2]), Reply::Int(1));
    assert_eq!(edge.follow("h", &entries[1..3]), Reply::Int(2));
    let mut edge = edge.reopen();
    assert_eq!(edge.follow("h", &entries), Reply::Int(4));
    assert_eq!(edge.follow("h", &entries[2..4]), Reply::Int(4));
    assert_eq!(edge.sum(), core.store.checksum().unwrap());
    let edge = edge.reopen();
    assert_eq!(edge.sum(), core.store.checksum().unwrap());
    let store = edge.replica.store();
    assert_eq!(store.applied(), Some(position(edge.next - 1)), "the site's log has positions of its own");
    assert_eq!(store.flushed().unwrap(), store.applied());
    assert_eq!(store.published().site().unwrap().history, "h");
    assert_eq!(store.membership().unwrap().as_deref(), Some(&b"the site's members"[..]));
}

#[test]
fn gaps_other_histories_and_earlier_terms_are_refused_and_change_nothing() {
    let (_, entries) = core();
    let entries = borrowed(&entries);
    let mut edge = Edge::new();
    assert!(is_refused(&edge.follow("h", &entries[1..])), "the beginning is missing");
    assert_eq!(edge.follow("h", &entries[..3]), Reply::Int(2));
    let before = edge.sum();
    assert!(is_refused(&edge.follow("h", &entries[4..])), "a gap");
    assert!(is_refused(&edge.follow("other", &entries[3..])), "another history");
    let earlier = LogId { term: 0, index: 3 };
    assert!(is_refused(&edge.follow("h", &[(earlier, None)])), "an earlier term");
    assert_eq!(edge.sum(), before);
    // An entry that continues the data is applied all the same.
    assert_eq!(edge.follow("h", &entries[3..]), Reply::Int(4));
}

#[test]
fn a_bootstrap_snapshot_replaces_the_data_and_keeps_the_sites_own() {
    let (core, entries) = core();
    let files = core.store.checkpoint(&core.path().join("bootstrap")).unwrap();
    let mut edge = Edge::new();
    assert_eq!(edge.follow("old", &borrowed(&entries)[..3]), Reply::Int(2));
    let snapshot = BootstrapSnapshot { history: "new".into(), position: position(4), name: "4".into() };
    assert!(edge.replica.wants(&snapshot));
    edge.replica.install_bootstrap(position(edge.next), &snapshot, &files.directory).unwrap();
    edge.next += 1;
    let earlier = BootstrapSnapshot { position: position(3), ..snapshot.clone() };
    assert!(edge.replica.wants(&snapshot) && !edge.replica.wants(&earlier));
    let mut edge = edge.reopen();
    assert_eq!(edge.sum(), core.store.checksum().unwrap());
    let store = edge.replica.store();
    assert_eq!(store.applied(), Some(position(edge.next - 1)));
    assert_eq!(store.membership().unwrap().as_deref(), Some(&b"the site's members"[..]));
    let at = edge.directory.path().join("checkpoint");
    let checkpoint = store.checkpoint(&at).unwrap();
    assert_eq!((checkpoint.position, checkpoint.data), (store.applied(), Some(position(4))));
    assert_eq!(edge.follow("new", &[(position(5), None)]), Reply::Int(5));
}
