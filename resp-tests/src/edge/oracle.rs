//! What every session at an edge must see: a prefix of the core's history, never less than before, no half of an EXEC.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::connection::{Connection, Received};
use crate::door::Door;
use crate::server::Server;
use crate::value::Value;

use super::support::{eventually, number};

/// Writes numbers that only grow, each twice in one EXEC, and every value once more under a key of its own.
pub struct Writer {
    stop: Arc<AtomicBool>,
    /// Acknowledged.
    pub last: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Writes to whichever of the servers takes it.
    pub fn start<D: Into<Door>>(doors: Vec<D>) -> Writer {
        let doors: Vec<Door> = doors.into_iter().map(Into::into).collect();
        let (stop, last) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, acknowledged) = (Arc::clone(&stop), Arc::clone(&last));
        let thread = thread::spawn(move || {
            let mut next = 1_u64;
            let mut turn = 0;
            while !stopped.load(Ordering::Relaxed) {
                let Ok(mut connection) = doors[turn % doors.len()].connect() else {
                    turn += 1;
                    thread::sleep(Duration::from_millis(20));
                    continue;
                };
                while !stopped.load(Ordering::Relaxed) && write(&mut connection, next) {
                    acknowledged.store(next, Ordering::Relaxed);
                    next += 1;
                    thread::sleep(PAUSE);
                }
                turn += 1;
                // What was not acknowledged may stand: the next number is another one.
                next += 1;
            }
        });
        Writer { stop, last, thread }
    }

    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.last.load(Ordering::Relaxed)
    }
}

/// Waits until so much more was acknowledged.
pub fn let_write(writer: &Writer, more: u64) {
    let from = writer.last.load(Ordering::Relaxed);
    eventually("writes go on", || writer.last.load(Ordering::Relaxed) >= from + more);
}

fn write(connection: &mut Connection, value: u64) -> bool {
    let text = value.to_string();
    let own = format!("own:{}", value % 500);
    let calls: [&[&str]; 5] =
        [&["MULTI"], &["SET", "one", &text], &["SET", &own, &text], &["SET", "two", &text], &["EXEC"]];
    for call in calls {
        match connection.call(call) {
            Ok(Received::Reply(Value::Error(_))) | Ok(Received::Closed) | Err(_) => return false,
            Ok(Received::Reply(_)) => {}
        }
    }
    true
}

/// Between two reads, or two transactions: the servers want to run, too.
const PAUSE: Duration = Duration::from_millis(2);

/// Reads at an edge for as long as it is not stopped, through restarts of it.
pub struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Reader {
    pub fn start(door: impl Into<Door>) -> Reader {
        Reader::sharing(door.into(), Arc::default())
    }

    /// One at each node of a site. What one of them has seen, a read that any of them begins later must not fall behind.
    pub fn at_each(site: &[Server]) -> Vec<Reader> {
        let seen = Arc::new(AtomicU64::new(0));
        site.iter().map(|node| Reader::sharing(node.door(), Arc::clone(&seen))).collect()
    }

    fn sharing(door: Door, seen: Arc<AtomicU64>) -> Reader {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut reads = 0;
            while !stopped.load(Ordering::Relaxed) {
                let Ok(mut connection) = door.connect() else {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                };
                while !stopped.load(Ordering::Relaxed) {
                    let before = seen.load(Ordering::Acquire);
                    let Ok(Received::Reply(Value::Array(both))) = connection.call(&["MGET", "one", "two"])
                    else {
                        break;
                    };
                    let (one, two) = (number(&both[0]), number(&both[1]));
                    assert_eq!(one, two, "half of an EXEC");
                    let one = one.unsigned_abs();
                    assert!(one >= before, "{one} after {before}: time went back");
                    seen.fetch_max(one, Ordering::AcqRel);
                    reads += 1;
                    thread::sleep(PAUSE);
                }
            }
            reads
        });
        Reader { stop, thread }
    }

    /// How many reads were right.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
