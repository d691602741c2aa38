//! A handler that panics or fails leaves nothing behind and takes nobody with it.

use super::support::{commands, entry, position};
use crate::{
    command::{Args, Command, Run, Table},
    error::Result,
    replica::Replica,
    resp::{ErrorReply, Reply},
    store::{NewRow, Store, StoreOptions, Txn},
};
use std::sync::Arc;

fn write_all(txn: &mut Txn<'_>) {
    txn.put(b"kept", NewRow::string(b"overwritten")).unwrap();
    txn.put(b"made", NewRow { expires_at: 99, ..NewRow::string(b"v") }).unwrap();
    txn.put_in(3, b"made", NewRow::string(b"v")).unwrap();
    txn.delete(b"doomed").unwrap();
    txn.flush_db(0);
    txn.put(b"after", NewRow::string(b"v")).unwrap();
    txn.swap_db(0, 3);
}

fn panics(txn: &mut Txn<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    write_all(txn);
    panic!("made to")
}

fn fails(txn: &mut Txn<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    write_all(txn);
    Err(ErrorReply::err("made to").into())
}

fn sets(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    txn.put(args.next_word()?, NewRow { expires_at: 50, ..NewRow::string(b"kept") })?;
    Ok(Reply::Ok)
}

static ROWS: [Command; 3] = [
    Command { name: "PANICS", arity: 1, run: Run::Write(panics), ..Command::BASE },
    Command { name: "FAILS", arity: 1, run: Run::Write(fails), ..Command::BASE },
    Command { name: "SETS", arity: 2, run: Run::Write(sets), ..Command::BASE },
];

#[test]
fn a_handler_that_panics_or_fails_leaves_nothing_behind() {
    let table: &'static Table = Box::leak(Box::new(Table::new(&[&ROWS])));
    let mut sums = Vec::new();
    for bad in [None, Some(&b"PANICS"[..]), Some(&b"FAILS"[..])] {
        let home = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(home.path(), StoreOptions::default()).unwrap());
        let replica = Replica::new(Arc::clone(&store), table);
        // The bad call has an ordinal of its own; in its place one with too few words, which writes nothing.
        let bad = [bad.unwrap_or(b"SETS")];
        let mut txn = replica.begin();
        let calls: [(u32, &[&[u8]]); 4] =
            [(0, &[b"SETS", b"kept"]), (0, &[b"SETS", b"doomed"]), (0, &bad), (0, &[b"SETS", b"next"])];
        let replies = replica.apply(&mut txn, position(1), &entry(5, 1, &[commands(&calls)])).unwrap();
        txn.commit().unwrap();
        assert_eq!(replies[0][3], Reply::Ok);
        assert!(matches!(replies[0][2], Reply::Error(_)), "{replies:?}");
        assert_eq!(store.published().state().database(0).keys, 3);
        assert_eq!(store.published().state().database(0).expires, 3);
        sums.push(store.checksum().unwrap());
    }
    assert_eq!(sums[0], sums[1], "a panic");
    assert_eq!(sums[0], sums[2], "an error");
}
