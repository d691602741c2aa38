//! Clients that write to a source meanwhile, and know what it has acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use resp_tests::connection::{Connection, Received};
use resp_tests::dice::Dice;
use resp_tests::value::Value;

use resp_tests::redis::Redis as Source;

const CLIENTS: u64 = 3;
/// Keys of a kind, for each client.
const KEYS: u64 = 20;
/// Writes of a client between two pauses.
const BURST: u64 = 20;

/// Runs until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
    pub acknowledged: Arc<AtomicU64>,
    pub entries: Arc<AtomicU64>,
}

impl Load {
    pub fn start(source: &Source, seed: u64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let (acknowledged, entries) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let client = |number: u64| {
            let (mut connection, stop) = (source.connect(), Arc::clone(&stop));
            let (acknowledged, entries) = (Arc::clone(&acknowledged), Arc::clone(&entries));
            let mut dice = Dice::new(seed.wrapping_add(number));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..BURST {
                        write(&mut connection, number, &mut dice, &entries);
                        must(&mut connection, &["INCR", "counter"]);
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                    thread::sleep(Duration::from_millis(15));
                }
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Load { stop, clients, acknowledged, entries }
    }

    /// Stops it; how many increments of `counter`, and entries of `stream`, were acknowledged.
    pub fn stop(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        (self.acknowledged.load(Ordering::Relaxed), self.entries.load(Ordering::Relaxed))
    }
}

fn must(connection: &mut Connection, words: &[&str]) -> Value {
    match connection.call(words) {
        Ok(Received::Reply(Value::Error(text))) => {
            panic!("{words:?}: {}", String::from_utf8_lossy(&text));
        }
        Ok(Received::Reply(value)) => value,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn write(connection: &mut Connection, client: u64, dice: &mut Dice, entries: &AtomicU64) {
    let number = dice.below(KEYS);
    let key = |kind: &str| format!("{kind}:{client}:{number}");
    let value = dice.below(1000).to_string();
    match dice.below(14) {
        0 => drop(must(connection, &["SET", &key("string"), &value])),
        1 => drop(must(connection, &["APPEND", &key("string"), &value])),
        // Some of them expire while the test runs.
        2 => {
            drop(must(connection, &["SET", &key("brief"), &value, "PX", &(1 + dice.below(3000)).to_string()]))
        }
        3 => drop(must(connection, &["INCR", &key("brief")])),
        4 => drop(must(connection, &["RPUSH", &key("list"), &value, "x"])),
        5 => drop(must(connection, &["LPOP", &key("list")])),
        6 => drop(must(connection, &["HINCRBY", &key("hash"), &value, "1"])),
        7 => drop(must(connection, &["SADD", &key("set"), &value])),
        8 => drop(must(connection, &["SPOP", &key("set")])),
        9 => drop(must(connection, &["ZINCRBY", &key("zset"), "1.5", &value])),
        10 => {
            must(connection, &["XADD", "stream", "*", "f", &value]);
            entries.fetch_add(1, Ordering::Relaxed);
        }
        11 => {
            // What one account loses, another gets, in another database.
            must(connection, &["MULTI"]);
            must(connection, &["DECR", "account"]);
            must(connection, &["SELECT", "3"]);
            must(connection, &["INCR", "account"]);
            must(connection, &["SELECT", "0"]);
            must(connection, &["EXEC"]);
        }
        12 => {
            let script =
                "redis.call('INCRBYFLOAT', KEYS[1], '0.25'); return redis.call('EXPIRE', KEYS[1], 100)";
            must(connection, &["EVAL", script, "1", &key("float")]);
        }
        _ => drop(must(connection, &["DEL", &key("hash")])),
    }
}
