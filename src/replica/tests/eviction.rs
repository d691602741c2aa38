//! Entries that evict: what goes follows from the entry and the state.

use super::support::{Home, commands, entry};
use crate::{
    replica::{CountRows, Evict, Victim},
    resp::Reply,
    store::{Sampler, VictimOrder},
};

fn bytes(home: &Home) -> u64 {
    home.store.checksum().unwrap();
    home.store.published().state().bytes()
}

fn victims(home: &Home) -> Vec<Victim<Vec<u8>>> {
    let mut sampler = Sampler::new(VictimOrder::Idle, false, 1);
    let mut found = home.store.look_for_victims(&mut sampler, 1000).unwrap();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found.dedup_by(|a, b| a.key == b.key);
    let victim = |found: crate::store::Candidate| {
        let crate::store::Candidate { namespace, key, revision, .. } = found;
        Victim { namespace, key, revision }
    };
    found.into_iter().map(victim).collect()
}

/// One with its hot cache, one without; one batch for all entries, and one for each.
#[test]
fn replicas_evict_alike_whatever_they_have_in_memory() {
    let (one, other) = (Home::new(0), Home::new(1 << 20));
    for home in [&one, &other] {
        for number in 0..50_u32 {
            let key = format!("key{number:02}");
            let words: [&[u8]; 5] = [b"HSET", key.as_bytes(), b"a", b"1", b"b"];
            home.call(1000, number % 3, &[&words[..], &[b"2"]].concat());
        }
    }
    let before = bytes(&one);
    let victims = victims(&one);
    assert_eq!(victims.len(), 50);
    let target = before / 2;
    let written = commands(&[(1, &[b"HSET", b"key01", b"a", b"3"]), (2, &[b"DEL", b"key02"])]);
    let evict = Evict::encode(target, &victims);
    let reply = one.next(2000, written.clone());
    assert_eq!(reply, Reply::Int(1));
    let evicted = one.next(2000, evict.clone());
    let Reply::Int(evicted) = evicted else { panic!("{evicted:?}") };
    assert!((22..=26).contains(&evicted), "{evicted}");
    assert!(bytes(&one) <= target && bytes(&one) > target - 200, "no further than it must");
    let index = other.store.applied().unwrap().index;
    other.apply(&[
        (index + 1, entry(2000, index + 1, &[written])),
        (index + 2, entry(2000, index + 2, std::slice::from_ref(&evict))),
    ]);
    assert_eq!(one.store.checksum().unwrap(), other.store.checksum().unwrap());
    assert_eq!(one.call(2000, 1, &[b"HGET", b"key01", b"a"]), Reply::bulk("3"), "it was written since");
    assert_eq!(one.call(2000, 0, &[b"EXISTS", b"key00"]), Reply::Int(0));
    // Once more, there is nothing to do.
    assert_eq!(one.next(3000, evict), Reply::Int(0));
}

/// Every command that changes anything, as far as the types' own tests do not say it: bytes are what a read of all rows finds.
#[test]
fn bytes_are_those_of_the_rows_after_all_kinds_of_changes() {
    for hot in [0, 1 << 20] {
        let home = Home::new(hot);
        let long = "x".repeat(100_000);
        let script = "redis.call('LPUSH', KEYS[1], 'a', 'b'); redis.call('RENAME', KEYS[1], 'moved'); \
                      redis.pcall('SADD', 'moved', 'x'); return redis.call('HSET', 'made', 'f', 'v')";
        let calls = [
            "SET s short",
            "SET s {long}",
            "SETRANGE s 50000 middle",
            "APPEND s {long}",
            "SETBIT s 9000000 1",
            "GETDEL s",
            "SET s {long} EX 100",
            "PERSIST s",
            "SET s x",
            "RPUSH l a b c d e f g h i j",
            "LINSERT l BEFORE d between",
            "LREM l 1 b",
            "LSET l 2 another-element",
            "LTRIM l 1 6",
            "LMOVE l m LEFT RIGHT",
            "LPOP l 2",
            "RPOP l 2",
            "HSET h a 1 b 2 c 3",
            "HSET h a a-longer-value",
            "HINCRBY h b 1000000",
            "HPEXPIRE h 500 FIELDS 2 a b",
            "HPERSIST h FIELDS 1 a",
            "HDEL h c",
            "EXPIRE h 1000",
            "COPY h h2",
            "COPY h h3 DB 4",
            "MOVE h2 5",
            "SADD set a b c 1 2 3",
            "SREM set a",
            "SMOVE set other b",
            "SUNIONSTORE third set other",
            "SPOP set 2",
            "ZADD z 1 a 2 b 3 c -0 d",
            "ZADD z 5 a",
            "ZINCRBY z 2 b",
            "ZREMRANGEBYRANK z 0 0",
            "ZRANGESTORE z2 z 0 -1",
            "ZPOPMIN z2 1",
            "XADD x 1-1 f v",
            "XADD x 2-1 f v g w",
            "XADD x 3-1 f v",
            "XGROUP CREATE x group 0",
            "XREADGROUP GROUP group alice COUNT 2 STREAMS x >",
            "XACK x group 1-1",
            "XCLAIM x group bob 0 2-1",
            "XDEL x 2-1",
            "XTRIM x MAXLEN 1",
            "XGROUP DELCONSUMER x group bob",
            "XGROUP DESTROY x group",
            "PFADD p a b c",
            "SORT l ALPHA STORE sorted",
            "RENAME z renamed",
            "GEOADD g 1 1 a",
            "BITOP NOT b p",
            "SWAPDB 0 4",
            "SWAPDB 0 4",
            "FUNCTION FLUSH",
            "ACL SETUSER bob on",
        ];
        for (number, line) in calls.into_iter().enumerate() {
            let words: Vec<String> = line.split(' ').map(|word| word.replace("{long}", &long)).collect();
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            let reply = home.call(1000, 0, &words);
            assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
            println!("{number} {line}: {}", bytes(&home));
        }
        let reply = home.call(1000, 0, &[b"EVAL", script.as_bytes(), b"1", b"made-by-script"]);
        assert!(matches!(reply, Reply::Int(1)), "{reply:?}");
        bytes(&home);
        // A field has expired, then its hash.
        home.sweep(1501, 10);
        bytes(&home);
        home.sweep(10_000_000, 10);
        bytes(&home);
        // A large sorted set has counts of stretches.
        for part in 0..20_u32 {
            let members: Vec<String> = (0..100).map(|n| format!("{}", part * 100 + n)).collect();
            let mut words: Vec<&[u8]> = vec![b"ZADD", b"large"];
            members.iter().for_each(|member| words.extend([member.as_bytes(), member.as_bytes()]));
            home.call(1000, 0, &words);
        }
        home.call(1000, 0, &[b"ZREMRANGEBYSCORE", b"large", b"500", b"900"]);
        home.call(1000, 0, &[b"ZPOPMAX", b"large", b"300"]);
        home.call(1000, 0, &[b"ZADD", b"large", b"1", b"1999"]);
        bytes(&home);
        home.call(1000, 0, &[b"FLUSHALL"]);
        assert_eq!(bytes(&home), 0);
        // There is nothing of before the level.
        let count = CountRows { rows_max: 10, from: b"" }.encode();
        assert!(matches!(home.next(1000, count), Reply::Nil | Reply::Bulk(_)));
    }
}
