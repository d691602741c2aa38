//! Clients that write through every restart, and remember what was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use resp_tests::connection::{Connection, Received};
use resp_tests::door::Door;
use resp_tests::edge::support::{call, eventually};
use resp_tests::server::Server;
use resp_tests::value::Value;

const CLIENTS: usize = 3;
/// Between two writes of a client: the servers want to run, too.
const PAUSE: Duration = Duration::from_millis(2);
/// How long so many writes may take, also on a machine that builds something meanwhile.
const GOES_ON: Duration = Duration::from_secs(180);
/// Keys asked about in one call.
const ASKED: usize = 500;

pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<BTreeMap<String, String>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    rest: AtomicBool,
    resting: AtomicUsize,
    acknowledged: AtomicU64,
}

impl Load {
    pub fn start(nodes: &[Server]) -> Load {
        let doors: Vec<Door> = nodes.iter().map(Server::door).collect();
        let shared = Arc::new(Shared::default());
        let clients = (0..CLIENTS).map(|client| {
            let (doors, shared) = (doors.clone(), Arc::clone(&shared));
            thread::spawn(move || write(client, &doors, &shared))
        });
        let clients = clients.collect();
        Load { shared, clients }
    }

    /// Waits until so many more writes were acknowledged.
    pub fn goes_on(&self, more: u64) {
        let acknowledged = || self.shared.acknowledged.load(Ordering::Relaxed);
        let from = acknowledged();
        let deadline = Instant::now() + GOES_ON;
        while acknowledged() < from + more {
            assert!(Instant::now() < deadline, "{} of {more} writes in {GOES_ON:?}", acknowledged() - from);
            thread::sleep(PAUSE);
        }
    }

    /// Returns when no client has a write under way, and none begins one.
    pub fn rest(&self) {
        self.shared.rest.store(true, Ordering::SeqCst);
        eventually("all clients rest", || self.shared.resting.load(Ordering::SeqCst) == CLIENTS);
    }

    pub fn go_on(&self) {
        self.shared.rest.store(false, Ordering::SeqCst);
    }

    /// Ends it, and finds every acknowledged write on this node. Says how many there were.
    pub fn all_is_there(self, node: &Server) -> usize {
        self.shared.stop.store(true, Ordering::SeqCst);
        let written: Vec<(String, String)> =
            self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        let mut connection = node.connect().unwrap();
        for some in written.chunks(ASKED) {
            let words: Vec<&str> = ["MGET"].into_iter().chain(some.iter().map(|(key, _)| &key[..])).collect();
            let Value::Array(found) = call(&mut connection, &words) else { panic!("MGET") };
            for ((key, value), found) in some.iter().zip(found) {
                assert_eq!(found, Value::Bulk(value.clone().into_bytes()), "{key} was acknowledged");
            }
        }
        written.len()
    }
}

fn write(client: usize, doors: &[Door], shared: &Shared) -> BTreeMap<String, String> {
    let stops = || shared.stop.load(Ordering::SeqCst);
    let rests = || shared.rest.load(Ordering::SeqCst) && !stops();
    let (mut number, mut door, mut written) = (0_u64, client, BTreeMap::new());
    while !stops() {
        door += 1;
        let Ok(mut connection) = doors[door % doors.len()].connect() else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        while !stops() {
            if rests() {
                shared.resting.fetch_add(1, Ordering::SeqCst);
                while rests() {
                    thread::sleep(PAUSE);
                }
                shared.resting.fetch_sub(1, Ordering::SeqCst);
            }
            // One that was not acknowledged may have been done: its key is never used again.
            number += 1;
            let (key, value) = (format!("load:{client}:{number}"), number.to_string());
            if !is_ok(&mut connection, &["SET", &key, &value]) {
                break;
            }
            written.insert(key.clone(), value);
            shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            // Edges are read for these two: no half of an EXEC, and never less than before.
            if client == 0 {
                let text = number.to_string();
                let pair: [&[&str]; 4] =
                    [&["MULTI"], &["SET", "one", &text], &["SET", "two", &text], &["EXEC"]];
                if !pair.iter().all(|call| is_ok(&mut connection, call)) {
                    break;
                }
            }
            let set = format!("set:{}", number % 50);
            let calls: [&[&str]; 4] = [
                &["SADD", &set, &format!("Member-{number}")],
                &["HSET", "hash", &set, &key],
                &["RPUSH", "list", &key],
                &["ZADD", "sorted", &number.to_string(), &key],
            ];
            if !calls.iter().all(|call| is_ok(&mut connection, call)) {
                break;
            }
            thread::sleep(PAUSE);
        }
    }
    written
}

fn is_ok(connection: &mut Connection, words: &[&str]) -> bool {
    !matches!(connection.call(words), Ok(Received::Reply(Value::Error(_)) | Received::Closed) | Err(_))
}
