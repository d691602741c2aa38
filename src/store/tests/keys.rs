//! Any bytes are a key, and no two keys are one: nothing that a client can spell gets into another key's row.

use super::support::{Home, scan};
use crate::store::{NewRow, keys};
use std::collections::BTreeSet;

/// Bytes that separators, lengths, terminators and prefixes of ours could be made of.
fn hostile() -> BTreeSet<Vec<u8>> {
    let mut out: BTreeSet<Vec<u8>> = BTreeSet::new();
    let alphabet = [0_u8, 1, 0x7f, 0xfe, 0xff, b'a'];
    let mut last: Vec<Vec<u8>> = vec![Vec::new()];
    for _ in 0..3 {
        last = last.iter().flat_map(|key| alphabet.map(|byte| [&key[..], &[byte]].concat())).collect();
        out.extend(last.iter().cloned());
    }
    out.insert(Vec::new());
    // As our own storage keys look, and the names of our own rows.
    for inner in [&b""[..], b"a", b"\0\0\0\x01"] {
        out.insert(keys::meta(1, inner).to_vec());
        out.insert(keys::meta(2, inner).to_vec());
        out.insert(keys::expiry(1 << 40, 1, inner).to_vec());
    }
    out.extend([keys::STATE.to_vec(), keys::MEMBERSHIP.to_vec()]);
    // Around the length up to which a storage key is kept in place, and one that is far longer.
    for len in [19, 20, 21, 5000] {
        out.insert(vec![0xff; len]);
        out.insert([vec![b'p'; len], vec![0]].concat());
        out.insert([vec![b'p'; len], vec![0xff]].concat());
    }
    out
}

fn value(db: u32, key: &[u8]) -> Vec<u8> {
    [&db.to_be_bytes()[..], key].concat()
}

#[test]
fn keys_and_databases_do_not_alias() {
    let home = Home::new(100_000);
    let keys = hostile();
    for db in [0, 1, 15] {
        home.write(0, db, |txn| {
            for (number, key) in keys.iter().enumerate() {
                let expires_at = if number % 3 == 0 { 1 << 40 } else { 0 };
                txn.put(key, NewRow { expires_at, ..NewRow::string(&value(db, key)) }).unwrap();
            }
        });
    }
    let home = home.reopen();
    for db in [0, 1, 15] {
        assert_eq!(home.counts(db), (keys.len() as u64, keys.len().div_ceil(3) as u64));
        for key in &keys {
            assert_eq!(home.get(db, key), Some(value(db, key)), "{db} {key:?}");
        }
        assert_eq!(home.read(db, 0, |view| scan(view, b"", b"")), keys.iter().cloned().collect::<Vec<_>>());
    }
    // Deleting every other one in one database takes these and no more.
    let (gone, kept): (Vec<_>, Vec<_>) = keys.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    home.write(0, 1, |txn| gone.iter().for_each(|(_, key)| assert!(txn.delete(key).unwrap(), "{key:?}")));
    assert!(gone.iter().all(|(_, key)| home.get(1, key).is_none() && home.get(0, key).is_some()));
    assert!(kept.iter().all(|(_, key)| home.get(1, key) == Some(value(1, key))));
    assert_eq!(home.counts(1).0, kept.len() as u64);
    assert_eq!(home.counts(0).0, keys.len() as u64);
}

#[test]
fn scans_visit_exactly_what_begins_with_the_prefix_from_the_start_on() {
    let home = Home::new(0);
    let keys: Vec<Vec<u8>> = hostile().into_iter().collect();
    let (stored, laid_over) = keys.split_at(keys.len() / 2);
    // Interleaved: every third key is only in the batch, and every fifth is deleted in it.
    home.write(0, 1, |txn| keys.iter().for_each(|key| txn.put(key, NewRow::string(b"other")).unwrap()));
    home.write(0, 0, |txn| {
        for (number, key) in stored.iter().chain(laid_over).enumerate() {
            if number % 3 != 0 {
                txn.put(key, NewRow::string(b"v")).unwrap();
            }
        }
    });
    let mut expected = Vec::new();
    home.write(0, 0, |txn| {
        for (number, key) in keys.iter().enumerate() {
            if number % 3 == 0 {
                txn.put(key, NewRow::string(b"v")).unwrap();
            }
            if number % 5 == 0 {
                txn.delete(key).unwrap();
            } else {
                expected.push(key.clone());
            }
        }
        let view = txn.view();
        for prefix in &[&b""[..], b"\0", b"\xff", b"\xff\xff\xff", b"a", b"a\xff", b"p", b"none"] {
            for start in &[&b""[..], b"\0\0", b"a\x7f", b"\xff", b"\xff\xff\xff\xff", b"q"] {
                let wanted = expected.iter().filter(|key| key.starts_with(prefix) && key[..] >= **start);
                assert_eq!(
                    scan(&view, prefix, start),
                    wanted.cloned().collect::<Vec<_>>(),
                    "{prefix:?} {start:?}"
                );
            }
        }
    });
    assert_eq!(home.read(0, 0, |view| scan(view, b"", b"")), expected, "as committed");
}

/// RANDOMKEY chooses from this span.
#[test]
fn the_span_of_a_database_covers_what_the_batch_made() {
    let home = Home::new(0);
    let span = |first: &[u8], last: &[u8]| Some((first.to_vec(), last.to_vec()));
    home.write(0, 0, |txn| {
        assert_eq!(txn.view().span().unwrap(), None);
        txn.put_in(1, b"elsewhere", NewRow::string(b"v")).unwrap();
        assert_eq!(txn.view().span().unwrap(), None);
        txn.put(b"m", NewRow::string(b"v")).unwrap();
        assert_eq!(txn.view().span().unwrap(), span(b"m", b"m"));
    });
    home.write(0, 0, |txn| {
        txn.put(b"\xff", NewRow::string(b"v")).unwrap();
        txn.put(b"", NewRow::string(b"v")).unwrap();
        assert_eq!(txn.view().span().unwrap(), span(b"", b"\xff"));
    });
    assert_eq!(home.read(0, 0, |view| view.span().unwrap()), span(b"", b"\xff"));
    home.write(0, 0, |txn| {
        txn.flush_db(0);
        assert_eq!(txn.view().span().unwrap(), None);
    });
    assert_eq!(home.read(0, 0, |view| view.span().unwrap()), None);
}
