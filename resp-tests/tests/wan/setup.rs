//! Servers in their places, and what they are loaded with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::connection::Connection;
use resp_tests::dice::Dice;
use resp_tests::door::Door;
pub use resp_tests::edge::oracle::{Reader, Writer, let_write};
pub use resp_tests::edge::support::*;
use resp_tests::server::Server;
use resp_tests::support::variable;
pub use resp_tests::value::Value;
pub use resp_tests::wan::{Link, Wan};

pub const ROUND_TRIP_MS: u64 = 80;

/// See the module `main`.
pub fn weather_lasts() -> Duration {
    Duration::from_secs(variable("WAN_SECONDS").unwrap_or(8))
}

pub fn long_cut() -> Duration {
    Duration::from_secs(variable("WAN_CUT_SECONDS").unwrap_or(6))
}

pub fn edges() -> usize {
    usize::try_from(variable("WAN_EDGES").unwrap_or(12)).unwrap()
}

/// A network of so many places; those from `far` on are a whole ocean away from those before.
pub fn wan(name: &str, count: usize, far: usize) -> Wan {
    let seed = variable("WAN_SEED").unwrap_or(1);
    println!("{name}: WAN_SEED={seed}, {count} places, {ROUND_TRIP_MS} ms from 0..{far} to {far}..{count}");
    let wan = Wan::new(count, seed).unwrap();
    let (near, far): (Vec<usize>, Vec<usize>) = ((0..far).collect(), (far..count).collect());
    wan.set(&near, &far, Link::of_round_trip(ROUND_TRIP_MS));
    wan
}

fn words(own: &[&str], more: &[&str]) -> Vec<String> {
    own.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

/// Starts nodes that found a group together, one at each place, and waits until they answer.
fn group(wan: &Wan, places: &[usize], names: &[String], args: &[&str]) -> Vec<Server> {
    let list = |(name, place): (&String, &usize)| format!("{name}={}", wan.peer_address(*place));
    let list = names.iter().zip(places).map(list).collect::<Vec<_>>().join(",");
    let start = |(name, place): (&String, &usize)| {
        let own = ["--node-name", name, "--cluster", &list];
        Server::spawn(&wan.program(*place), &words(&own, args)).unwrap()
    };
    let mut nodes: Vec<Server> = names.iter().zip(places).map(start).collect();
    nodes.iter_mut().for_each(|node| node.wait_until_ready().unwrap());
    nodes
}

/// A core with a node at each of these places. One node alone listens to edges as well.
pub fn core(wan: &Wan, places: &[usize], args: &[&str]) -> Cluster {
    let names: Vec<String> = (0..places.len()).map(|index| format!("core-{index}")).collect();
    Cluster { nodes: group(wan, places, &names, args) }
}

/// An edge of one node; returns when it serves what the core had then.
pub fn edge_at(wan: &Wan, place: usize, core: &Cluster, args: &[&str]) -> Server {
    edges_at(wan, &[place], core, args).remove(0)
}

/// Edges of one node each, all at once.
pub fn edges_at(wan: &Wan, places: &[usize], core: &Cluster, args: &[&str]) -> Vec<Server> {
    let upstream = upstream(core);
    let start = |place: &usize| {
        let own = ["--role", "edge", "--site", &format!("site-{place}"), "--upstream", &upstream];
        Server::spawn(&wan.program(*place), &words(&own, args)).unwrap()
    };
    let mut edges: Vec<Server> = places.iter().map(start).collect();
    for edge in &mut edges {
        edge.wait_until_ready().unwrap();
        wait_for_data(edge);
    }
    edges
}

/// A site with a node at each of these places; returns when each of them serves what the core had.
pub fn site_at(wan: &Wan, places: &[usize], core: &Cluster, args: &[&str]) -> Vec<Server> {
    let names: Vec<String> = (0..places.len()).map(|index| format!("edge-fra.{index}")).collect();
    let upstream = upstream(core);
    let own = [&["--role", "edge", "--site", "fra", "--upstream", &upstream][..], args].concat();
    let site = group(wan, places, &names, &own);
    site.iter().for_each(wait_for_data);
    site
}

/// The number that a node shows under this key; 0 if it shows none, or cannot say.
pub fn shown(node: &Server, key: &str) -> i64 {
    match node.connect().and_then(|mut client| client.call(&["GET", key])) {
        Ok(resp_tests::connection::Received::Reply(value @ Value::Bulk(_))) => number(&value),
        _ => 0,
    }
}

/// For a site that has to find a leader on a machine that has much else to do.
const LATE: Duration = Duration::from_secs(90);

/// Waits until each of them shows what was acknowledged last.
pub fn wait_for_last(nodes: &[&Server], last: u64) {
    let deadline = Instant::now() + LATE;
    for node in nodes {
        let mut seen = shown(node, "one");
        while seen < i64::try_from(last).unwrap() {
            let late = Instant::now() >= deadline;
            assert!(!late, "{last} never came, {seen} is there\n{}", node.log_tail());
            thread::sleep(Duration::from_millis(10));
            seen = shown(node, "one");
        }
    }
}

/// Values that no compression makes small.
pub fn noise(dice: &mut Dice, bytes: usize) -> String {
    (0..bytes).map(|_| char::from(b'!' + u8::try_from(dice.below(90)).unwrap())).collect()
}

/// Writes batches of small values at the core, over and over, beside the `Writer`.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

const LOAD_BATCH: usize = 20;
const LOAD_KEYS: u64 = 2_000;
const LOAD_VALUE_BYTES: usize = 200;

impl Load {
    /// Batches follow each other after this time.
    pub fn start(door: Door, pause: Duration) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut dice = Dice::new(1);
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                let Ok(mut client) = door.connect() else { continue };
                while !stopped.load(Ordering::Relaxed) && batch(&mut client, &mut dice) {
                    count += LOAD_BATCH as u64;
                    thread::sleep(pause);
                }
            }
            count
        });
        Load { stop, thread: Some(thread) }
    }

    /// How many writes there were.
    pub fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn batch(client: &mut Connection, dice: &mut Dice) -> bool {
    for _ in 0..LOAD_BATCH {
        let key = format!("load:{}", dice.below(LOAD_KEYS));
        if client.send(&["SET", &key, &noise(dice, LOAD_VALUE_BYTES)]).is_err() {
            return false;
        }
    }
    (0..LOAD_BATCH).all(|_| matches!(client.receive(), Ok(resp_tests::connection::Received::Reply(_))))
}
