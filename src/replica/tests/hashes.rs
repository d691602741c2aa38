//! Hashes through the log: scans with cursors, and events of fields that expire.

use super::support::{Home, Told};
use crate::{
    feature_level::{EXPIRED_FIELDS_STAY, INITIAL},
    resp::Reply,
};
use std::collections::BTreeMap;

const FIELDS: u32 = 1000;

/// A hash that is too large to be returned at once.
fn large(home: &Home) {
    for n in 0..FIELDS {
        let (field, value) = (format!("field{n}"), n.to_string());
        home.call(1000, 0, &[b"HSET", b"h", field.as_bytes(), value.as_bytes()]);
    }
}

/// Fields and values.
type Found = Vec<(Vec<u8>, Vec<u8>)>;

/// One page, and the next cursor.
fn page(home: &Home, cursor: &str, count: &str) -> (String, Found) {
    let words = [&b"HSCAN"[..], b"h", cursor.as_bytes(), b"COUNT", count.as_bytes()];
    let Reply::Array(parts) = home.call(1000, 0, &words) else { panic!() };
    let [Reply::Bulk(next), Reply::Array(found)] = &parts[..] else { panic!("{parts:?}") };
    let text = |reply: &Reply| match reply {
        Reply::Bulk(bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    };
    let found = found.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
    (String::from_utf8(next.to_vec()).unwrap(), found)
}

/// Fields that stay are returned once; the cursors hold on another node, which has only the data.
#[test]
fn a_scan_returns_every_field_once_on_any_node() {
    for count in ["1", "7", "100", "999", "100000"] {
        let nodes = [Home::new(0), Home::new(1 << 20)];
        nodes.iter().for_each(large);
        let (mut cursor, mut seen, mut pages) = ("0".to_owned(), BTreeMap::new(), 0);
        loop {
            let (next, found) = page(&nodes[pages % 2], &cursor, count);
            for (field, value) in found {
                assert!(seen.insert(field, value).is_none(), "twice");
            }
            // Others come and go meanwhile.
            let other = format!("other{pages}");
            for node in &nodes {
                node.call(1000, 0, &[b"HSET", b"h", other.as_bytes(), b"v"]);
                node.call(1000, 0, &[b"HDEL", b"h", other.as_bytes()]);
            }
            pages += 1;
            if next == "0" {
                break;
            }
            cursor = next;
        }
        assert_eq!(seen.len(), FIELDS as usize, "COUNT {count}");
        assert!((0..FIELDS).all(|n| seen[format!("field{n}").as_bytes()] == n.to_string().into_bytes()));
        let least = FIELDS as usize / count.parse::<usize>().unwrap();
        assert!(pages >= least, "{pages} pages of {count}");
    }
}

#[test]
fn what_is_told_of_fields() {
    let told = Told::of(Home::new(1 << 20));
    let check = |at: u64, call: &str, expected: &[&str]| told.check(at, call, expected);
    check(1000, "HSET h a 1 b 2 c 3", &["0 h New new", "0 h Hash hset"]);
    check(1000, "HMSET h a 1", &["0 h Hash hset"]);
    check(1000, "HSETNX h a 2", &[]);
    check(1000, "HSETNX h d 0", &["0 h Hash hset"]);
    check(1000, "HINCRBY h a 1", &["0 h Hash hincrby"]);
    check(1000, "HINCRBYFLOAT h a 1", &["0 h Hash hincrbyfloat"]);
    check(1000, "HDEL h x", &[]);
    check(1000, "HDEL h d x", &["0 h Hash hdel"]);
    check(1000, "HPEXPIREAT h 2000 FIELDS 2 a x", &["0 h Hash hexpire"]);
    check(1000, "HPEXPIREAT h 2000 NX FIELDS 1 a", &[]);
    check(1000, "HPERSIST h FIELDS 2 b a", &["0 h Hash hpersist"]);
    check(1000, "HPERSIST h FIELDS 1 a", &[]);
    check(1000, "HPEXPIREAT h 2000 FIELDS 2 a b", &["0 h Hash hexpire"]);
    check(1999, "SWEEP", &[]);
    check(2000, "HGETALL h", &[]);
    check(2000, "SWEEP", &["0 h Hash hexpired"]);
    check(2000, "HPEXPIREAT h 3000 FIELDS 1 c", &["0 h Hash hexpire"]);
    check(3000, "SWEEP", &["0 h Hash hexpired", "0 h Generic del"]);
    check(3000, "HSETEX h PX 1000 FIELDS 1 a 1", &["0 h New new", "0 h Hash hset", "0 h Hash hexpire"]);
    check(3000, "HGETEX h FIELDS 1 a", &[]);
    check(3000, "HGETEX h PERSIST FIELDS 1 a", &["0 h Hash hpersist"]);
    check(3000, "HGETEX h PX 1000 FIELDS 1 a", &["0 h Hash hexpire"]);
    // Nobody has swept it: what replaces it tells of its end.
    let end = ["0 h Hash hexpired", "0 h Generic del", "0 h New new", "0 h Hash hset"];
    check(4000, "HSET h b 1", &end);
    check(4000, "HGETDEL h FIELDS 2 x b", &["0 h Hash hdel", "0 h Generic del"]);
    check(4000, "HSET h b 1", &["0 h New new", "0 h Hash hset"]);
    check(4000, "HEXPIRE h 0 FIELDS 1 b", &["0 h Hash hdel", "0 h Generic del"]);
    check(4000, "HSETEX h EX 0 FIELDS 1 b 1", &["0 h Hash hset", "0 h Hash hdel", "0 h Generic del"]);
    check(4000, "HSET h b 1", &["0 h New new", "0 h Hash hset"]);
    check(4000, "PEXPIREAT h 5000", &["0 h Generic expire"]);
    check(4000, "HPEXPIREAT h 4500 FIELDS 1 b", &["0 h Hash hexpire"]);
    check(5000, "SWEEP", &["0 h Expired expired"]);
}

/// A field that is due is deleted by one entry, on every node alike, however the hash got where it is.
#[test]
fn fields_expire_in_their_hash_under_another_name_and_in_another_database() {
    let home = Home::new(0);
    home.call(1000, 0, &[b"HSET", b"h", b"a", b"1", b"b", b"2"]);
    home.call(1000, 0, &[b"HPEXPIREAT", b"h", b"2000", b"FIELDS", b"1", b"a"]);
    home.call(1000, 0, &[b"COPY", b"h", b"copy", b"DB", b"3"]);
    home.call(1000, 0, &[b"RENAME", b"h", b"renamed"]);
    home.call(1000, 0, &[b"MOVE", b"renamed", b"2"]);
    home.call(1000, 2, &[b"SWAPDB", b"2", b"5"]);
    assert_eq!(home.store.next_expiry().unwrap(), Some(2000));
    home.sweep(2000, 100);
    assert_eq!(home.store.next_expiry().unwrap(), None);
    for (db, key) in [(5, &b"renamed"[..]), (3, b"copy")] {
        let left = Reply::Map(vec![(Reply::bulk("b"), Reply::bulk("2"))]);
        assert_eq!(home.call(0, db, &[b"HGETALL", key]), left);
    }
}

/// Before a sweep has come, a field that has expired is not there to be deleted. (Below the level the entry took it out of the
/// hash, but not out of its count, for ever; and must do so when such a log is applied again.)
#[test]
fn a_field_that_has_expired_is_left_to_the_sweep() {
    for (level, left) in [(EXPIRED_FIELDS_STAY, 1), (INITIAL, 2)] {
        for delete in ["HDEL h a", "HGETDEL h FIELDS 1 a"] {
            let home = Home::at_level(level);
            for call in ["HSET h a 1 b 2", "HPEXPIREAT h 2000 FIELDS 1 a"] {
                home.call(1000, 0, &call.split(' ').map(str::as_bytes).collect::<Vec<_>>());
            }
            home.call(2000, 0, &delete.split(' ').map(str::as_bytes).collect::<Vec<_>>());
            assert_eq!(home.call(2000, 0, &[b"HLEN", b"h"]), Reply::Int(left), "{delete} at level {level}");
            home.sweep(2000, 100);
            assert_eq!(home.call(2000, 0, &[b"HLEN", b"h"]), Reply::Int(left));
            home.call(2000, 0, &[b"HDEL", b"h", b"b"]);
            assert_eq!(home.call(2000, 0, &[b"EXISTS", b"h"]), Reply::Int(left - 1));
        }
    }
}
