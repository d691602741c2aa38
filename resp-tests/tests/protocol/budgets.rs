//! What a call costs where it is applied: it is refused, alone, when that is too much for a node. And what replies cost that
//! are made there.

use resp_tests::connection::{Connection, Received};
use resp_tests::value::Value;

use crate::support::{Context, Test, process_status};

pub const TESTS: &[Test] = &[
    Test::product("a_call_that_would_take_too_much_is_refused_alone_also_in_exec", refused_alone),
    Test::product("long_replies_behind_writes_are_made_one_by_one", replies_behind_writes),
    Test::everywhere("reads_behind_writes_show_the_writes_before_them_and_no_others", reads_in_order),
    Test::product("an_exec_whose_replies_would_be_too_long_is_discarded", replies_of_exec),
];

const REFUSAL: &[u8] = b"ERR the command would take more than 640 MiB of memory on every node; nothing was changed; do it in parts";

/// A value of 32 KiB, and a list of a thousand elements that all stand for its key.
fn fill(connection: &mut Connection) {
    let long = "v".repeat(32 * 1024);
    assert_eq!(connection.call(&["SET", "budget:w1", &long]).unwrap(), ok());
    let push: Vec<&str> =
        ["RPUSH", "budget:list"].into_iter().chain(std::iter::repeat_n("1", 1000)).collect();
    assert_eq!(connection.call(&push).unwrap(), Received::Reply(Value::Integer(1000)));
}

fn ok() -> Received {
    Received::Reply(Value::Simple(b"OK".to_vec()))
}

/// SORT that stores the value so many times a thousand.
fn sort(times: usize) -> Vec<&'static str> {
    let gets = std::iter::repeat_n(["GET", "budget:w*"], times).flatten();
    ["SORT", "budget:list", "BY", "nosort"]
        .into_iter()
        .chain(gets)
        .chain(["STORE", "budget:stored"])
        .collect()
}

fn refused_alone(on: &Context) {
    let mut connection = on.server.connect().unwrap();
    fill(&mut connection);
    let refused = || Value::Error(REFUSAL.to_vec());
    assert_eq!(connection.call(&["SET", "budget:stored", "before"]).unwrap(), ok());
    assert_eq!(connection.call(&sort(21)).unwrap(), Received::Reply(refused()));
    assert_eq!(
        connection.call(&["GET", "budget:stored"]).unwrap(),
        Received::Reply(Value::Bulk(b"before".to_vec()))
    );
    assert_eq!(connection.call(&["MULTI"]).unwrap(), ok());
    for words in [vec!["INCR", "budget:count"], sort(21), vec!["INCR", "budget:count"]] {
        let queued = Received::Reply(Value::Simple(b"QUEUED".to_vec()));
        assert_eq!(connection.call(&words).unwrap(), queued);
    }
    let replies = Value::Array(vec![Value::Integer(1), refused(), Value::Integer(2)]);
    assert_eq!(connection.call(&["EXEC"]).unwrap(), Received::Reply(replies));
    let gone = ["DEL", "budget:w1", "budget:list", "budget:stored", "budget:count"];
    assert_eq!(connection.call(&gone).unwrap(), Received::Reply(Value::Integer(4)));
}

fn bulk(bytes: &[u8]) -> Received {
    Received::Reply(Value::Bulk(bytes.to_vec()))
}

fn replies_behind_writes(on: &Context) {
    const LONG: usize = 8 << 20;
    const READS: usize = 60;
    let server = on.start(&[]);
    let mut connection = server.connect().unwrap();
    let long = vec![b'x'; LONG];
    for key in [&b"long"[..], b"hash"] {
        let words: Vec<&[u8]> = match key {
            b"long" => vec![b"SET", key, &long],
            _ => vec![b"HSET", key, b"f", &long],
        };
        connection.send(&words).unwrap();
        connection.receive().unwrap();
    }
    std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();
    let before = process_status(&server, "VmHWM:");
    let mut pipeline = Vec::new();
    encode(&["SET", "a", "1"], &mut pipeline);
    (0..READS / 2).for_each(|_| {
        encode(&["GET", "long"], &mut pipeline);
        encode(&["INCR", "a"], &mut pipeline);
        encode(&["HGET", "hash", "f"], &mut pipeline);
    });
    connection.send_raw(&pipeline).unwrap();
    assert_eq!(connection.receive().unwrap(), ok());
    for at in 0..READS / 2 {
        assert!(matches!(connection.receive().unwrap(), Received::Reply(Value::Bulk(got)) if got == long));
        assert_eq!(connection.receive().unwrap(), Received::Reply(Value::Integer(at as i64 + 2)));
        assert!(matches!(connection.receive().unwrap(), Received::Reply(Value::Bulk(got)) if got == long));
    }
    let grown = (process_status(&server, "VmHWM:") - before) / 1024;
    assert!(grown < 200, "{grown} MiB for {READS} replies of 8");
}

fn encode(words: &[&str], into: &mut Vec<u8>) {
    into.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        into.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

fn reads_in_order(on: &Context) {
    let mut connection = on.server.connect().unwrap();
    let (long, short) = ("y".repeat(20_000), "z".repeat(10));
    let mut pipeline = Vec::new();
    for words in [
        &["SET", "order:k", &short][..],
        &["GET", "order:k"],
        &["APPEND", "order:k", &long],
        &["STRLEN", "order:k"],
        &["GETRANGE", "order:k", "0", "10"],
        &["SET", "order:k", &long],
        &["GET", "order:k"],
        &["SET", "order:k", &short],
        &["MGET", "order:k", "order:none"],
        &["RENAME", "order:k", "order:other"],
        &["GET", "order:other"],
        &["HSET", "order:h", "f", &long],
        &["HGET", "order:h", "f"],
        &["HSET", "order:h", "f", &short],
        &["HMGET", "order:h", "f", "g"],
        &["DEL", "order:h", "order:other"],
        &["GET", "order:other"],
        &["HGET", "order:other", "f"],
    ] {
        encode(words, &mut pipeline);
    }
    connection.send_raw(&pipeline).unwrap();
    let (long, short) = (long.as_bytes(), short.as_bytes());
    let both = || Received::Reply(Value::Array(vec![Value::Bulk(short.to_vec()), Value::NilBulk]));
    let integer = |number| Received::Reply(Value::Integer(number));
    let expected = [
        ok(),
        bulk(short),
        integer(20_010),
        integer(20_010),
        bulk(b"zzzzzzzzzzy"),
        ok(),
        bulk(long),
        ok(),
        both(),
        ok(),
        bulk(short),
        integer(1),
        bulk(long),
        integer(0),
        both(),
        integer(2),
        Received::Reply(Value::NilBulk),
        Received::Reply(Value::NilBulk),
    ];
    for expected in expected {
        assert_eq!(connection.receive().unwrap(), expected);
    }
}

fn replies_of_exec(on: &Context) {
    let mut connection = on.server.connect().unwrap();
    let long = "v".repeat(32 * 1024);
    assert_eq!(connection.call(&["SET", "exec:long", &long]).unwrap(), ok());
    // 8,192 of them, with what an element of a reply takes beside its bytes, are more than 256 MiB.
    for (write, reads, is_refused) in [("exec:a", 8192, true), ("", 8192, true), ("exec:b", 100, false)] {
        let mut pipeline = Vec::new();
        encode(&["MULTI"], &mut pipeline);
        if !write.is_empty() {
            encode(&["SET", write, "1"], &mut pipeline);
        }
        (0..reads).for_each(|_| encode(&["GET", "exec:long"], &mut pipeline));
        encode(&["EXEC"], &mut pipeline);
        connection.send_raw(&pipeline).unwrap();
        for _ in 0..reads + 1 + usize::from(!write.is_empty()) {
            assert!(matches!(connection.receive().unwrap(), Received::Reply(Value::Simple(_))));
        }
        match connection.receive().unwrap() {
            Received::Reply(Value::Error(text)) => assert!(
                is_refused
                    && text == b"EXECABORT Transaction discarded because of: the replies of its reads would take more than 256 MiB; nothing was changed",
                "{}",
                text.escape_ascii()
            ),
            Received::Reply(Value::Array(replies)) => assert!(!is_refused && replies.len() == reads + 1),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        connection.call(&["MGET", "exec:a", "exec:b"]).unwrap(),
        Received::Reply(Value::Array(vec![Value::NilBulk, Value::Bulk(b"1".to_vec())]))
    );
    assert_eq!(connection.call(&["DEL", "exec:b", "exec:long"]).unwrap(), Received::Reply(Value::Integer(2)));
}
