//! One command of several parts: each collection that it creates is one of its own, and a part that fails is undone without
//! its neighbours.

use super::support::{commands, entry, position};
use crate::{
    command::{Args, Command, Run, Table, invoke},
    error::Result,
    replica::Replica,
    resp::{ErrorReply, Reply},
    store::{CollectionHead, NewRow, ReadTime, Store, StoreOptions, Txn, tests::support::raise},
    types::list::{End, List},
};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&[&ROWS]));

static ROWS: [Command; 8] = [
    Command { name: "PUSH", arity: -3, run: Run::Write(push), ..Command::BASE },
    Command { name: "TWINS", arity: 3, run: Run::Write(twins), ..Command::BASE },
    Command { name: "SET", arity: 3, run: Run::Write(set), ..Command::BASE },
    Command { name: "SPOILS", arity: -1, run: Run::Write(spoils), ..Command::BASE },
    Command { name: "SCRIPT", arity: -2, run: Run::Write(script), ..Command::BASE },
    Command { name: "REPEAT", arity: -3, run: Run::Write(repeat), ..Command::BASE },
    Command { name: "SWAP", arity: 1, run: Run::Write(swap), ..Command::BASE },
    Command { name: "GONE", arity: 1, run: Run::Write(panics), ..Command::BASE },
];

fn push(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let mut list = List::open_or_create(txn, key)?;
    list.push(txn, End::Right, args.rest())?;
    list.save(txn, key)?;
    Ok(Reply::Ok)
}

/// Two lists, neither of which is saved before both have elements.
fn twins(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (one, other) = (args.next_word()?, args.next_word()?);
    let mut lists = [List::create(txn), List::create(txn)];
    for (list, key) in lists.iter_mut().zip([one, other]) {
        list.push(txn, End::Right, &[key, b"twin"])?;
    }
    for (list, key) in lists.iter_mut().zip([one, other]) {
        list.save(txn, key)?;
    }
    Ok(Reply::Ok)
}

fn set(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, value) = (args.next_word()?, args.next_word()?);
    txn.put(key, NewRow::string(value))?;
    Ok(Reply::Ok)
}

/// Writes over everything there is and fails.
fn spoils(txn: &mut Txn<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    txn.delete(b"list")?;
    txn.put(b"string", NewRow { expires_at: 99, ..NewRow::string(b"spoilt") })?;
    txn.flush_db(0);
    let mut list = List::create(txn);
    list.push(txn, End::Left, &[b"spoilt"])?;
    list.save(txn, b"list")?;
    txn.swap_db(0, 1);
    Err(ErrorReply::err("made to").into())
}

fn panics(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let _ = spoils(txn, args);
    panic!("made to")
}

/// Runs each of its words as a call, and one that begins with `!` as a script of its own, which fails in the end.
fn script(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let mut replies = Vec::new();
    for line in args.rest() {
        let nested = line.strip_prefix(b"!");
        let words: Vec<&[u8]> = nested.unwrap_or(line).split(|byte| *byte == b' ').collect();
        if nested.is_some() {
            let savepoint = txn.savepoint();
            replies.push(invoke(&TABLE, txn, &words, true)?);
            invoke(&TABLE, txn, &[b"SPOILS"], true)?;
            txn.roll_back(savepoint);
        } else {
            replies.push(invoke(&TABLE, txn, &words, true)?);
        }
    }
    Ok(Reply::Array(replies))
}

/// Runs its words as a call, so many times; what can be taken back in the end: changes, and their bytes.
fn repeat(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let times: usize = std::str::from_utf8(args.next_word()?).unwrap().parse().unwrap();
    for _ in 0..times {
        invoke(&TABLE, txn, args.rest(), true)?;
    }
    let (changes, bytes) = txn.undo_size();
    Ok(Reply::Array(vec![Reply::count(changes as u64), Reply::count(bytes as u64)]))
}

fn swap(txn: &mut Txn<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    txn.put(b"counted", NewRow { expires_at: 99, ..NewRow::string(b"c") })?;
    txn.swap_db(0, 1);
    Ok(Reply::Ok)
}

struct Home {
    directory: TempDir,
    store: Arc<Store>,
}

impl Home {
    fn new() -> Home {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(directory.path(), StoreOptions::default()).unwrap());
        raise(&store);
        Home { directory, store }
    }

    /// Applies an entry with these calls.
    fn apply(&self, calls: &[&[&[u8]]]) -> Vec<Reply> {
        let replica = Replica::new(Arc::clone(&self.store), &TABLE);
        let index = self.store.applied().map_or(1, |applied| applied.index + 1);
        let calls: Vec<(u32, &[&[u8]])> = calls.iter().map(|words| (0, *words)).collect();
        let mut txn = replica.begin();
        let mut replies =
            replica.apply(&mut txn, position(index), &entry(5, 1, &[commands(&calls)])).unwrap();
        txn.commit().unwrap();
        replies.pop().unwrap()
    }

    fn elements(&self, key: &[u8]) -> Vec<Vec<u8>> {
        let published = self.store.published();
        let view = self.store.blocking_view(&published, 0, ReadTime::At(0));
        let list = List::open(&view, key).unwrap().unwrap();
        (0..list.len()).map(|at| list.get(&view, at).unwrap().unwrap().to_vec()).collect()
    }

    /// The log position that names a collection.
    fn generation(&self, key: &[u8]) -> (u64, u32) {
        let published = self.store.published();
        let row = self.store.blocking_view(&published, 0, ReadTime::At(0)).get(key).unwrap().unwrap();
        let generation = CollectionHead::decode(&row.body).unwrap().generation;
        (generation.index, generation.ordinal)
    }
}

fn list(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn two_collections_of_one_command_share_no_sub_keys() {
    let home = Home::new();
    let script: &[&[u8]] = &[b"SCRIPT", b"PUSH c 1 2", b"PUSH d 3", b"TWINS e f"];
    home.apply(&[&[b"TWINS", b"a", b"b"], script, &[b"PUSH", b"g", b"4"]]);
    let check = |home: &Home| {
        for (key, words) in [
            (b"a", &["a", "twin"][..]),
            (b"b", &["b", "twin"]),
            (b"c", &["1", "2"]),
            (b"d", &["3"]),
            (b"e", &["e", "twin"]),
            (b"f", &["f", "twin"]),
            (b"g", &["4"]),
        ] {
            assert_eq!(home.elements(key), list(words));
        }
    };
    check(&home);
    // The first collection of a command is named by the command's own position, as in every version so far.
    assert_eq!(
        [home.generation(b"a"), home.generation(b"c"), home.generation(b"g")],
        [(1, 0), (1, 1), (1, 2)]
    );
    let further = [b"b", b"d", b"e", b"f"].map(|key| home.generation(key).1);
    assert_eq!(further, [1 << 31, (1 << 31) + 1, (1 << 31) + 2, (1 << 31) + 3]);
    // One goes, the others stay; also after a restart, from files.
    home.apply(&[&[b"SCRIPT", b"SET a gone", b"PUSH b more"]]);
    assert_eq!(home.elements(b"b"), list(&["b", "twin", "more"]));
    home.apply(&[&[b"SET", b"b", b"gone"], &[b"TWINS", b"a", b"b"]]);
    home.store.flush().unwrap();
    let Home { directory, store } = home;
    drop(store);
    let store = Arc::new(Store::open(directory.path(), StoreOptions::default()).unwrap());
    check(&Home { directory, store });
}

#[test]
fn a_part_that_fails_is_undone_without_its_neighbours() {
    let calls: [&[&[u8]]; 3] = [
        // A call that is undone stands between calls that stay.
        &[b"SCRIPT", b"PUSH list 1", b"SET string s", b"SPOILS", b"PUSH list 2", b"GONE", b"SET after a"],
        // A script within a script, with failures of its own, undone as a whole.
        &[b"SCRIPT", b"PUSH list 1", b"SET string s", b"!SCRIPT SPOILS", b"PUSH list 2", b"SET after a"],
        &[b"SCRIPT", b"PUSH list 1", b"SET string s", b"PUSH list 2", b"SET after a"],
    ];
    let mut sums = Vec::new();
    for call in calls {
        let home = Home::new();
        home.apply(&[&[b"PUSH", b"before", b"b"]]);
        let replies = home.apply(&[call]);
        assert!(
            matches!(&replies[0], Reply::Array(replies) if replies.len() == call.len() - 1),
            "{replies:?}"
        );
        assert_eq!(home.elements(b"list"), list(&["1", "2"]));
        assert_eq!(home.store.published().state().database(0).keys, 4);
        assert_eq!(home.store.published().state().database(0).expires, 0);
        sums.push(home.store.checksum().unwrap());
    }
    assert_eq!(sums, [sums[2]; 3]);
    // A command that fails as a whole takes its parts with it, those that stood included.
    let home = Home::new();
    home.apply(&[&[b"PUSH", b"before", b"b"]]);
    let before = home.store.published().state().databases().to_vec();
    home.apply(&[&[b"SPOILS"], &[b"GONE"]]);
    assert_eq!(home.store.published().state().databases(), before);
}

/// What `REPEAT` says.
fn undo_size(reply: &Reply) -> (i64, i64) {
    match reply {
        Reply::Array(counts) => match counts[..] {
            [Reply::Int(changes), Reply::Int(bytes)] => (changes, bytes),
            _ => panic!("{reply:?}"),
        },
        _ => panic!("{reply:?}"),
    }
}

#[test]
fn what_is_kept_to_be_taken_back_follows_the_rows_not_the_writes() {
    let home = Home::new();
    let value = vec![b'v'; 64 << 10];
    // 40 MB of writes to one row.
    let (changes, bytes) = undo_size(&home.apply(&[&[b"REPEAT", b"600", b"SET", b"k", &value]])[0]);
    assert!(changes < 300 && bytes < 17 << 20, "{changes} changes, {bytes} bytes");
    // 30,000 times the state of all databases, and as many other changes.
    let (changes, bytes) = undo_size(&home.apply(&[&[b"REPEAT", b"30000", b"SWAP"]])[0]);
    assert!(changes < 40_000 && bytes < 17 << 20, "{changes} changes, {bytes} bytes");
    // Each command of an entry, and of an EXEC, begins anew: a row, and its part of the sum.
    let once: &[&[u8]] = &[b"REPEAT", b"1", b"SET", b"k", &value];
    let many = vec![once; 500];
    assert!(home.apply(&many).iter().all(|reply| undo_size(reply).0 == 2));
}

#[test]
fn rows_written_again_and_again_come_back_as_they_were_at_each_savepoint() {
    let values = [b'a', b'b', b'c'].map(|byte| vec![byte; 64 << 10]);
    let line = |value: &[u8], times: &str, key: &str| {
        [format!("REPEAT {times} SET {key} ").as_bytes(), value].concat()
    };
    let [a, b, c] = &values;
    let (first, inner, other) = (line(a, "400", "k"), line(b, "400", "k"), line(b, "400", "other"));
    let (swaps, last) = (b"REPEAT 7 SWAP".to_vec(), line(c, "400", "last"));
    let undone = |line: &[u8]| [b"!", line].concat();
    let mut sums = Vec::new();
    for script in [
        vec![first.clone(), last.clone()],
        vec![first.clone(), undone(&inner), last.clone()],
        vec![undone(&inner), first.clone(), undone(&other), undone(&swaps), undone(&inner), last.clone()],
        vec![undone(&first), undone(&other), line(a, "1", "k"), undone(&inner), line(c, "1", "last")],
    ] {
        let home = Home::new();
        home.apply(&[&[b"SET", b"k", b"before"], &[b"SET", b"other", b"before"]]);
        let words: Vec<&[u8]> =
            std::iter::once(&b"SCRIPT"[..]).chain(script.iter().map(Vec::as_slice)).collect();
        home.apply(&[&words]);
        let published = home.store.published();
        let (state, view) = (published.state(), home.store.blocking_view(&published, 0, ReadTime::At(0)));
        assert_eq!(view.get(b"k").unwrap().unwrap().body.to_vec(), *a);
        assert_eq!(view.get(b"other").unwrap().unwrap().body.to_vec(), b"before");
        assert_eq!((state.database(0).keys, state.database(0).expires, state.database(1).keys), (3, 0, 0));
        sums.push(home.store.checksum().unwrap());
    }
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
}
