//! The bounds of frames and queues, and what is said when they are passed.

use std::time::{Duration, Instant};

use resp_tests::connection::Received;
use resp_tests::value::{Value, encode};

use crate::support::{Context, Test, alive, process_status, refused_by, resident_mib};

pub const TESTS: &[Test] = &[
    Test::everywhere("row_08_a_header_line_has_an_end", header_lines),
    Test::everywhere("row_09_an_inline_line_has_an_end", inline_line),
    Test::everywhere("row_12_before_authentication_frames_are_small", preauth_frames),
    Test::everywhere("row_16_the_silent_are_closed_and_only_they", idle_timeout),
    Test::product("row_17_a_transaction_has_a_limit_in_bytes", transaction_bytes),
    Test::product("row_18_a_call_larger_than_a_log_entry_is_definitely_not_done", oversized_entry),
    Test::everywhere("row_28_large_values_are_exact", large_values),
    Test::everywhere("row_28_a_declared_size_is_not_allocated", declared_size),
    Test::everywhere("maxclients_is_kept_and_said", maxclients),
    Test::product("transparent_huge_pages_are_off_unless_wanted", huge_pages),
];

fn header_lines(on: &Context) {
    let long = "1".repeat(70 * 1024);
    on.refused(format!("*{long}").as_bytes(), "-ERR Protocol error: too big mbulk count string\r\n");
    on.refused(format!("*1\r\n${long}").as_bytes(), "-ERR Protocol error: too big bulk count string\r\n");
}

fn inline_line(on: &Context) {
    let long = "a".repeat(70 * 1024);
    on.refused(long.as_bytes(), "-ERR Protocol error: too big inline request\r\n");
}

fn preauth_frames(on: &Context) {
    let server = on.start(&["--requirepass", "secret"]);
    let array = "-ERR Protocol error: unauthenticated multibulk length\r\n";
    let bulk = "-ERR Protocol error: unauthenticated bulk length\r\n";
    refused_by(&server, b"*11\r\n$4\r\nPING\r\n", array);
    refused_by(&server, b"*1000000\r\n", array);
    refused_by(&server, b"*1\r\n$16385\r\n", bulk);
    refused_by(&server, b"*2\r\n$4\r\nAUTH\r\n$100000000\r\n", bulk);
    let mut connection = server.connect().unwrap();
    let _closed_early = connection.send_raw(&vec![b'j'; 1024 * 1024]);
    let got = connection.read_to_close().unwrap();
    let refusal = b"-ERR Protocol error: too big inline request\r\n";
    // The error may be lost with the connection when junk was still under way.
    assert!(got.is_empty() || got == refusal, "{}", got.escape_ascii());
    // At the limits, and with the password, all is well.
    let mut connection = server.connect().unwrap();
    connection.send(&[b"AUTH".as_slice(), &vec![b'x'; 16384]]).unwrap();
    assert!(
        matches!(connection.receive().unwrap(), Received::Reply(Value::Error(text)) if text.starts_with(b"WRONGPASS"))
    );
    assert_eq!(connection.call(&["AUTH", "secret"]).unwrap(), Received::Reply(Value::Simple(b"OK".to_vec())));
    let many: Vec<String> = (0..20).map(|index| format!("k{index}")).collect();
    let del: Vec<&str> = std::iter::once("DEL").chain(many.iter().map(String::as_str)).collect();
    assert_eq!(connection.call(&del).unwrap(), Received::Reply(Value::Integer(0)));
    let long = vec![b'v'; 100_000];
    let set = [b"SET".as_slice(), b"k", &long];
    assert_eq!(connection.call(&set).unwrap(), Received::Reply(Value::Simple(b"OK".to_vec())));
    alive(&server);
}

fn idle_timeout(on: &Context) {
    let server = on.start(&["--timeout", "1"]);
    let pong = Received::Reply(Value::Simple(b"PONG".to_vec()));
    let mut busy = server.connect().unwrap();
    let mut silent = server.connect().unwrap();
    assert_eq!(silent.call(&["PING"]).unwrap(), pong);
    let waiting = Instant::now();
    let closed = std::thread::spawn(move || silent.read_to_close());
    while !closed.is_finished() {
        assert_eq!(busy.call(&["PING"]).unwrap(), pong);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(closed.join().unwrap().unwrap(), b"");
    assert!(waiting.elapsed() >= Duration::from_secs(1), "closed after {:?}", waiting.elapsed());
    assert_eq!(busy.call(&["PING"]).unwrap(), pong);
}

/// Each value alone would do; together they are more than an entry of the log may be.
fn oversized_entry(on: &Context) {
    const VALUE_BYTES: usize = 320 << 20;
    let server = on.start(&[]);
    let mut connection = server.connect().unwrap();
    connection.set_deadline(Duration::from_secs(60));
    let piece = vec![b'v'; 1 << 20];
    connection.send_raw(b"*5\r\n$4\r\nMSET\r\n").unwrap();
    for key in ["a", "b"] {
        connection.send_raw(format!("$1\r\n{key}\r\n${VALUE_BYTES}\r\n").as_bytes()).unwrap();
        for _ in 0..VALUE_BYTES / piece.len() {
            connection.send_raw(&piece).unwrap();
        }
        connection.send_raw(b"\r\n").unwrap();
    }
    let text = b"ERR command is larger than one log entry may be; nothing was changed";
    assert_eq!(connection.receive().unwrap(), Received::Reply(Value::Error(text.to_vec())));
    // Nothing is wedged, on this connection or another.
    let ok = Received::Reply(Value::Simple(b"OK".to_vec()));
    assert_eq!(connection.call(&["EXISTS", "a", "b"]).unwrap(), Received::Reply(Value::Integer(0)));
    assert_eq!(connection.call(&["SET", "a", "1"]).unwrap(), ok);
    assert_eq!(server.connect().unwrap().call(&["SET", "b", "2"]).unwrap(), ok);
    alive(&server);
}

fn transaction_bytes(on: &Context) {
    let server = on.start(&[]);
    let mut connection = server.connect().unwrap();
    connection.set_deadline(Duration::from_secs(60));
    assert_eq!(connection.call(&["MULTI"]).unwrap(), Received::Reply(Value::Simple(b"OK".to_vec())));
    let value = vec![b'v'; 16 * 1024 * 1024];
    let mut refused = false;
    for _ in 0..80 {
        match connection.call(&[b"SET".as_slice(), b"k", &value]) {
            Ok(Received::Reply(Value::Simple(text))) => assert_eq!(text, b"QUEUED"),
            Ok(Received::Reply(Value::Error(_)) | Received::Closed) | Err(_) => {
                refused = true;
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused, "1.25 GiB were queued");
    assert_eq!(server.connect().unwrap().call(&["EXISTS", "k"]).unwrap(), Received::Reply(Value::Integer(0)));
    alive(&server);
}

fn large_values(on: &Context) {
    let mut connection = on.connect();
    connection.set_deadline(Duration::from_secs(60));
    let value: Vec<u8> = (0..64_usize * 1024 * 1024).map(|index| (index % 251) as u8).collect();
    let key = vec![b'k'; 1024 * 1024];
    let ok = Received::Reply(Value::Simple(b"OK".to_vec()));
    assert_eq!(connection.call(&[b"SET".as_slice(), &key, &value]).unwrap(), ok);
    let length = Received::Reply(Value::Integer(value.len() as i64));
    assert_eq!(connection.call(&[b"STRLEN".as_slice(), &key]).unwrap(), length);
    assert!(connection.call(&[b"GETDEL".as_slice(), &key]).unwrap() == Received::Reply(Value::Bulk(value)));
    // Zeros up to the end of the largest string are made by a two-byte write; one byte more is refused.
    let too_long = connection.call(&["SETRANGE", "row28", "536870911", "xy"]).unwrap();
    assert!(matches!(too_long, Received::Reply(Value::Error(_))), "{too_long:?}");
}

fn declared_size(on: &Context) {
    let server = on.start(&[]);
    let before = resident_mib(&server);
    let mut open = Vec::new();
    for _ in 0..50 {
        let mut connection = server.connect().unwrap();
        connection.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nonly this").unwrap();
        open.push(connection);
    }
    alive(&server);
    let grown = resident_mib(&server).saturating_sub(before);
    assert!(grown < 128, "50 declared values of 512 MiB took {grown} MiB");
}

fn maxclients(on: &Context) {
    let server = on.start(&["--maxclients", "10"]);
    let mut open = Vec::new();
    let mut refusal = Vec::new();
    for _ in 0..30 {
        let mut connection = server.connect().unwrap();
        let _closed_early = connection.send_raw(&encode(&["PING"]));
        match connection.receive() {
            Ok(Received::Reply(Value::Simple(_))) => open.push(connection),
            Ok(Received::Reply(Value::Error(text))) => refusal.push(text),
            Ok(Received::Closed) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open.len(), 10);
    assert!(refusal.iter().all(|text| text == b"ERR max number of clients reached"), "{refusal:?}");
    assert!(!refusal.is_empty(), "nobody was told why");
    // A place that becomes free can be taken, as soon as the server has seen that it is free.
    open.clear();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !matches!(server.connect().unwrap().call(&["PING"]), Ok(Received::Reply(Value::Simple(_)))) {
        assert!(Instant::now() < deadline, "no place becomes free");
    }
}

fn huge_pages(on: &Context) {
    let enabled = |args: &[&str]| process_status(&on.start(args), "THP_enabled:");
    assert_eq!(enabled(&[]), 1);
    assert_eq!(enabled(&["--disable-thp", "yes"]), 0);
}
