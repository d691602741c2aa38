//! Bytes that mean harm: other protocols, smuggled lines, clients that never read or never end.

use std::thread;
use std::time::Duration;

use resp_tests::connection::Received;
use resp_tests::value::{Value, encode};

use crate::support::{Context, Test, alive, resident_mib, text, write_until_closed};

pub const TESTS: &[Test] = &[
    Test::everywhere("row_09_bytes_out_of_step_close_the_connection", desync),
    Test::product("row_13_a_client_that_never_reads_is_closed_before_it_has_authenticated", preauth_output),
    Test::product("row_14_clients_that_never_read_cost_bounded_memory", never_read),
    Test::everywhere("row_16_half_open_requests_do_not_keep_others_out", slowloris),
    Test::everywhere("row_31_line_ends_never_get_into_errors", injection),
    Test::everywhere("row_32_client_names_cannot_forge_lines", names),
    Test::everywhere("row_39_http_is_cut_off_and_nothing_of_it_runs", http),
    Test::everywhere("row_39_other_protocols_are_cut_off_or_answered_with_errors", other_protocols),
];

fn desync(on: &Context) {
    for start in [&b"\x00"[..], b"*\x00", b"$\x00"] {
        let mut connection = on.connect();
        connection.set_deadline(Duration::from_secs(30));
        connection.send_raw(start).unwrap();
        let payload = [vec![b'A'; 1024], b"\n".to_vec()].concat();
        // Either an answer comes for what looks like a line, or the end comes: never silence, never growth.
        for _ in 0..2000 {
            if connection.send_raw(&payload).is_err() {
                break;
            }
        }
        let _half_closed = connection.stream().shutdown(std::net::Shutdown::Write);
        let got = connection.read_to_close().unwrap();
        assert!(got.starts_with(b"-ERR "), "for {}: {}", text(start), text(&got));
        alive(on.server);
    }
}

fn preauth_output(on: &Context) {
    let server = on.start(&["--requirepass", "secret"]);
    let before = resident_mib(&server);
    let mut connection = server.connect().unwrap();
    write_until_closed(&mut connection, &b"*1\r\n$4\r\nPING\r\n".repeat(1000), 256 * 1024 * 1024);
    let grown = resident_mib(&server).saturating_sub(before);
    assert!(grown < 64, "a client without a password made the server grow by {grown} MiB");
    alive(&server);
}

fn never_read(on: &Context) {
    let server = on.start(&[]);
    let value = vec![b'v'; 1024 * 1024];
    let mut admin = server.connect().unwrap();
    assert_eq!(admin.call(&[b"SET".as_slice(), b"big", &value]).unwrap(), ok());
    let before = resident_mib(&server);
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = server.connect().unwrap();
        client.set_deadline(Duration::from_secs(5));
        // Whether the server closes, or stops reading until this client reads, is its own affair.
        let _closed = client.send_raw(&encode(&["GET", "big"]).repeat(500));
        clients.push(client);
    }
    for _ in 0..20 {
        alive(&server);
        let grown = resident_mib(&server).saturating_sub(before);
        assert!(grown < 1024, "5000 unread replies of 1 MiB each take {grown} MiB");
        thread::sleep(Duration::from_millis(100));
    }
    drop(clients);
    alive(&server);
}

fn slowloris(on: &Context) {
    let mut open = Vec::new();
    for (index, part) in
        [&b"*"[..], b"*3\r\n$3\r\nSE", b"PIN", b"*1\r\n$4\r\nPI"].iter().cycle().take(400).enumerate()
    {
        let mut connection = on.connect();
        connection.send_raw(part).unwrap();
        open.push(connection);
        if index % 50 == 0 {
            alive(on.server);
        }
    }
    // They go on, byte by byte, and one of them is finished and answered.
    let last = open.len() - 2;
    open[last].send_raw(b"G\r\n").unwrap();
    assert_eq!(open[last].receive().unwrap(), Received::Reply(Value::Simple(b"PONG".to_vec())));
    alive(on.server);
}

fn injection(on: &Context) {
    let forged = "x\r\n-ERR y\r\n+OK";
    let commands: [&[&str]; 12] = [
        &[forged],
        &["NOSUCH", forged],
        &["CLIENT", forged],
        &["CLIENT", "KILL", "TYPE", forged],
        &["CLIENT", "KILL", "USER", forged],
        &["CONFIG", "SET", forged, "1"],
        &["CONFIG", "SET", "timeout", forged],
        &["OBJECT", forged, "k"],
        &["COMMAND", "GETKEYS", forged],
        &["HELLO", "3", forged],
        &["SET", "k", "v", forged],
        &["DEBUG", forged],
    ];
    for command in commands {
        let mut connection = on.connect();
        connection.send(command).unwrap();
        connection.send(&["QUIT"]).unwrap();
        let got = connection.read_to_close().unwrap();
        let lines: Vec<_> = got.split(|byte| *byte == b'\n').collect();
        assert!(lines.len() == 3 && lines[0].starts_with(b"-ERR "), "for {command:?}: {}", text(&got));
        assert_eq!(lines[1], b"+OK\r", "for {command:?}");
    }
    // In a bulk string the same bytes are data.
    on.answered(&encode(&["ECHO", forged]), &format!("${}\r\n{forged}\r\n", forged.len()));
}

fn names(on: &Context) {
    let mut connection = on.connect();
    let long = "n".repeat(1024 * 1024);
    for name in ["a\nid=1 addr=forged", "a\r\nb", "a b", "\x1b[31mred", "a\x00b", "\u{7f}"] {
        let got = connection.call(&["CLIENT", "SETNAME", name]).unwrap();
        assert!(matches!(got, Received::Reply(Value::Error(_))), "{name:?}: {got:?}");
    }
    // A name of a megabyte is refused or kept; either way the list has one line per client.
    let got = connection.call(&["CLIENT", "SETNAME", &long]).unwrap();
    assert!(matches!(got, Received::Reply(_)), "{got:?}");
    let Received::Reply(Value::Bulk(info)) = connection.call(&["CLIENT", "INFO"]).unwrap() else {
        panic!("CLIENT INFO is a bulk string");
    };
    assert_eq!(info.iter().filter(|byte| **byte == b'\n').count(), 1);
}

fn http(on: &Context) {
    let requests = [
        "POST / HTTP/1.1\r\nHost: x\r\n\r\nSET row39 b\r\n",
        "post / HTTP/1.1\r\n\r\nSET row39 b\r\n",
        "Host: x\r\nSET row39 b\r\n",
        "host: x\r\nSET row39 b\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nSET row39 b\r\n",
        "*1\r\n$4\r\nPOST\r\n*3\r\n$3\r\nSET\r\n$5\r\nrow39\r\n$1\r\nb\r\n",
    ];
    for request in requests {
        let mut connection = on.connect();
        let _closed_early = connection.send_raw(request.as_bytes());
        let got = connection.read_to_close().unwrap();
        assert!(!got.windows(3).any(|part| part == b"+OK"), "for {request:?}: {}", text(&got));
        let exists = on.connect().call(&["EXISTS", "row39"]).unwrap();
        assert_eq!(exists, Received::Reply(Value::Integer(0)), "{request:?} wrote");
    }
}

fn other_protocols(on: &Context) {
    let hello: [&[u8]; 4] = [
        // The start of a TLS handshake, of SSH, of the PROXY protocol's two versions.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"\r\n\r\n\x00\r\nQUIT\nxx\r\n",
    ];
    for bytes in hello {
        let mut connection = on.connect();
        connection.send_raw(bytes).unwrap();
        connection.stream().shutdown(std::net::Shutdown::Write).unwrap();
        let got = connection.read_to_close().unwrap();
        assert!(
            got.is_empty() || got.starts_with(b"-ERR ") || got == b"+OK\r\n",
            "{}: {}",
            text(bytes),
            text(&got)
        );
        alive(on.server);
    }
}

fn ok() -> Received {
    Received::Reply(Value::Simple(b"OK".to_vec()))
}
