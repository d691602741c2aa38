//! The demo's clients: writers at the core, readers at the sites, and what they measure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::world::{World, ask};
use crate::door::Door;
use crate::value::Value;

const WRITERS: usize = 4;
const KEYS_OF_A_WRITER: u64 = 100;
const WRITE_INTERVAL: Duration = Duration::from_millis(10);
const READ_INTERVAL: Duration = Duration::from_millis(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// Written with the time, again and again: how far a site is behind.
const CLOCK_KEY: &str = "demo:clock";
const CLOCK_INTERVAL: u64 = 5;
const REPLY_MAX: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Load {
    is_over: Arc<AtomicBool>,
    writers: Vec<JoinHandle<BTreeMap<String, u64>>>,
    readers: Vec<JoinHandle<()>>,
    writes: Arc<Meter>,
    sites: Vec<(&'static str, Arc<Meter>)>,
}

/// What clients at one place have measured since it was last read.
#[derive(Default)]
struct Meter {
    micros: Mutex<Vec<u64>>,
    errors: AtomicU64,
    behind_ms: AtomicU64,
    all: AtomicU64,
}

impl Meter {
    fn done(&self, began: Instant) {
        self.micros.lock().push(began.elapsed().as_micros() as u64);
        self.all.fetch_add(1, Ordering::Relaxed);
    }

    /// How many, and the times of the median and of one in a hundred.
    fn text(&self, what: &str) -> String {
        let mut micros = std::mem::take(&mut *self.micros.lock());
        micros.sort_unstable();
        let at = |share: usize| micros.get(micros.len() * share / 100).copied().unwrap_or(0) as f64 / 1000.0;
        let errors = match self.errors.swap(0, Ordering::Relaxed) {
            0 => String::new(),
            errors => format!(", {errors} errors"),
        };
        format!("{} {what}, p50 {:.1} ms, p99 {:.1} ms{errors}", micros.len(), at(50), at(99))
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

impl Load {
    pub(super) fn start(world: &World) -> Load {
        let (is_over, writes) = (Arc::<AtomicBool>::default(), Arc::<Meter>::default());
        let doors = world.core_doors();
        let writers = (0..WRITERS).map(|writer| {
            let (doors, is_over, meter) = (doors.clone(), Arc::clone(&is_over), Arc::clone(&writes));
            thread::spawn(move || write(writer, &doors, &is_over, &meter))
        });
        let writers = writers.collect();
        let (mut readers, mut sites) = (Vec::new(), Vec::new());
        for (name, door) in world.site_doors() {
            let meter = Arc::<Meter>::default();
            let (of_reader, is_over) = (Arc::clone(&meter), Arc::clone(&is_over));
            readers.push(thread::spawn(move || read(&door, &is_over, &of_reader)));
            sites.push((name, meter));
        }
        Load { is_over, writers, readers, writes, sites }
    }

    /// What has happened since the last line.
    pub(super) fn line(&self, world: &World) -> String {
        let leader =
            world.leader().map_or("nobody leads".to_owned(), |leader| format!("core-{leader} leads"));
        let sites = self.sites.iter().map(|(name, meter)| {
            let behind = meter.behind_ms.load(Ordering::Relaxed);
            format!(" | {name}: {}, {behind} ms behind", meter.text("reads"))
        });
        format!("{leader}: {}{}", self.writes.text("writes"), sites.collect::<String>())
    }

    /// What was acknowledged last of each key, and how many writes and reads there were.
    pub(super) fn end(self) -> (BTreeMap<String, u64>, u64, u64) {
        self.is_over.store(true, Ordering::Relaxed);
        let mut acknowledged = BTreeMap::new();
        for writer in self.writers {
            acknowledged.extend(writer.join().unwrap_or_default());
        }
        for reader in self.readers {
            drop(reader.join());
        }
        let reads = self.sites.iter().map(|(_, meter)| meter.all.load(Ordering::Relaxed)).sum();
        (acknowledged, self.writes.all.load(Ordering::Relaxed), reads)
    }
}

/// Writes to a node of the core until it fails, then to the next one. Returns what was acknowledged.
fn write(writer: usize, doors: &[Door], is_over: &AtomicBool, meter: &Meter) -> BTreeMap<String, u64> {
    let (mut acknowledged, mut number, mut turn) = (BTreeMap::new(), 0_u64, writer);
    while !is_over.load(Ordering::Relaxed) {
        turn += 1;
        let client = doors.get(turn % doors.len()).map(Door::connect);
        let Some(Ok(mut client)) = client else {
            thread::sleep(RETRY_INTERVAL);
            continue;
        };
        client.set_deadline(REPLY_MAX);
        while !is_over.load(Ordering::Relaxed) {
            number += 1;
            let key = format!("demo:{writer}:{}", number % KEYS_OF_A_WRITER);
            let began = Instant::now();
            match ask(&mut client, &["SET", &key, &number.to_string()]) {
                Ok(_) => {
                    meter.done(began);
                    acknowledged.insert(key, number);
                }
                Err(_) => {
                    meter.errors.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
            if writer == 0 && number.is_multiple_of(CLOCK_INTERVAL) {
                drop(ask(&mut client, &["SET", CLOCK_KEY, &now_ms().to_string()]));
            }
            thread::sleep(WRITE_INTERVAL);
        }
    }
    acknowledged
}

fn read(door: &Door, is_over: &AtomicBool, meter: &Meter) {
    while !is_over.load(Ordering::Relaxed) {
        let Ok(mut client) = door.connect() else {
            thread::sleep(RETRY_INTERVAL);
            continue;
        };
        client.set_deadline(REPLY_MAX);
        while !is_over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let Ok(reply) = ask(&mut client, &["GET", CLOCK_KEY]) else {
                meter.errors.fetch_add(1, Ordering::Relaxed);
                break;
            };
            meter.done(began);
            if let Value::Bulk(text) = reply
                && let Ok(written) = String::from_utf8_lossy(&text).parse::<u64>()
            {
                meter.behind_ms.store(now_ms().saturating_sub(written), Ordering::Relaxed);
            }
            thread::sleep(READ_INTERVAL);
        }
    }
}
