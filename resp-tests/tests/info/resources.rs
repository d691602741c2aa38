//! What clients may use up: file descriptors, and connections to the HTTP port.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use resp_tests::connection::{Connection, Received};
use resp_tests::server::{Program, Server};
use resp_tests::value::Value;

use super::{call, ok};

/// Open files of the process; a thousand clients want more.
const OPEN_FILES: u32 = 256;
const CLIENTS: usize = 300;
/// As many as the HTTP port takes at a time.
const HTTP_CONNECTIONS: usize = 64;

#[test]
fn clients_do_not_take_the_descriptors_that_log_and_store_need() {
    let program = Program::product().with_open_files(OPEN_FILES);
    let args = ["--memtable-bytes", "1mb"].map(str::to_owned);
    let server = Server::start(&program, &args).unwrap();
    let mut first = server.connect().unwrap();
    let maxclients = match call(&mut first, &["CONFIG", "GET", "maxclients"]) {
        Value::Array(pair) => pair[1].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(maxclients, Value::Bulk(b"96".to_vec()));
    let too_many = call(&mut first, &["CONFIG", "SET", "maxclients", "97"]);
    let text = b"ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle \
        the specified number of clients, try with 96";
    assert_eq!(too_many, Value::Error(text.to_vec()));
    let mut connections: Vec<Connection> = (0..CLIENTS).map(|_| server.connect().unwrap()).collect();
    let refused = Value::Error(b"ERR max number of clients reached".to_vec());
    let is_refused = |connection: &mut Connection| matches!(connection.call(&["PING"]), Ok(Received::Reply(reply)) if reply == refused);
    let served = connections.iter_mut().map(is_refused).filter(|refused| !refused).count();
    assert!(served < CLIENTS, "{served}");
    // New segments, tables and a checkpoint are opened.
    let value = "x".repeat(100_000);
    for key in 0..100 {
        assert_eq!(call(&mut first, &["SET", &format!("k{key}"), &value]), ok());
    }
    assert_eq!(call(&mut first, &["SAVE"]), ok());
    assert_eq!(server.http("/readyz").unwrap().0, 200);
}

/// Whether the other end has closed the connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return false;
            }
            Err(_) => return true,
        }
    }
}

#[test]
fn the_http_port_waits_for_nobody_for_ever_and_takes_no_long_headers() {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let open = || {
        let stream = TcpStream::connect(("127.0.0.1", server.http_port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    };
    let mut long = open();
    let header = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n", "x".repeat(20 << 10));
    let _ = long.write_all(header.as_bytes());
    let mut answer = String::new();
    let _ = long.read_to_string(&mut answer);
    assert!(!answer.contains("200 OK"), "{answer}");
    let mut slow: Vec<TcpStream> = (0..HTTP_CONNECTIONS).map(|_| open()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    }
    // Its turn comes when those are given up.
    let mut last = open();
    last.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("200 OK") && answer.ends_with("alive\n"), "{answer}");
    assert!(slow.iter_mut().all(is_closed), "a connection without a request is still open");
}
