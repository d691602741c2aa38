//! The values of `values.txt` and `files.txt`.

use crate::rdb::{Consumer, Entry, Field, Group, Object, Pending, Stream, StreamId};

pub const LATER: u64 = 4_102_444_800_000;

pub fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

fn texts<T: ToString>(texts: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    texts.into_iter().map(|text| text.to_string().into_bytes()).collect()
}

fn text(text: &str) -> Object {
    Object::String(text.as_bytes().to_vec())
}

fn hash(fields: &[(&str, &str, Option<u64>)]) -> Object {
    let field = |(name, value, at): &(&str, &str, Option<u64>)| Field {
        name: name.as_bytes().to_vec(),
        value: value.as_bytes().to_vec(),
        expires_at_ms: *at,
    };
    Object::Hash(fields.iter().map(field).collect())
}

fn scored(members: &[(&str, f64)]) -> Object {
    Object::SortedSet(members.iter().map(|(member, score)| (member.as_bytes().to_vec(), *score)).collect())
}

/// Id and fields.
type Row<'a> = (u64, u64, &'a [(&'a str, &'a str)]);

fn stream(entries: &[Row<'_>], max_deleted_id: StreamId, added: u64) -> Stream {
    let bytes = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let entry =
        |(ms, seq, fields): &Row<'_>| Entry { id: id(*ms, *seq), fields: fields.iter().map(bytes).collect() };
    let entries: Vec<Entry> = entries.iter().map(entry).collect();
    Stream {
        last_id: entries.last().map_or(max_deleted_id, |entry| entry.id),
        first_id: entries.first().map(|entry| entry.id).unwrap_or_default(),
        entries,
        max_deleted_id,
        entries_added: added,
        groups: Vec::new(),
    }
}

/// The case of that name, members in the order in which they were added. Times of consumers are zero.
pub fn value(case: &str) -> Object {
    match case {
        "string-short" => text("hello"),
        "string-empty" => text(""),
        "string-int8" => text("-5"),
        "string-int16" => text("1000"),
        "string-int32" => text("-100000"),
        "string-int-long" => text("12345678901"),
        "string-not-int" => text("007"),
        "string-int32-over" => text("2147483648"),
        "string-run" => text(&"a".repeat(100)),
        "string-text" => text(
            "the quick brown fox jumps over the lazy dog and the quick brown fox jumps again over the lazy dog",
        ),
        "string-bytes" => Object::String((0..=255).collect()),
        "string-long" => text(&(0..300).map(|i| format!("line {} of the text;", i % 37)).collect::<String>()),
        "list-small" => Object::List(list_small()),
        "list-large" => {
            Object::List(texts((0..150).map(|i| format!("element number {i} {}", "-".repeat(60)))))
        }
        "list-wide" => {
            let binary = [b"\0".as_slice(), b"\xff"].concat().repeat(4096);
            Object::List(vec!["w".repeat(9000).into_bytes(), b"b".to_vec(), binary])
        }
        "set-int16" => Object::Set(texts(["-2", "1", "300"])),
        "set-int32" => Object::Set(texts(["-70000", "1"])),
        "set-int64" => Object::Set(texts(["-9223372036854775808", "1", "5000000000"])),
        "set-words" => Object::Set(texts(["a", "b", "17"])),
        "set-large" => Object::Set(texts((0..130).map(|i| format!("m{i}")))),
        "zset-small" => scored(&[
            ("bottom", f64::NEG_INFINITY),
            ("minus three", -3.0),
            ("tenth", 0.1),
            ("one", 1.0),
            ("two and a half", 2.5),
            ("n", 123_456_789.0),
            ("huge", 1e300),
            ("top", f64::INFINITY),
        ]),
        "zset-large" => {
            let member = |i: u32| (format!("m{i}").into_bytes(), f64::from(i) * 1.25 - 7.0);
            Object::SortedSet((0..130).map(member).collect())
        }
        "hash-small" => {
            let long = "v".repeat(60);
            hash(&[("f", "v", None), ("n", "42", None), ("long", &long, None), ("empty", "", None)])
        }
        "hash-wide" => hash(&[("f", &"v".repeat(5000), None), ("g", "-1", None)]),
        "hash-ttl-small" => hash(&[("b", "2", Some(LATER)), ("a", "1", Some(LATER + 5)), ("c", "3", None)]),
        "hash-ttl-large" => hash_ttl_large(),
        "stream-plain" | "stream-mixed" | "stream-large" | "stream-groups" | "stream-empty" => {
            Object::Stream(stream_case(case))
        }
        "zipmap" => hash(&[("f", "vv", None), ("name", "value", None)]),
        "ziplist" => Object::List(texts([
            "a",
            "0",
            "12",
            "-128",
            "-32768",
            "-8388608",
            "-2147483648",
            "-9223372036854775808",
            "bb",
            "ccc",
        ])),
        "zset-text" => scored(&[("c", f64::NEG_INFINITY), ("d", -0.1), ("a", 1.5), ("b", f64::INFINITY)]),
        "list-plain" => Object::List(texts(["a", "-1", "c"])),
        "other-db" => text("x"),
        _ => panic!("no case {case}"),
    }
}

fn list_small() -> Vec<Vec<u8>> {
    let mut list = texts(["a"]);
    list.extend(texts([1, -1, 127, 128, 4095, -4096, 4096, -32768, 32768, -8_388_608, 8_388_608]));
    list.extend(texts([2_147_483_648, i64::MIN]));
    list.extend(texts(["".to_owned(), "x".repeat(63), "y".repeat(64), "z".repeat(300)]));
    list.extend(texts(["007", "-0", "12345678901234567890123"]));
    list
}

fn hash_ttl_large() -> Object {
    let field = |i: u64| Field {
        name: format!("field:{i}").into_bytes(),
        value: format!("value of {i}").into_bytes(),
        expires_at_ms: (i.is_multiple_of(5)).then_some(LATER + i),
    };
    let wide = Field { name: b"wide".to_vec(), value: "w".repeat(100).into_bytes(), expires_at_ms: None };
    Object::Hash((0..20).map(field).chain([wide]).collect())
}

fn stream_case(case: &str) -> Stream {
    match case {
        "stream-plain" => stream(
            &[
                (1001, 1, &[("f", "v1"), ("g", "1000")]),
                (1002, 2, &[("f", "v2"), ("g", "2000")]),
                (1003, 3, &[("f", "v3"), ("g", "3000")]),
                (1004, 4, &[("f", "v4"), ("g", "4000")]),
                (1005, 5, &[("f", "v5"), ("g", "5000")]),
            ],
            id(0, 0),
            5,
        ),
        "stream-mixed" => stream(
            &[(5, 1, &[("a", "1")]), (7, 0, &[("b", "3"), ("c", "")]), (7, 1, &[("a", "1")])],
            id(5, 2),
            4,
        ),
        "stream-large" => {
            let entry = |i: u64| Entry {
                id: id(2000 + i * 3, 0),
                fields: vec![(b"sensor".to_vec(), i.to_string().into_bytes())],
            };
            let entries: Vec<Entry> = (0..120).map(entry).collect();
            Stream { entries, first_id: id(2000, 0), last_id: id(2357, 0), ..stream(&[], id(0, 0), 120) }
        }
        "stream-empty" => stream(&[], id(9, 9), 1),
        _ => {
            let entry = |i: u64| Entry { id: id(i, 0), fields: vec![(b"k".to_vec(), texts([i]).remove(0))] };
            Stream {
                entries: (1..=5).map(entry).collect(),
                first_id: id(1, 0),
                last_id: id(5, 0),
                groups: groups(),
                ..stream(&[], id(0, 0), 5)
            }
        }
    }
}

fn groups() -> Vec<Group> {
    let consumer = |name: &str| Consumer { name: name.into(), seen_at_ms: 0, active_at_ms: None };
    let pending = |ms: u64, at: u64, deliveries: u64, consumer: usize| Pending {
        id: id(ms, 0),
        delivered_at_ms: 1_700_000_000_000 + at,
        deliveries,
        consumer,
    };
    let first = Group {
        name: b"g1".to_vec(),
        last_id: id(3, 0),
        entries_read: None,
        pending: vec![pending(1, 0, 3, 0), pending(2, 5, 1, 1), pending(3, 5, 1, 1)],
        consumers: vec![consumer("alice"), consumer("bob")],
    };
    let second = Group {
        name: b"g2".to_vec(),
        last_id: id(5, 0),
        entries_read: None,
        pending: Vec::new(),
        consumers: vec![consumer("idle")],
    };
    vec![first, second]
}

/// Members in order, for comparing what has none.
pub fn sorted(mut object: Object) -> Object {
    match &mut object {
        Object::Set(members) => members.sort(),
        Object::ExpiringSet(members) => members.sort_by(|a, b| a.name.cmp(&b.name)),
        Object::SortedSet(members) => members.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0))),
        Object::Hash(fields) => fields.sort_by(|a, b| a.name.cmp(&b.name)),
        Object::String(_) | Object::List(_) | Object::Stream(_) => (),
    }
    object
}

/// Without the times at which consumers were seen, which are those of the day when the bytes were made.
pub fn timeless(mut object: Object) -> Object {
    if let Object::Stream(stream) = &mut object {
        for consumer in stream.groups.iter_mut().flat_map(|group| &mut group.consumers) {
            consumer.seen_at_ms = 0;
            consumer.active_at_ms = None;
        }
    }
    object
}
