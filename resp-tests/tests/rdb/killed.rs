//! Large values while they are imported: an import that is killed leaves nothing for ever, and a value may go by itself.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::server::{Program, Server};
use resp_tests::value::{Value, decode};

use super::data::call;
use super::{address, flotilla, product, reference, text};

const WITHIN: Duration = Duration::from_secs(60);

/// Ends an import that a failed test leaves behind.
struct Import(Option<Child>);

impl Drop for Import {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = (child.kill(), child.wait());
        }
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} took too long");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Imports a file through a way on which `look` sees each command before it passes, when those before it have been answered;
/// `false` kills the import there. What it said, if it was not killed.
fn import_watched(file: &str, node: &Server, mut look: impl FnMut(&[Vec<u8>]) -> bool) -> Option<Output> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let mut command = Command::new(Program::product().path);
    command.args(["import", file, "--to", &to]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut import = Import(Some(command.spawn().unwrap()));
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    wait_until("the import's connection", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (mut client, _) = accepted.unwrap();
    client.set_nonblocking(false).unwrap();
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, node.port)).unwrap();
    let (answered, seen) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (mut from, mut back, counted) =
        (server.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(&answered));
    let answers = thread::spawn(move || {
        let (mut pending, mut part) = (Vec::new(), vec![0; 16 << 10]);
        while let Ok(count @ 1..) = from.read(&mut part) {
            pending.extend_from_slice(&part[..count]);
            while let Some((_, used)) = decode(&pending).unwrap() {
                pending.drain(..used);
                counted.fetch_add(1, Ordering::SeqCst);
            }
            if back.write_all(&part[..count]).is_err() {
                break;
            }
        }
    });
    let (mut pending, mut part, mut is_killed) = (Vec::new(), vec![0; 64 << 10], false);
    'commands: while let Ok(count @ 1..) = client.read(&mut part) {
        pending.extend_from_slice(&part[..count]);
        while let Some((Value::Array(words), used)) = decode(&pending).unwrap() {
            wait_until("an answer", || answered.load(Ordering::SeqCst) == seen.load(Ordering::SeqCst));
            let argv: Vec<Vec<u8>> = words.iter().map(|word| word.as_text().unwrap()).collect();
            if !look(&argv) {
                is_killed = true;
                break 'commands;
            }
            server.write_all(&pending[..used]).unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
            pending.drain(..used);
        }
    }
    let mut child = import.0.take().unwrap();
    if is_killed {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let _ = (server.shutdown(Shutdown::Both), client.shutdown(Shutdown::Both));
    answers.join().unwrap();
    (!is_killed).then_some(output)
}

fn keys(node: &Server, pattern: &str) -> Vec<Vec<u8>> {
    let Value::Array(keys) = call(&mut node.connect().unwrap(), &["KEYS", pattern]) else { panic!() };
    keys.iter().map(|key| key.as_text().unwrap()).collect()
}

/// The key is taken while the value is built, so that at last it is thrown away. Killed before each command in turn.
#[test]
fn an_import_that_is_killed_leaves_nothing_for_ever() {
    let redis = reference();
    let mut client = redis.connect().unwrap();
    let words: Vec<Vec<u8>> = (0..10_100).map(|number| format!("{number:0>110}").into_bytes()).collect();
    let push = [vec![b"RPUSH".to_vec(), b"key".to_vec()], words].concat();
    assert_eq!(call(&mut client, &push), Value::Integer(10_100));
    call(&mut client, &["SAVE"]);
    let file = redis.data().join("dump.rdb").to_str().unwrap().to_owned();

    let node = product();
    let mut here = node.connect().unwrap();
    let (mut commands, mut unfinished) = (0, 0);
    let told = loop {
        let mut before = 0;
        let told = import_watched(&file, &node, |argv| {
            if argv[0] == b"MULTI" {
                call(&mut here, &["SET", "key", "mine"]);
            }
            before += 1;
            before <= commands
        });
        for key in keys(&node, "flotilla:import:*") {
            let left = call(&mut here, &[b"PTTL".to_vec(), key]);
            assert!(matches!(left, Value::Integer(1..)), "killed before command {commands}: {left:?}");
            unfinished += 1;
        }
        if let Some(told) = told {
            break told;
        }
        call(&mut here, &["FLUSHALL"]);
        commands += 1;
    };
    assert!(commands > 20 && unfinished > 3, "{commands} commands, {unfinished} unfinished values");
    assert_eq!(told.status.code(), Some(1), "{}", text(&told));
    assert!(text(&told).contains("\nexisted already and stayed: 1\n"), "{}", text(&told));
    assert_eq!(keys(&node, "*"), [b"key".to_vec()]);
    assert_eq!(call(&mut here, &["GET", "key"]), Value::Bulk(b"mine".to_vec()));
}

/// A hash of more than 10,000 fields, all of which expire at this time, and the file that it was exported to; `None`: that took
/// too long.
fn exported(from: &Server, within: Duration) -> Option<String> {
    let mut client = from.connect().unwrap();
    let names: Vec<Vec<u8>> = (0..10_050).map(|number| format!("field{number}").into_bytes()).collect();
    let pairs = names.iter().flat_map(|name| [name.clone(), b"v".to_vec()]);
    let set: Vec<Vec<u8>> = [b"HSET".to_vec(), b"big".to_vec()].into_iter().chain(pairs).collect();
    call(&mut client, &["DEL", "big"]);
    call(&mut client, &set);
    let head =
        ["HPEXPIRE", "big", &within.as_millis().to_string(), "FIELDS", "10050"].map(|word| word.into());
    let expire: Vec<Vec<u8>> = head.into_iter().chain(names).collect();
    assert!(matches!(call(&mut client, &expire), Value::Array(_)));
    let file = from.data().join("big.rdb").to_str().unwrap().to_owned();
    let told = flotilla(&["export", &file, "--from", &address(from), "--rdb-version", "12"]);
    text(&told).contains("with 10050 elements").then_some(file)
}

#[test]
fn a_large_hash_may_expire_with_all_its_fields_before_and_while_it_is_imported() {
    let (from, node) = (product(), product());
    let mut there = from.connect().unwrap();
    let mut has_expired = || call(&mut there, &["EXISTS", "big"]) == Value::Integer(0);
    // On a busy machine it takes longer until it is half built.
    let file = [2, 4, 8, 16, 32, 64].into_iter().find_map(|seconds| {
        let file = exported(&from, Duration::from_secs(seconds))?;
        let mut is_building = false;
        let told = import_watched(&file, &node, |argv| {
            if argv[0] == b"EXPIRE" && !is_building {
                is_building = true;
                wait_until("the end of the fields", &mut has_expired);
            }
            true
        });
        let told = told.unwrap();
        assert!(told.status.success(), "{}", text(&told));
        assert!(text(&told).contains("\nexpired already: 1\n"), "{}", text(&told));
        assert!(keys(&node, "*").is_empty());
        is_building.then_some(file)
    });
    let told = flotilla(&["import", &file.unwrap(), "--to", &address(&node)]);
    assert!(told.status.success(), "{}", text(&told));
    assert!(text(&told).contains("\nexpired already: 1\n"), "{}", text(&told));
    assert!(keys(&node, "*").is_empty());
}
