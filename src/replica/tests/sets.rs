//! Sets through the log: what is told of members that expire, where they go, and from which level on there are any.

use super::support::{Home, Told};
use crate::{
    feature_level::{SET_EXPIRY, SIZES},
    rdb::{Member, Object, dump},
    resp::Reply,
};

fn call(home: &Home, at: u64, call: &str) -> Reply {
    home.call(at, 0, &call.split(' ').map(str::as_bytes).collect::<Vec<_>>())
}

#[test]
fn what_is_told_of_members() {
    let told = Told::of(Home::new(1 << 20));
    let check = |at: u64, call: &str, expected: &[&str]| told.check(at, call, expected);
    check(1000, "SADD s a b c", &["0 s New new", "0 s Set sadd"]);
    check(1000, "SPEXPIREAT s 2000 MEMBERS 2 a x", &["0 s Set sexpire"]);
    check(1000, "SPEXPIREAT s 2000 NX MEMBERS 1 a", &[]);
    check(1000, "SADD s a", &[]);
    check(1000, "SPERSIST s MEMBERS 2 b a", &["0 s Set spersist"]);
    check(1000, "SPERSIST s MEMBERS 1 a", &[]);
    check(1000, "STTL s MEMBERS 1 a", &[]);
    check(1000, "SPEXPIREAT s 2000 MEMBERS 2 a b", &["0 s Set sexpire"]);
    check(1999, "SWEEP", &[]);
    check(2000, "SMEMBERS s", &[]);
    check(2000, "SREM s a", &[]);
    check(2000, "SMOVE s t a", &[]);
    check(2000, "SWEEP", &["0 s Set sexpired"]);
    check(2000, "SPEXPIREAT s 3000 MEMBERS 1 c", &["0 s Set sexpire"]);
    check(3000, "SWEEP", &["0 s Set sexpired", "0 s Generic del"]);
    check(3000, "SADDEX s PX 1000 MEMBERS 1 a", &["0 s New new", "0 s Set sadd", "0 s Set sexpire"]);
    check(3000, "SADDEX s KEEPTTL MEMBERS 1 a", &["0 s Set sadd"]);
    check(3000, "SADDEX s MNX MEMBERS 1 a", &[]);
    check(3000, "SADD t b", &["0 t New new", "0 t Set sadd"]);
    check(3000, "SMOVE s t a", &["0 s Set srem", "0 s Generic del", "0 t Set sadd"]);
    check(3000, "SPTTL t MEMBERS 1 a", &[]);
    check(3000, "SREM t b", &["0 t Set srem"]);
    // Nobody has swept it: what replaces it tells of its end.
    check(4000, "SADD t c", &["0 t Set sexpired", "0 t Generic del", "0 t New new", "0 t Set sadd"]);
    check(4000, "SEXPIRE t 0 MEMBERS 1 c", &["0 t Set srem", "0 t Generic del"]);
    check(4000, "SADDEX t EXAT 1 MEMBERS 1 c", &[]);
    check(4000, "SADD t a b", &["0 t New new", "0 t Set sadd"]);
    check(4000, "SEXPIREAT t 1 MEMBERS 1 a", &["0 t Set srem"]);
    check(4000, "SADDEX t PXAT 1 MEMBERS 2 a b", &["0 t Set srem", "0 t Generic del"]);
}

/// A member that is due is deleted by one entry, on every node alike, however the set got where it is.
#[test]
fn members_expire_in_their_set_under_another_name_and_in_another_database() {
    let home = Home::new(0);
    for text in ["SADD s a b", "SPEXPIREAT s 2000 MEMBERS 1 a", "COPY s copy DB 3", "RENAME s renamed"] {
        call(&home, 1000, text);
    }
    call(&home, 1000, "MOVE renamed 2");
    let Reply::Bulk(payload) = home.call(1000, 2, &[b"DUMP", b"renamed"]) else { panic!() };
    home.call(1000, 7, &[b"RESTORE", b"restored", b"0", &payload]);
    call(&home, 1000, "SWAPDB 2 5");
    assert_eq!(home.store.next_expiry().unwrap(), Some(2000));
    home.sweep(2000, 100);
    assert_eq!(home.store.next_expiry().unwrap(), None);
    for (db, key) in [(5, &b"renamed"[..]), (3, b"copy"), (7, b"restored")] {
        assert_eq!(home.call(0, db, &[b"SMEMBERS", key]), Reply::Set(vec![Reply::bulk("b")]));
    }
}

/// Whoever looks at a set that nobody has swept yet sees what is left of it.
#[test]
fn a_member_that_has_expired_is_nowhere_to_be_seen() {
    let home = Home::new(0);
    for text in
        ["SADD s 1 2 3", "SADD t 2 3 4", "SPEXPIREAT s 2000 MEMBERS 1 2", "SPEXPIREAT t 2000 MEMBERS 1 3"]
    {
        call(&home, 1000, text);
    }
    let set = |members: &[&str]| Reply::Set(members.iter().map(|member| Reply::bulk(*member)).collect());
    let list = |members: &[&str]| Reply::Array(members.iter().map(|member| Reply::bulk(*member)).collect());
    for (text, expected) in [
        ("SCARD s", Reply::Int(2)),
        ("SMEMBERS s", set(&["1", "3"])),
        ("SISMEMBER s 2", Reply::Int(0)),
        ("SMISMEMBER s 1 2", Reply::Array(vec![Reply::Int(1), Reply::Int(0)])),
        ("SINTER s t", set(&[])),
        ("SINTERCARD 2 s t", Reply::Int(0)),
        ("SUNION s t", set(&["1", "2", "3", "4"])),
        ("SDIFF s t", set(&["1", "3"])),
        ("SDIFFCARD 2 s t", Reply::Int(2)),
        ("SUNIONCARD 2 s t", Reply::Int(4)),
        ("SRANDMEMBER s 5", list(&["1", "3"])),
        ("SSCAN s 0", Reply::Array(vec![Reply::bulk("0"), list(&["1", "3"])])),
        ("SORT s DESC", list(&["3", "1"])),
        ("SORT s LIMIT 1 5", list(&["3"])),
        ("ZINTERCARD 2 s t", Reply::Int(0)),
        ("ZDIFF 2 s t", list(&["1", "3"])),
        ("ZUNION 2 s t", list(&["1", "2", "3", "4"])),
        ("SMOVE s u 2", Reply::Int(0)),
        ("SREM s 2", Reply::Int(0)),
        ("STTL s MEMBERS 2 1 2", Reply::Array(vec![Reply::Int(-1), Reply::Int(-2)])),
        ("SPERSIST s MEMBERS 1 2", Reply::Array(vec![Reply::Int(-2)])),
        ("SEXPIRE s 10 MEMBERS 1 2", Reply::Array(vec![Reply::Int(-2)])),
        ("SADDEX s MXX MEMBERS 1 2", Reply::Int(0)),
        ("SUNIONSTORE u s t", Reply::Int(4)),
        ("SPTTL u MEMBERS 2 1 3", Reply::Array(vec![Reply::Int(-1), Reply::Int(-1)])),
        ("SPOP s 5", set(&["1", "3"])),
        ("EXISTS s", Reply::Int(0)),
        ("SADD s 2", Reply::Int(1)),
        ("STTL s MEMBERS 1 2", Reply::Array(vec![Reply::Int(-1)])),
        ("SMEMBERS s", set(&["2"])),
    ] {
        assert_eq!(call(&home, 2000, text), expected, "{text}");
    }
}

#[test]
fn below_the_level_no_member_expires() {
    let home = Home::at_level(SIZES);
    call(&home, 1000, "SADD s a");
    let refused = |reply: Reply| matches!(reply, Reply::Error(_));
    for text in ["SEXPIRE s 10 MEMBERS 1 a", "SADDEX s EX 10 MEMBERS 1 a", "SPERSIST s MEMBERS 1 a"] {
        assert!(refused(call(&home, 1000, text)), "{text}");
    }
    let member = Member { name: b"a".to_vec(), expires_at_ms: Some(5000) };
    let payload = dump(&Object::ExpiringSet(vec![member]));
    assert!(refused(home.call(1000, 0, &[b"RESTORE", b"r", b"0", &payload])));
    let home = Home::at_level(SET_EXPIRY);
    assert_eq!(home.call(1000, 0, &[b"RESTORE", b"r", b"0", &payload]), Reply::Ok);
    assert_eq!(call(&home, 1000, "SPEXPIRETIME r MEMBERS 1 a"), Reply::Array(vec![Reply::Int(5000)]));
}
