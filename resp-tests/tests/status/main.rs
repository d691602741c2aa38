//! What operators see: the status page in a browser and who may see it, `flotilla admin doctor` on faults brought about for real,
//! `flotilla top`, and the metrics behind them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod access;
mod doctor;
mod metrics;
mod page;
mod top;
mod traces;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use resp_tests::ports::free_port;
use resp_tests::server::{Program, Server};
use serde_json::Value;

fn product(args: &[&str]) -> Server {
    let args: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
    Server::start(&Program::product(), &args).unwrap()
}

/// A server with a port for TLS, and that port; `files`: certificate, key and authority.
fn product_with_tls(files: &[PathBuf; 3], args: &[&str]) -> (Server, String) {
    let port = free_port().unwrap().to_string();
    let [certificate, key, ca] = files.each_ref().map(|path| path.to_str().unwrap());
    let tls = [
        "--tls-port",
        &port,
        "--tls-cert-file",
        certificate,
        "--tls-key-file",
        key,
        "--tls-ca-cert-file",
        ca,
    ];
    (product(&[&tls, args].concat()), port)
}

/// An answer of the HTTP port.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Asks with these header lines.
fn ask(server: &Server, path: &str, headers: &[&str]) -> Answer {
    ask_port(server.http_port(), path, headers)
}

fn ask_port(port: u16, path: &str, headers: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let has_host = headers.iter().any(|line| line.starts_with("Host:"));
    let host = if has_host { "" } else { "Host: 127.0.0.1\r\n" };
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!("GET {path} HTTP/1.1\r\n{host}{lines}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// What the page is given.
fn told(server: &Server) -> Value {
    let answer = ask(server, "/status.json", &[]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}
