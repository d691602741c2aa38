//! What is kept and what is given up: of changes, and of the stream.

use super::{
    Announced, Begun, Psync, PsyncOptions, PsyncRequest,
    pending::{Dirty, Pending},
    stream::{Gone, Stream},
};
use crate::store::{
    ChangeEvent, DatabaseChange, KeyChange, Passed, PassedCall, PassedCommand, Type, tests::support::Home,
};
use bytes::Bytes;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

fn key(db: u32, key: &str) -> ChangeEvent {
    change(db, key, Some(Type::List), true)
}

fn change(db: u32, key: &str, after: Option<Type>, was_live: bool) -> ChangeEvent {
    let (key, before) = (key.as_bytes().to_vec(), Some(Type::List));
    ChangeEvent::Key(KeyChange { db, key, before, after, was_live, by: None })
}

fn call(db: u32, changes: usize, keys: &[&str]) -> ChangeEvent {
    let command = |key: &&str| PassedCommand {
        key: key.as_bytes().to_vec(),
        words: vec![b"LPOP".to_vec(), key.as_bytes().to_vec()],
    };
    let passed = Passed::Commands(keys.iter().map(command).collect());
    ChangeEvent::Call(PassedCall { db, changes, passed })
}

/// What of it would be sent: commands as database and words, then keys as database and name.
fn sent(pending: &Pending) -> (Vec<String>, Vec<String>) {
    let commands = pending.commands.iter().filter(|queued| pending.is_wanted(queued)).map(|queued| {
        let words: Vec<_> = queued.words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        format!("{}: {}", queued.db, words.join(" "))
    });
    let mut values: Vec<String> = pending
        .dirty
        .iter()
        .filter_map(|((contents, key), _)| {
            Some(format!("{}: {}", pending.database_of(*contents)?, String::from_utf8_lossy(key)))
        })
        .collect();
    values.sort();
    (commands.collect(), values)
}

fn after(events: Vec<ChangeEvent>) -> (Vec<String>, Vec<String>) {
    let mut pending = Pending::default();
    assert!(pending.take(events));
    sent(&pending)
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_call_is_repeated_unless_another_change_of_its_key_is_none() {
    assert_eq!(after(vec![key(0, "a"), call(0, 1, &["a"])]), (texts(&["0: LPOP a"]), vec![]));
    let both = after(vec![key(0, "a"), call(0, 1, &["a"]), key(0, "b"), key(0, "a")]);
    assert_eq!(both, (vec![], texts(&["0: a", "0: b"])), "whatever the order");
    let expired = after(vec![change(0, "a", Some(Type::List), false), call(0, 1, &["a"])]);
    assert_eq!(expired, (vec![], texts(&["0: a"])), "elsewhere it is still there");
    let more = after(vec![key(0, "a"), key(0, "b"), call(0, 2, &["a"])]);
    assert_eq!(more, (vec![], texts(&["0: a", "0: b"])), "it changed more than it says");
    let before = after(vec![key(0, "b"), key(0, "a"), call(0, 1, &["a"])]);
    assert_eq!(before, (texts(&["0: LPOP a"]), texts(&["0: b"])), "a change before it is not its own");
}

#[test]
fn databases_that_are_emptied_and_exchanged_take_what_was_written_with_them() {
    let emptied = ChangeEvent::Databases(DatabaseChange::Emptied(3));
    let exchanged = ChangeEvent::Databases(DatabaseChange::Exchanged(3, 5));
    let done = after(vec![
        key(3, "gone"),
        key(3, "gone too"),
        call(3, 1, &["gone too"]),
        emptied,
        key(3, "moved"),
        key(3, "a"),
        call(3, 1, &["a"]),
        exchanged,
        key(3, "b"),
    ]);
    assert_eq!(done.0, texts(&["3: FLUSHDB", "3: LPOP a", "0: SWAPDB 3 5"]));
    assert_eq!(done.1, texts(&["3: b", "5: moved"]));
}

#[test]
fn what_is_taken_out_leaves_the_databases_as_they_are() {
    let mut pending = Pending::default();
    assert!(pending.take(vec![ChangeEvent::Databases(DatabaseChange::Exchanged(0, 1)), key(0, "a")]));
    assert_eq!(sent(&pending.split()).1, texts(&["0: a"]));
    assert!(pending.is_empty());
    assert!(pending.take(vec![key(1, "b"), ChangeEvent::Databases(DatabaseChange::Exchanged(0, 1))]));
    assert_eq!(sent(&pending).1, texts(&["0: b"]));
}

#[test]
fn commands_are_given_up_for_values_and_keys_are_bounded() {
    let mut pending = Pending::default();
    let long = "x".repeat(1 << 20);
    for number in 0..40 {
        let name = format!("{number}{long}");
        assert!(pending.take(vec![key(0, &name), call(0, 1, &[&name])]));
    }
    assert!(pending.given_up > 0);
    assert!(pending.dirty.values().all(|dirty| *dirty == Dirty::Value));
    let mut number = 40;
    while pending.take(vec![key(0, &format!("{number}{long}"))]) {
        number += 1;
        assert!(number < 200, "no bound");
    }
}

#[test]
fn a_follower_reads_on_from_where_it_is_and_what_nobody_needs_goes() {
    let mut stream = Stream::default();
    stream.begin("a".repeat(40));
    let (slow, fast) =
        (stream.join("s".into(), Announced::default()), stream.join("f".into(), Announced::default()));
    stream.place(&slow, 0);
    stream.place(&fast, 0);
    for block in ["abc", "defg", "h"] {
        stream.append(Bytes::from(block));
    }
    let mut read = Vec::new();
    while let Ok(Some(bytes)) = stream.next(&fast) {
        read.extend_from_slice(&bytes);
    }
    assert_eq!(read, b"abcdefgh");
    stream.trim(0);
    assert_eq!(stream.kept(), 8, "the slow one needs it");
    assert_eq!(stream.slowest().map(|(follower, at)| (follower.id, at)), Some((slow.id, 0)));
    stream.drop_follower(&slow);
    assert_eq!(stream.next(&slow), Err(Gone));
    stream.trim(2);
    assert_eq!(stream.kept(), 5, "whole blocks");
    let id = "a".repeat(40);
    assert_eq!(stream.can_go_on(&id, 9), Some(8), "the next byte");
    assert_eq!(stream.can_go_on(&id, 4), Some(3));
    assert_eq!(stream.can_go_on(&id, 3), None, "it is gone");
    assert_eq!(stream.can_go_on(&id, 10), None, "it never was");
    assert_eq!(stream.can_go_on(&"b".repeat(40), 9), None, "of another stream");
    let back = stream.join("b".into(), Announced::default());
    stream.place(&back, 5);
    assert_eq!(stream.next(&back), Ok(Some(Bytes::from("fg"))), "within a block");
    stream.begin("c".repeat(40));
    assert_eq!(stream.next(&fast), Err(Gone));
}

/// Names of streams that were asked for.
static NAMES: AtomicU64 = AtomicU64::new(0);

#[test]
fn a_panic_of_the_thread_ends_all_followers_and_the_next_one_begins_anew() {
    let Home { directory: _directory, store, .. } = Home::new(1 << 20);
    let store = Arc::new(store);
    let options = PsyncOptions {
        followers_max: 2,
        backlog_bytes: 1 << 20,
        buffer_bytes: 1 << 20,
        backlog_ttl: Duration::from_secs(60),
    };
    let new_replid = || match NAMES.fetch_add(1, Ordering::Relaxed) {
        0 => panic!("of this test"),
        number => number.to_string(),
    };
    let psync = Arc::new(Psync::new(&store, options, |_| Ok(vec![]), new_replid));
    let join = || {
        let wanted = PsyncRequest { go_on: None, announced: Announced::default() };
        match psync.join("somewhere".to_owned(), wanted).unwrap() {
            (follower, Begun::Copy(copy)) => (follower, copy),
            _ => panic!("no copy"),
        }
    };
    let (_gone, copy) = join();
    assert!(copy.blocking_recv().is_err(), "nobody is left who could send it");
    // What follows the panic ends it.
    while !psync.status().followers.is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (_follower, copy) = join();
    assert_eq!(copy.blocking_recv().unwrap().replid, "1");
    assert!(psync.end(Duration::from_secs(10)));
}
