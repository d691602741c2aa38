//! The feature level decides what an entry means: that of the state, whatever the table of the program has.

use super::support::{Home, commands, entry, position};
use crate::{
    command::{Command, Run, Table},
    error::StoreError,
    feature_level::{INITIAL, NEWEST},
    replica::{Raise, Replica},
    resp::Reply,
    store::{NewRow, Store, StoreOptions},
};
use bytes::Bytes;
use std::sync::{Arc, LazyLock};

const PUT: Command = Command {
    name: "PUT",
    run: Run::Write(|txn, _| {
        // A changed handler: both ways, by the level of the state.
        let value: &[u8] = if txn.feature_level() >= NEWEST { b"new" } else { b"old" };
        txn.put(b"k", NewRow::string(value))?;
        Ok(Reply::Ok)
    }),
    ..Command::BASE
};

/// A build before the newest level, and one with a command that it brought.
static BEFORE: LazyLock<Table> = LazyLock::new(|| Table::new(&[&[PUT]]));
static AFTER: LazyLock<Table> = LazyLock::new(|| {
    static ROWS: &[Command] = &[PUT, Command { name: "PUTNEW", since_level: NEWEST, ..PUT }];
    Table::new(&[ROWS])
});

struct Node {
    _home: tempfile::TempDir,
    replica: Replica,
}

impl Node {
    fn new(table: &'static Table) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path(), StoreOptions::default()).unwrap();
        Node { _home: home, replica: Replica::new(Arc::new(store), table) }
    }

    fn apply(&self, index: u64, payload: &[u8]) -> Result<Vec<Vec<Reply>>, StoreError> {
        let mut txn = self.replica.begin();
        let replies = self.replica.apply(&mut txn, position(index), payload)?;
        txn.commit()?;
        Ok(replies)
    }

    fn level(&self) -> u32 {
        self.replica.store().published().state().feature_level
    }

    fn checksum(&self) -> u32 {
        self.replica.store().checksum().unwrap()
    }
}

fn call(word: &[u8]) -> Bytes {
    entry(1, 1, &[commands(&[(0, &[word])])])
}

#[test]
fn builds_of_two_levels_have_equal_states_until_the_level_is_raised_and_mean_the_new_one_after_that() {
    let (before, after) = (Node::new(&BEFORE), Node::new(&AFTER));
    for node in [&before, &after] {
        assert_eq!(node.level(), INITIAL);
        assert_eq!(node.apply(1, &call(b"PUT")).unwrap(), [[Reply::Ok]]);
    }
    assert_eq!(before.checksum(), after.checksum());
    let replies = after.apply(2, &call(b"PUTNEW")).unwrap();
    let Some(Reply::Error(refused)) = replies.first().and_then(|replies| replies.first()) else {
        panic!("{replies:?}")
    };
    let text = refused.to_string();
    assert!(
        text.contains(&format!("putnew needs feature level {NEWEST}, and the core is at {INITIAL}")),
        "{text}"
    );
    let raised = after.apply(3, &Raise::to(NEWEST).encode()).unwrap();
    assert_eq!(raised, [[Reply::Int(NEWEST.into())]]);
    let old = after.checksum();
    assert_eq!(after.apply(4, &call(b"PUTNEW")).unwrap(), [[Reply::Ok]]);
    assert_ne!(after.checksum(), old);
    assert_eq!(after.level(), NEWEST);
    // An earlier level changes nothing.
    assert_eq!(after.apply(5, &Raise::to(INITIAL).encode()).unwrap(), [[Reply::Int(NEWEST.into())]]);
}

#[test]
fn an_entry_that_is_not_understood_stops_the_node_and_changes_nothing() {
    let node = Node::new(&BEFORE);
    node.apply(1, &call(b"PUT")).unwrap();
    let (level, sum) = (node.level(), node.checksum());
    let later = Raise { level: NEWEST + 1, program: "9.8.7" }.encode();
    for (payload, words) in [
        (later, ["feature level", "upgrade to 9.8.7 or later"]),
        (call(b"PUTNEW"), ["'PUTNEW'", "flotilla "]),
    ] {
        let stopped = node.apply(2, &payload).unwrap_err();
        assert!(matches!(stopped, StoreError::NotUnderstood(_)), "{stopped}");
        assert!(stopped.damage().is_none(), "another node's data would not help");
        assert!(words.iter().all(|word| stopped.to_string().contains(word)), "{stopped}");
        assert_eq!((node.level(), node.checksum()), (level, sum));
    }
}

#[test]
fn the_level_is_there_again_after_a_crash() {
    let home = Home::new(0);
    assert_eq!(home.store.published().state().feature_level, NEWEST);
    home.store.flush().unwrap();
    let home = home.crash();
    assert_eq!(home.store.published().state().feature_level, NEWEST);
}
