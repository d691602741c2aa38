//! Frames that are empty, malformed, or come in pieces.

use std::thread;
use std::time::Duration;

use resp_tests::connection::Received;
use resp_tests::value::{Value, encode};

use crate::support::{Context, Test, alive, resident_mib, text};

pub const TESTS: &[Test] = &[
    Test::everywhere("row_01_empty_lines_are_ignored", empty_lines),
    Test::everywhere("row_02_empty_and_negative_arrays_are_ignored", empty_arrays),
    Test::everywhere("row_03_an_array_length_must_be_a_number_in_range", array_lengths),
    Test::everywhere("row_04_a_huge_array_length_allocates_nothing", huge_array),
    Test::everywhere("row_05_a_bulk_length_must_be_a_number_in_range", bulk_lengths),
    Test::everywhere("row_06_arguments_must_be_bulk_strings", not_bulk),
    Test::product("row_07_a_bulk_string_ends_with_its_line_end", bulk_without_end),
    Test::everywhere("row_10_inline_commands_are_quoted_as_in_the_shell", inline),
    Test::everywhere("row_10_unbalanced_quotes_close_the_connection", unbalanced),
    Test::everywhere("row_10_an_inline_command_of_many_arguments", inline_many),
    Test::everywhere("row_11_a_pipeline_cut_at_every_byte_gives_the_same_replies", cut_everywhere),
    Test::everywhere("row_11_a_pipeline_in_single_bytes_gives_the_same_replies", single_bytes),
    Test::everywhere("row_11_a_command_before_a_broken_frame_is_still_answered", before_broken),
];

fn empty_lines(on: &Context) {
    on.answered(b"\r\n", "");
    on.answered(b"\n", "");
    on.answered(b"\n\r\n\n\r\nPING\r\n\r\nPING\n\n", "+PONG\r\n+PONG\r\n");
    on.answered(&b"\r\n".repeat(1_000_000), "");
    on.answered(b" \r\n\t\r\n", "");
    alive(on.server);
}

fn empty_arrays(on: &Context) {
    for empty in ["*0\r\n", "*-1\r\n", "*-10\r\n", "*-9223372036854775808\r\n"] {
        on.answered(empty.as_bytes(), "");
        on.answered(format!("{empty}PING\r\n{empty}*1\r\n$4\r\nPING\r\n").as_bytes(), "+PONG\r\n+PONG\r\n");
        // What was left of a length before must not leak into the next command.
        let mut mixed = format!("*3\r\n$3\r\nSET\r\n$4\r\nrow2\r\n$1\r\nv\r\n{empty}");
        mixed += "*2\r\n$3\r\nGET\r\n$4\r\nrow2\r\n";
        on.answered(mixed.as_bytes(), "+OK\r\n$1\r\nv\r\n");
    }
}

fn array_lengths(on: &Context) {
    let lengths = [
        "3000000000",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999999",
        "1e3",
        "+1",
        " 1",
        "01",
        "1 ",
        "-",
        "0x1",
        "1.0",
        "a",
        "-0",
    ];
    for length in lengths {
        let bytes = format!("*{length}\r\n$4\r\nPING\r\n");
        on.refused(bytes.as_bytes(), "-ERR Protocol error: invalid multibulk length\r\n");
    }
}

fn huge_array(on: &Context) {
    let server = on.start(&[]);
    let before = resident_mib(&server);
    let mut open = Vec::new();
    for length in ["2147483647", "1048576", "1000000"] {
        for _ in 0..20 {
            let mut connection = server.connect().unwrap();
            connection.send_raw(format!("*{length}\r\n$3\r\nDEL\r\n").as_bytes()).unwrap();
            open.push(connection);
        }
    }
    alive(&server);
    let grown = resident_mib(&server).saturating_sub(before);
    assert!(grown < 32, "60 array headers took {grown} MiB");
    drop(open);
    alive(&server);
}

fn bulk_lengths(on: &Context) {
    let lengths = [
        "-10",
        "-1",
        "2000000000",
        "536870913",
        "blabla",
        "",
        "18446744073709551615",
        "9223372036854775808",
        "+4",
        "04",
        " 4",
        "4 ",
        "4.0",
        "-0",
    ];
    for length in lengths {
        let bytes = format!("*1\r\n${length}\r\nPING\r\n");
        on.refused(bytes.as_bytes(), "-ERR Protocol error: invalid bulk length\r\n");
    }
}

fn not_bulk(on: &Context) {
    let first = b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n";
    on.refused(first, "-ERR Protocol error: expected '$', got 'f'\r\n");
    on.refused(b"*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n");
    on.refused(b"*1\r\n*1\r\n$4\r\nPING\r\n", "-ERR Protocol error: expected '$', got '*'\r\n");
}

fn bulk_without_end(on: &Context) {
    for bytes in
        [&b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n"[..], b"*1\r\n$4\r\nPING\rx", b"*1\r\n$3\r\nPING\r\n"]
    {
        let mut connection = on.connect();
        connection.send_raw(bytes).unwrap();
        let got = connection.read_to_close().unwrap();
        assert!(got.starts_with(b"-ERR Protocol error: "), "for {}: {}", text(bytes), text(&got));
        assert_eq!(got.iter().filter(|byte| **byte == b'\n').count(), 1, "only the error: {}", text(&got));
    }
}

fn inline(on: &Context) {
    let lines: [(&[u8], &str); 12] = [
        (b"PING\r\n", "+PONG\r\n"),
        (b"ping\n", "+PONG\r\n"),
        (b"  PING  \r\n", "+PONG\r\n"),
        (b"ECHO \"a b\"\r\n", "$3\r\na b\r\n"),
        (b"ECHO 'a b'\r\n", "$3\r\na b\r\n"),
        (b"ECHO \"\\x41\\n\\\"\\q\"\r\n", "$4\r\nA\n\"q\r\n"),
        (b"ECHO '\\x41\\''\r\n", "$5\r\n\\x41'\r\n"),
        (b"ECHO \"\"\r\n", "$0\r\n\r\n"),
        (b"\"ECHO\" x\r\n", "$1\r\nx\r\n"),
        (b"ECHO \"\\xzz\"\r\n", "$3\r\nxzz\r\n"),
        ("ECHO \u{e9}\r\n".as_bytes(), "$2\r\n\u{e9}\r\n"),
        (b"ECHO a\tb\r\n", "-ERR wrong number of arguments for 'echo' command\r\n"),
    ];
    for (line, expected) in lines {
        on.answered(line, expected);
    }
}

fn unbalanced(on: &Context) {
    let lines: [&[u8]; 7] = [
        b"SET \"\"\"test-key\"\"\" test-value\r\n",
        b"ECHO \"a\r\n",
        b"ECHO 'a\r\n",
        b"ECHO \"a\"b\r\n",
        b"ECHO 'a'b\r\n",
        b"ECHO \"a\\\"\r\n",
        b"\"\r\n",
    ];
    for line in lines {
        on.refused(line, "-ERR Protocol error: unbalanced quotes in request\r\n");
    }
}

fn inline_many(on: &Context) {
    let line = format!("MGET{}\r\n", " a".repeat(30_000));
    on.answered(line.as_bytes(), &format!("*30000\r\n{}", "$-1\r\n".repeat(30_000)));
    let line = format!("PING{}\r\n", " a".repeat(30_000));
    on.answered(line.as_bytes(), "-ERR wrong number of arguments for 'ping' command\r\n");
}

/// Commands of both forms, with a broken-looking value and errors in between.
fn pipeline(key: &str) -> (Vec<u8>, String) {
    let mut bytes = encode(&["SET", key, "a\r\n*1\r\n$4\r\nPING\r\n"]);
    bytes.extend(encode(&["GET", key]));
    bytes.extend(b"PING inline\r\n*0\r\n");
    bytes.extend(encode(&["GET"]));
    bytes.extend(encode(&["DEL", key]));
    let mut expected = String::from("+OK\r\n$17\r\na\r\n*1\r\n$4\r\nPING\r\n\r\n$6\r\ninline\r\n");
    expected += "-ERR wrong number of arguments for 'get' command\r\n:1\r\n";
    (bytes, expected)
}

fn cut_everywhere(on: &Context) {
    let (bytes, expected) = pipeline("row11-cut");
    for cut in 1..bytes.len() {
        let mut connection = on.connect();
        connection.send_raw(&bytes[..cut]).unwrap();
        // Long enough for the server to see the first part alone on most of the cuts.
        thread::sleep(Duration::from_millis(1));
        connection.send_raw(&bytes[cut..]).unwrap();
        connection.send_raw(b"QUIT\r\n").unwrap();
        let got = connection.read_to_close().unwrap();
        assert_eq!(text(&got), text((expected.clone() + "+OK\r\n").as_bytes()), "cut at {cut}");
    }
}

fn single_bytes(on: &Context) {
    let (bytes, expected) = pipeline("row11-single");
    let mut connection = on.connect();
    for byte in bytes.iter().chain(b"QUIT\r\n") {
        connection.send_raw(&[*byte]).unwrap();
        thread::sleep(Duration::from_micros(200));
    }
    let got = connection.read_to_close().unwrap();
    assert_eq!(text(&got), text((expected + "+OK\r\n").as_bytes()));
}

fn before_broken(on: &Context) {
    let bytes = b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$1\r\na\r\n*x\r\n*1\r\n$4\r\nPING\r\n";
    on.refused(bytes, "+PONG\r\n$1\r\na\r\n-ERR Protocol error: invalid multibulk length\r\n");
    // A half frame and the end of the stream: nothing is executed, nothing is said.
    let mut connection = on.connect();
    connection.send_raw(b"*3\r\n$3\r\nSET\r\n$8\r\nrow11hal\r\n$5\r\nab").unwrap();
    connection.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(text(&connection.read_to_close().unwrap()), "");
    let got = on.connect().call(&["EXISTS", "row11hal"]).unwrap();
    assert_eq!(got, Received::Reply(Value::Integer(0)));
}
