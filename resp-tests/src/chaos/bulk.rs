//! Heavy load beside the checked clients: large values, so that logs and stores grow, and checkpoints asked for without end.
//!
//! What it writes is not checked value by value; the comparison of the nodes' states covers it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::net::Network;
use crate::connection::Received;
use crate::dice::Dice;
use crate::value::Value;

const WRITERS: u64 = 2;
const VALUE_BYTES: usize = 16 << 10;
const KEYS: u64 = 150;
const ANSWER_MAX: Duration = Duration::from_secs(8);
const AGAIN: Duration = Duration::from_millis(20);
/// Between two demands for a checkpoint, which go round all nodes.
const SAVE_INTERVAL: Duration = Duration::from_millis(200);

/// What the load consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    Writes,
    WritesAndSaves,
}

/// How the load goes, for who works under it.
#[derive(Debug, Default)]
pub struct Bulk {
    /// Writes acknowledged so far.
    acknowledged: AtomicU64,
    stop: AtomicBool,
}

impl Bulk {
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Works under load, which ends when `work` does.
    pub fn under<T>(load: Load, network: &Network, dice: &mut Dice, work: impl FnOnce(&Bulk) -> T) -> T {
        let bulk = Bulk::default();
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (bulk, dice) = (&bulk, Dice::new(dice.roll()));
                scope.spawn(move || bulk.write(network, writer as usize, dice));
            }
            if load == Load::WritesAndSaves {
                let bulk = &bulk;
                scope.spawn(move || bulk.save(network));
            }
            // Also when `work` panics: the scope waits for the load to end.
            let _end = End(&bulk);
            work(&bulk)
        })
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    fn write(&self, network: &Network, first: usize, mut dice: Dice) {
        if network.enter().is_err() {
            return;
        }
        let mut node = first;
        while self.goes_on() {
            if let Ok(mut connection) = network.connect(node % network.core().len()) {
                connection.set_deadline(ANSWER_MAX);
                while self.goes_on() {
                    let key = format!("bulk:{}", dice.below(KEYS));
                    let words = [b"SET".to_vec(), key.into_bytes(), noise(&mut dice)];
                    match connection.call(&words) {
                        Ok(Received::Reply(Value::Simple(_))) => {
                            self.acknowledged.fetch_add(1, Ordering::Relaxed);
                        }
                        // Refused, or of unknown outcome: another node may be better.
                        _ => break,
                    }
                }
            }
            node += 1;
            thread::sleep(AGAIN);
        }
    }

    fn save(&self, network: &Network) {
        if network.enter().is_err() {
            return;
        }
        for node in network.core().cycle() {
            if !self.goes_on() {
                return;
            }
            if let Ok(mut connection) = network.connect(node) {
                connection.set_deadline(Duration::from_secs(1));
                // "Background saving started", or that it is under way already; either will do.
                let _ = connection.call(&["BGSAVE"]);
            }
            thread::sleep(SAVE_INTERVAL);
        }
    }
}

/// Stops the load.
struct End<'a>(&'a Bulk);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::SeqCst);
    }
}

/// Bytes that do not compress.
fn noise(dice: &mut Dice) -> Vec<u8> {
    (0..VALUE_BYTES / 8).flat_map(|_| dice.roll().to_le_bytes()).collect()
}
