//! Ordinary clients beside the hostile ones: they ping, write and read, and note how long each took.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use resp_tests::connection::{Connection, Received};
use resp_tests::door::Door;
use resp_tests::value::{Value, encode};

const PAUSE: Duration = Duration::from_millis(5);
/// A reply may take so long when one command runs for seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The data that a node in use has: more than its caches hold.
const ORDINARY_KEYS: usize = 40_000;
const ORDINARY_BYTES: usize = 8 << 10;
const PIPELINE: usize = 100;

/// Writes the data at the first of these nodes and reads them at all, so that memtables and caches are as full as they get.
pub fn fill_caches(doors: &[Door], first: usize) {
    let value = "ordinary ".repeat(ORDINARY_BYTES / 9);
    let at_all = |door: &Door, words_of: &dyn Fn(usize) -> Vec<u8>, is_expected: &dyn Fn(&Value) -> bool| {
        let mut connection = door.connect().unwrap();
        connection.set_deadline(PATIENCE);
        for part in (0..ORDINARY_KEYS).collect::<Vec<_>>().chunks(PIPELINE) {
            connection.send_raw(&part.iter().flat_map(|at| words_of(*at)).collect::<Vec<_>>()).unwrap();
            for _ in part {
                let Received::Reply(reply) = connection.receive().unwrap() else { panic!("a push") };
                assert!(is_expected(&reply), "{reply:.100?}");
            }
        }
    };
    let key = |at: usize| format!("ordinary:{at}");
    at_all(&doors[first], &|at| encode(&["SET", &key(at), &value]), &|reply| {
        matches!(reply, Value::Simple(_))
    });
    for door in doors {
        at_all(door, &|at| encode(&["GET", &key(at)]), &|reply| matches!(reply, Value::Bulk(_)));
    }
}

/// The longest of each since `begin`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Worst {
    pub ping: Duration,
    pub write: Duration,
    pub read: Duration,
}

#[derive(Debug, Default)]
struct Notes {
    worst: Worst,
    pings: Vec<Duration>,
    writes: Vec<Duration>,
    reads: Vec<Duration>,
    /// What was answered otherwise than expected, and how often it happened at all.
    refusals: Vec<String>,
    refused: u64,
    reconnected: u64,
}

/// What they saw in all.
#[derive(Debug)]
pub struct Seen {
    pub ping_p99: Duration,
    /// Key and the number that was acknowledged last.
    pub acknowledged: Vec<(String, u64)>,
    text: String,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

pub struct Bystanders {
    notes: Arc<Mutex<Notes>>,
    ended: Arc<AtomicBool>,
    pingers_and_readers: Vec<JoinHandle<()>>,
    writers: Vec<JoinHandle<(String, u64)>>,
}

struct Client {
    door: Door,
    connection: Option<Connection>,
    notes: Arc<Mutex<Notes>>,
    ended: Arc<AtomicBool>,
}

impl Client {
    /// The reply and how long it took; `None`: there was none.
    fn call(&mut self, words: &[&str]) -> Option<(Value, Duration)> {
        let began = Instant::now();
        if self.connection.is_none() {
            self.notes.lock().reconnected += 1;
            let mut connection = self.door.connect().ok()?;
            connection.set_deadline(PATIENCE);
            self.connection = Some(connection);
        }
        match self.connection.as_mut().map(|connection| connection.call(words)) {
            Some(Ok(Received::Reply(reply))) => Some((reply, began.elapsed())),
            _ => {
                self.connection = None;
                thread::sleep(PAUSE);
                None
            }
        }
    }

    fn is_to_go_on(&self) -> bool {
        !self.ended.load(Ordering::Acquire)
    }

    fn refused(&self, reply: &Value) {
        let mut notes = self.notes.lock();
        notes.refused += 1;
        let text = format!("{reply:?}");
        if notes.refusals.len() < 5 && !notes.refusals.contains(&text) {
            notes.refusals.push(text);
        }
    }
}

impl Bystanders {
    /// One of each kind at each node.
    pub fn start(doors: &[Door]) -> Bystanders {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let ended = Arc::new(AtomicBool::new(false));
        let client = |door: &Door| Client {
            door: door.clone(),
            connection: None,
            notes: Arc::clone(&notes),
            ended: Arc::clone(&ended),
        };
        let mut pingers_and_readers = Vec::new();
        for door in doors {
            let mut pinger = client(door);
            pingers_and_readers.push(thread::spawn(move || {
                while pinger.is_to_go_on() {
                    if let Some((_, took)) = pinger.call(&["PING"]) {
                        let mut notes = pinger.notes.lock();
                        notes.worst.ping = notes.worst.ping.max(took);
                        notes.pings.push(took);
                    }
                    thread::sleep(PAUSE);
                }
            }));
            let mut reader = client(door);
            pingers_and_readers.push(thread::spawn(move || {
                while reader.is_to_go_on() {
                    match reader.call(&["GET", "bystander:0"]) {
                        Some((error @ Value::Error(_), _)) => reader.refused(&error),
                        Some((_, took)) => {
                            let mut notes = reader.notes.lock();
                            notes.worst.read = notes.worst.read.max(took);
                            notes.reads.push(took);
                        }
                        None => {}
                    }
                    thread::sleep(PAUSE);
                }
            }));
        }
        let write = |(number, door): (usize, &Door)| {
            let mut writer = client(door);
            let key = format!("bystander:{number}");
            thread::spawn(move || {
                let (mut next, mut acknowledged) = (1_u64, 0);
                while writer.is_to_go_on() {
                    match writer.call(&["SET", &key, &next.to_string()]) {
                        Some((Value::Simple(_), took)) => {
                            acknowledged = next;
                            let mut notes = writer.notes.lock();
                            notes.worst.write = notes.worst.write.max(took);
                            notes.writes.push(took);
                        }
                        Some((other, _)) => writer.refused(&other),
                        None => {}
                    }
                    next += 1;
                    thread::sleep(PAUSE);
                }
                (key, acknowledged)
            })
        };
        let writers = doors.iter().enumerate().map(write).collect();
        Bystanders { notes, ended, pingers_and_readers, writers }
    }

    pub fn begin(&self) {
        self.notes.lock().worst = Worst::default();
    }

    pub fn worst(&self) -> Worst {
        self.notes.lock().worst
    }

    pub fn finish(self) -> Seen {
        self.ended.store(true, Ordering::Release);
        self.pingers_and_readers.into_iter().for_each(|thread| thread.join().unwrap());
        let acknowledged = self.writers.into_iter().map(|thread| thread.join().unwrap()).collect();
        let mut notes = self.notes.lock();
        let mut line = |what: &str, of: fn(&mut Notes) -> &mut Vec<Duration>| {
            let times = of(&mut notes);
            times.sort_unstable();
            let at =
                |per_mille: usize| times.get(times.len() * per_mille / 1000).copied().unwrap_or_default();
            let last = times.last().copied().unwrap_or_default();
            let text = format!(
                "{what}: {} times, p50 {:?}, p99 {:?}, p99.9 {:?}, at most {last:?}\n",
                times.len(),
                at(500),
                at(990),
                at(999)
            );
            (at(990), text)
        };
        let (ping_p99, pings) = line("PING", |notes| &mut notes.pings);
        let (_, writes) = line("SET", |notes| &mut notes.writes);
        let (_, reads) = line("GET", |notes| &mut notes.reads);
        let text = format!(
            "{pings}{writes}{reads}{} refused {:?}, {} connections made",
            notes.refused, notes.refusals, notes.reconnected
        );
        Seen { ping_p99, acknowledged, text }
    }
}
