//! Nodes with a place for backups, and what they hold.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Output};

use resp_tests::dice::Dice;
use resp_tests::server::{Program, Server};
use resp_tests::support::{admin, call, ok};
use resp_tests::value::Value;
use tempfile::TempDir;

const VALUE_BYTES: usize = 600;
/// Of `fill_large`.
const LARGE_KEYS: u64 = 30;

/// An object store: a directory.
pub struct Store {
    pub home: TempDir,
    url: String,
}

impl Store {
    pub fn new() -> Store {
        let home = tempfile::tempdir().unwrap();
        let url = format!("file://{}", home.path().display());
        Store { home, url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

/// A node that is alone, with small files.
pub fn start(store: &Store, args: &[&str]) -> Server {
    let own = ["--backup-to", store.url(), "--memtable-bytes", "1mb"];
    let args: Vec<String> = own.iter().chain(args).map(|word| (*word).to_owned()).collect();
    Server::start(&Program::product(), &args).unwrap()
}

/// A node on a directory that a restore has made.
pub fn start_on(data: &Path, args: &[&str]) -> Server {
    let mut server = Server::spawn(&Program::product(), &[]).unwrap();
    server.wait_until_ready().unwrap();
    server.stop(resp_tests::server::Stop::Terminate).unwrap();
    std::fs::remove_dir_all(server.data()).unwrap();
    std::fs::rename(data, server.data()).unwrap();
    server.set_args(&args.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    server.start_again().unwrap();
    server
}

pub fn flotilla(args: &[&str]) -> Output {
    Command::new(Program::product().path).args(args).output().unwrap()
}

/// What a command printed that did what it was asked.
pub fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Whether a command's error says this.
pub fn keeps(output: &Output, text: &str) -> bool {
    String::from_utf8_lossy(&output.stderr).contains(text)
}

pub fn status(node: &Server) -> serde_json::Value {
    serde_json::from_str(&said(&admin(node, &["backup", "--status"]))).unwrap()
}

/// Strings for more than one part of an upload, which do not compress.
pub fn fill_large(node: &Server) {
    let mut connection = node.connect().unwrap();
    for key in 0..LARGE_KEYS {
        let mut dice = Dice::new(key + 1);
        let value: String = (0..40_000).map(|_| format!("{:016x}", dice.roll())).collect();
        assert_eq!(call(&mut connection, &["SET", &format!("large:{key}"), &value]), ok());
    }
}

/// Keys of every type, with values that do not compress.
pub fn fill(node: &Server, numbers: Range<u64>) {
    let mut connection = node.connect().unwrap();
    for number in numbers {
        let mut dice = Dice::new(number + 1);
        let value: String = (0..VALUE_BYTES / 16).map(|_| format!("{:016x}", dice.roll())).collect();
        let (key, at) = (format!("k:{number}"), number.to_string());
        let words: Vec<&str> = match number % 7 {
            0 => vec!["SET", &key, &value],
            1 => vec!["HSET", &key, "f", &value, "n", &at],
            2 => vec!["RPUSH", &key, &value, &at],
            3 => vec!["SADD", &key, &value, &at],
            4 => vec!["ZADD", &key, &at, &value],
            5 => vec!["XADD", &key, "*", "f", &value],
            _ => vec!["SET", &key, &value, "EX", "100000"],
        };
        let reply = call(&mut connection, &words);
        assert!(!matches!(reply, Value::Error(_)), "{words:?}: {reply:?}");
    }
}

/// Every key with its value, serialized, and its expiry.
pub fn dumps(node: &Server) -> BTreeMap<Vec<u8>, (Value, Value)> {
    let mut connection = node.connect().unwrap();
    let Value::Array(keys) = call(&mut connection, &["KEYS", "*"]) else { panic!("no array") };
    keys.into_iter()
        .map(|key| {
            let Value::Bulk(key) = key else { panic!("{key:?}") };
            let dump = call(&mut connection, &[b"DUMP".to_vec(), key.clone()]);
            let expires = call(&mut connection, &[b"PEXPIRETIME".to_vec(), key.clone()]);
            (key, (dump, expires))
        })
        .collect()
}
