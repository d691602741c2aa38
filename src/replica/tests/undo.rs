//! What is kept to take back the largest commands there are: no more than they write.

use super::support::{Home, position};
use crate::{command::invoke, commands, resp::Reply};
use std::collections::BTreeMap;

/// Elements of each collection.
const COUNT: usize = 4000;

/// Numbers as words, between others.
fn words(head: &[&str], per_element: &[&str], tail: &[&str]) -> Vec<String> {
    let elements =
        (0..COUNT).flat_map(|n| per_element.iter().map(move |word| word.replace('#', &n.to_string())));
    let fixed = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    fixed(head).into_iter().chain(elements).chain(fixed(tail)).collect()
}

#[test]
fn the_largest_commands_keep_no_more_to_be_taken_back_than_they_write() {
    let home = Home::new(1 << 20);
    let plain = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let calls = [
        words(&["MSET"], &["k#", "v#"], &[]),
        words(&["RPUSH", "list"], &["e#"], &[]),
        words(&["SADD", "set"], &["m#"], &[]),
        words(&["SADD", "numbers"], &["#"], &[]),
        words(&["HSET", "hash"], &["f#", "v#"], &[]),
        words(&["ZADD", "zset"], &["#", "m#"], &[]),
        words(&["ZADD", "zset"], &["7", "m#"], &[]),
        words(&["GEOADD", "geo"], &["1.#", "2.#", "p#"], &[]),
        words(&["PFADD", "sketch"], &["m#"], &[]),
        plain("SUNIONSTORE union set numbers"),
        plain("ZUNIONSTORE zunion 2 zset set"),
        plain("SORT list ALPHA STORE sorted"),
        plain("COPY zset copy"),
        plain("LREM list 0 e7"),
        plain("ZREMRANGEBYRANK copy 0 -1"),
        plain("LTRIM sorted 1 2"),
        plain("RENAME hash renamed"),
        words(&["DEL"], &["k#"], &["zset", "set", "list"]),
        plain("SWAPDB 0 1"),
        plain("FLUSHALL"),
    ];
    let mut most = BTreeMap::new();
    for (index, call) in (1..).zip(&calls) {
        let argv: Vec<&[u8]> = call.iter().map(String::as_bytes).collect();
        let mut txn = home.replica.begin();
        txn.begin_entry(position(index), 1, index);
        txn.begin_command(0);
        let reply = invoke(commands::table(), &mut txn, &argv, true).unwrap();
        assert!(!matches!(reply, Reply::Error(_)), "{} {reply:?}", call[0]);
        let ((changes, bytes), rows) = (txn.undo_size(), txn.pending_rows());
        let name = call[..call.len().min(2)].join(" ");
        // One for each row, and again for those that are written a few times; the counts or the state.
        assert!(changes <= 4 * rows + 2, "{name}: {changes} changes of {rows} rows");
        assert!(bytes <= 1024 + 160 * changes, "{name}: {bytes} bytes for {changes} changes");
        most.insert(name, (rows, changes, bytes));
        txn.accept();
        assert_eq!(txn.undo_size(), (0, 0));
        txn.commit().unwrap();
    }
    println!("{most:#?}");
}
