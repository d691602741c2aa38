//! Command lines, and what is sent for a value.

use super::cli::programs;
use crate::moving::plan::{Plan, finish, is_there, may_expire, plan, vanish, without_expired};
use crate::rdb::{Consumer, Entry, Field, Group, Member, Object, Pending, Record, Stream, StreamId, dump};

#[test]
fn the_command_lines_are_sound() {
    for program in programs() {
        program.debug_assert();
    }
    let [import, export] = programs();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for good in ["import dump.rdb", "import dump.rdb --dry-run", "import --replace --to h:1 dump.rdb"] {
        import.clone().try_get_matches_from(words(good)).unwrap();
    }
    export.clone().try_get_matches_from(words("export x --from h:1 --rdb-version 12")).unwrap();
    assert!(import.try_get_matches_from(words("import")).is_err());
    assert!(export.try_get_matches_from(words("export x --rdb-version 9")).is_err());
}

fn record(object: Object, expires_at_ms: Option<u64>) -> Record {
    Record { db: 0, key: b"key".to_vec(), object, expires_at_ms, idle_s: None, freq: None }
}

/// The commands, words joined; long words are cut.
fn pieces(object: Object, expires_at_ms: Option<u64>) -> Vec<String> {
    match plan(&record(object, expires_at_ms), b"own", false) {
        Plan::Restore(_) => panic!("one RESTORE"),
        Plan::Pieces(pieces) => pieces
            .iter()
            .map(|argv| {
                let mut words: Vec<String> = argv
                    .iter()
                    .map(|word| String::from_utf8_lossy(word).chars().take(20).collect())
                    .collect();
                let more = words.len().saturating_sub(16);
                words.truncate(16);
                if more > 0 {
                    words.push(format!("and {more}"));
                }
                words.join(" ")
            })
            .collect(),
    }
}

#[test]
fn a_small_value_is_one_restore() {
    let object = Object::List(vec![b"a".to_vec(), b"b".to_vec()]);
    let payload = dump(&object);
    let Plan::Restore(argv) = plan(&record(object.clone(), None), b"own", false) else { panic!() };
    assert_eq!(argv, [b"RESTORE".as_slice(), b"key", b"0", &payload, b"ABSTTL"]);
    let Plan::Restore(argv) = plan(&record(object, Some(77)), b"own", true) else { panic!() };
    assert_eq!(argv, [b"RESTORE".as_slice(), b"key", b"77", &payload, b"ABSTTL", b"REPLACE"]);
}

#[test]
fn a_large_value_is_built_in_pieces() {
    let many = |count: usize| (0..count).map(|i| i.to_string().into_bytes());
    assert_eq!(
        pieces(Object::String(vec![b'x'; 3_000_000]), Some(5)),
        ["SET own xxxxxxxxxxxxxxxxxxxx EX 3600"]
    );
    let list = pieces(Object::List(many(10_500).collect()), Some(5));
    assert_eq!(list.len(), 11);
    assert_eq!(
        list[10],
        "RPUSH own 10000 10001 10002 10003 10004 10005 10006 10007 10008 10009 10010 10011 10012 10013 and 486"
    );
    assert_eq!(pieces(Object::Set(many(10_001).collect()), None).len(), 11);
    let scored = many(10_001).map(|member| (member, 0.1)).chain([(b"top".to_vec(), f64::INFINITY)]);
    let scored = pieces(Object::SortedSet(scored.collect()), None);
    assert_eq!(scored[10], "ZADD own 0.1 10000 inf top");
    let field = |name: Vec<u8>| Field { value: name.clone(), name, expires_at_ms: None };
    let mut fields: Vec<Field> = many(10_001).map(field).collect();
    fields[3].expires_at_ms = Some(9);
    fields[4].expires_at_ms = Some(9);
    let hash = pieces(Object::Hash(fields), None);
    assert_eq!(hash.len(), 12);
    assert_eq!(hash[11], "HPEXPIREAT own 9 FIELDS 2 3 4");
    let member = |name: Vec<u8>| Member { name, expires_at_ms: None };
    let mut members: Vec<Member> = many(10_001).map(member).collect();
    members[3].expires_at_ms = Some(9);
    members[4].expires_at_ms = Some(8);
    let set = pieces(Object::ExpiringSet(members), None);
    assert_eq!((set.len(), &set[10][..]), (13, "SADD own 10000"));
    assert_eq!(set[11..], ["SPEXPIREAT own 8 MEMBERS 1 4", "SPEXPIREAT own 9 MEMBERS 1 3"]);
    // Few elements, but many bytes, which do not compress.
    let noise = |seed: u64| {
        (0..900_000_u64).map(move |i| ((i * i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
    };
    assert_eq!(pieces(Object::List((0..3).map(|seed| noise(seed).collect()).collect()), None).len(), 3);
}

#[test]
fn a_large_stream_keeps_its_groups() {
    let id = |ms| StreamId { ms, seq: 1 };
    let entry = |ms| Entry { id: id(ms), fields: vec![(b"f".to_vec(), b"v".to_vec())] };
    let group = Group {
        name: b"g".to_vec(),
        last_id: id(2),
        entries_read: Some(2),
        pending: vec![Pending { id: id(1), delivered_at_ms: 55, deliveries: 3, consumer: 0 }],
        consumers: vec![Consumer { name: b"c".to_vec(), seen_at_ms: 56, active_at_ms: None }],
    };
    let stream = Stream {
        entries: (1..=10_001).map(entry).collect(),
        last_id: id(10_005),
        first_id: id(1),
        max_deleted_id: id(0),
        entries_added: 10_009,
        groups: vec![group],
    };
    let commands = pieces(Object::Stream(stream), None);
    assert_eq!(commands[0], "XADD own 1-1 f v");
    assert_eq!(
        commands[10_001..],
        [
            "XSETID own 10005-1 ENTRIESADDED 10009 MAXDELETEDID 0-1",
            "XGROUP CREATE own g 2-1 ENTRIESREAD 2",
            "XGROUP CREATECONSUMER own g c",
            "XCLAIM own g c 0 1-1 TIME 55 RETRYCOUNT 3 FORCE JUSTID",
        ]
    );
}

#[test]
fn an_unfinished_value_goes_by_itself_and_a_finished_one_stays() {
    assert_eq!(is_there(b"own"), [b"EXISTS".as_slice(), b"own"]);
    assert_eq!(vanish(b"own"), [b"EXPIRE".as_slice(), b"own", b"3600"]);
    let object = Object::String(b"v".to_vec());
    let [expire, rename, delete] = finish(&record(object.clone(), None), b"own", false);
    assert_eq!(expire, [b"PERSIST".as_slice(), b"own"]);
    assert_eq!(rename, [b"RENAMENX".as_slice(), b"own", b"key"]);
    assert_eq!(delete, [b"DEL".as_slice(), b"own"]);
    let [expire, rename, _] = finish(&record(object, Some(77)), b"own", true);
    assert_eq!(expire, [b"PEXPIREAT".as_slice(), b"own", b"77"]);
    assert_eq!(rename, [b"RENAME".as_slice(), b"own", b"key"]);
}

#[test]
fn a_value_may_expire_while_it_is_built() {
    let field = |at| Field { name: b"f".to_vec(), value: b"v".to_vec(), expires_at_ms: at };
    let mut hash = Object::Hash(vec![field(Some(5)), field(Some(7)), field(None)]);
    assert!(without_expired(&mut hash, 5));
    assert_eq!(hash, Object::Hash(vec![field(Some(7)), field(None)]));
    assert!(!may_expire(&record(hash.clone(), None)) && may_expire(&record(hash, Some(77))));
    let mut hash = Object::Hash(vec![field(Some(5)), field(Some(7))]);
    assert!(may_expire(&record(hash.clone(), None)));
    assert!(!without_expired(&mut hash, 7));
    let member = |at| Member { name: b"m".to_vec(), expires_at_ms: at };
    let mut set = Object::ExpiringSet(vec![member(Some(5)), member(None)]);
    assert!(without_expired(&mut set, 5) && !may_expire(&record(set.clone(), None)));
    assert_eq!(set, Object::ExpiringSet(vec![member(None)]));
    let mut set = Object::ExpiringSet(vec![member(Some(5))]);
    assert!(may_expire(&record(set.clone(), None)) && !without_expired(&mut set, 5));
    let mut list = Object::List(vec![b"a".to_vec()]);
    assert!(without_expired(&mut list, 7) && !may_expire(&record(list, None)));
}
