//! Clients with caches at every node of a core and at an edge, while keys change, expire and are flushed, leaders die and the edge
//! is cut off. Each hit is held against the history of its key. How soon a node tells depends on how busy the machine is; so a value
//! that seems to be too old is suspect only, and the node is asked for a proof that it has told all that it knows: if the value is
//! still there behind that, its invalidation is lost.
//!
//! Keys are written in bursts and then left alone, so that a value whose invalidation was lost stays in a cache to be found.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::connection::{Connection, Received};
use resp_tests::dice::Dice;
use resp_tests::door::Door;
use resp_tests::edge::{support, valve::Valve};
use resp_tests::server::Stop;
use resp_tests::support::{eventually, seed, variable};
use resp_tests::value::Value;

use super::client::{Client, Kept};
use super::history::{History, Written};

/// A value is suspect if it is used so long after its change, or after a read at the same node has shown the change.
const SUSPECT_AFTER: Duration = Duration::from_millis(300);
/// Never written. To read it, a core node must have applied all that was acknowledged before.
const PROBE: &str = "probe";

const BURST: Duration = Duration::from_millis(250);
const KEYS_OF_A_BURST: u64 = 6;
/// Clients look at keys of so many bursts.
const BURSTS: u64 = 40;
const LOOKS_AT_A_TIME: usize = 64;
const PAUSE: Duration = Duration::from_millis(2);

struct World {
    history: History,
    began: Instant,
    is_over: AtomicBool,
    hits: AtomicU64,
    suspects: AtomicU64,
    misses: AtomicU64,
    invalidations: AtomicU64,
    /// Values that clients have kept over a reconnection, reconnections with some, and those with none left.
    kept: AtomicU64,
    moves: AtomicU64,
    emptied: AtomicU64,
}

impl World {
    fn burst(&self) -> u64 {
        (self.began.elapsed().as_millis() / BURST.as_millis()) as u64
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }
}

fn name(burst: u64, key: u64) -> String {
    format!("k:{burst}:{key}")
}

/// One writer, so that the changes of a key have an order.
fn write(world: &World, doors: &[Door], mut dice: Dice) {
    let (mut next, mut turn) = (1_u64, 0);
    while world.goes_on() {
        turn += 1;
        let Ok(mut connection) = doors[turn % doors.len()].connect() else {
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        connection.set_deadline(Duration::from_secs(3));
        while world.goes_on() {
            if !write_one(world, &mut connection, &mut dice, &mut next) {
                break;
            }
            thread::sleep(Duration::from_micros(500));
        }
    }
}

fn write_one(world: &World, connection: &mut Connection, dice: &mut Dice, next: &mut u64) -> bool {
    let key = name(world.burst(), dice.below(KEYS_OF_A_BURST));
    *next += 1;
    let (value, sent) = (*next, Instant::now());
    let mut tried = |words: &[&str]| match connection.call(words) {
        Ok(Received::Reply(Value::Error(text))) => Err(Some(String::from_utf8_lossy(&text).into_owned())),
        Ok(Received::Reply(_)) => Ok(Written { sent, done: Instant::now() }),
        _ => Err(None),
    };
    // It hides what was lost, so there is none for a while.
    if world.began.elapsed().as_secs() % 10 < 2 && dice.chance(10) {
        world.history.begins(None, sent);
        return match tried(&["FLUSHALL"]) {
            Ok(written) => {
                world.history.flushed(written);
                true
            }
            Err(_) => {
                world.history.all_lost();
                false
            }
        };
    }
    let text = value.to_string();
    let kind = dice.below(10);
    if kind <= 1 {
        world.history.begins(Some(&key), sent);
    }
    let (outcome, value, ttl) = match kind {
        0 => (tried(&["SET", &key, &text, "PX", "200"]), Some(value), Some(Duration::from_millis(200))),
        1 => (tried(&["DEL", &key]), None, None),
        2 => (
            tried(&["EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", "1", &key, &text]),
            Some(value),
            None,
        ),
        3 => (tried(&["MSET", &key, &text]), Some(value), None),
        _ => (tried(&["SET", &key, &text]), Some(value), None),
    };
    match outcome {
        Ok(written) => world.history.wrote(&key, value, written, ttl),
        Err(_) => world.history.lost(&key),
    }
    outcome.is_ok()
}

/// A client with a cache, again and again. `core`: as of `History::is_stale`.
fn hold(world: &World, node: usize, door: &Door, options: &[&str], core: Option<Duration>, mut dice: Dice) {
    while world.goes_on() {
        let Some(mut client) = Client::open(door, options) else {
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        while world.goes_on()
            && !client.is_closed()
            && use_cache(world, &mut client, (node, core), options, &mut dice)
        {
            thread::sleep(PAUSE);
        }
        world.invalidations.fetch_add(client.invalidations(), Ordering::Relaxed);
    }
}

/// Looks at some keys until one is not cached, which is read; false: the server did not answer.
fn use_cache(
    world: &World,
    client: &mut Client,
    (node, core): (usize, Option<Duration>),
    options: &[&str],
    dice: &mut Dice,
) -> bool {
    let burst = world.burst();
    for _ in 0..LOOKS_AT_A_TIME {
        let key = name(burst.saturating_sub(dice.below(BURSTS)), dice.below(KEYS_OF_A_BURST));
        let at = Instant::now();
        let Some(value) = client.cached(&key) else {
            world.misses.fetch_add(1, Ordering::Relaxed);
            return client.read(&key);
        };
        world.hits.fetch_add(1, Ordering::Relaxed);
        if let Some(why) = world.history.is_stale(node, &key, value, at, core, SUSPECT_AFTER) {
            world.suspects.fetch_add(1, Ordering::Relaxed);
            // An edge may be cut off: there, a read at the same node has shown the change.
            if !client.read(PROBE) || !client.ask_revision() {
                return false;
            }
            let is_lost = client.cached(&key) == Some(value);
            let after = world.began.elapsed();
            assert!(!is_lost, "after {after:?}, {options:?}: {why}; {}", client.explain(&key));
        }
    }
    true
}

/// A client that takes its cache from node to node.
fn roam(world: &World, doors: &[Door], options: &[&str], mut dice: Dice) {
    let mut kept = Kept::default();
    while world.goes_on() {
        let node = usize::try_from(dice.below(doors.len() as u64)).unwrap();
        let before = kept.values.len();
        let Some(mut client) = Client::go_on(&doors[node], options, kept.clone()) else {
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let (core, has) = ((node < 3).then_some(SUSPECT_AFTER), client.keys() as u64);
        if before > 0 {
            let count = if has > 0 { &world.moves } else { &world.emptied };
            count.fetch_add(1, Ordering::Relaxed);
            world.kept.fetch_add(has, Ordering::Relaxed);
        }
        let until = Instant::now() + Duration::from_millis(dice.between(100, 1500));
        while world.goes_on() && !client.is_closed() && Instant::now() < until {
            if !use_cache(world, &mut client, (node, core), options, &mut dice)
                || dice.chance(20) && !client.ask_revision()
            {
                break;
            }
            thread::sleep(PAUSE);
        }
        world.invalidations.fetch_add(client.invalidations(), Ordering::Relaxed);
        kept = client.end();
    }
}

/// Reads without a cache: what it shows, caches at this node must follow.
fn look(world: &World, node: usize, door: &Door, mut dice: Dice) {
    while world.goes_on() {
        let Ok(mut connection) = door.connect() else {
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        while world.goes_on() {
            let key = name(world.burst().saturating_sub(dice.below(4)), dice.below(KEYS_OF_A_BURST));
            match connection.call(&["GET", &key]) {
                Ok(Received::Reply(Value::Bulk(text))) => {
                    let value = String::from_utf8_lossy(&text).parse().ok();
                    world.history.saw(node, &key, value, Instant::now());
                }
                Ok(Received::Reply(Value::NilBulk)) => {}
                _ => break,
            }
            thread::sleep(PAUSE);
        }
    }
}

#[test]
fn no_cached_value_outlives_its_change() {
    let seconds = variable("TRACKING_SECONDS").unwrap_or(25);
    let mut dice = Dice::new(seed("TRACKING_SEED"));
    let recent = ["--tracking-changes-bytes", "256kb"];
    let mut core = support::core(3, &[&recent[..], &["--tracking-table-max-keys", "150"]].concat());
    let valves: Vec<Valve> = core.nodes.iter().map(|node| Valve::start(node.peer_port(), i64::MAX)).collect();
    let upstream: Vec<String> = valves.iter().map(Valve::address).collect();
    let edge = support::edge("fra", &upstream.join(","), &recent);
    let doors: Vec<Door> = core.nodes.iter().map(|node| node.door()).chain([edge.door()]).collect();
    let world = Arc::new(World {
        history: History::default(),
        began: Instant::now(),
        is_over: AtomicBool::new(false),
        hits: AtomicU64::new(0),
        suspects: AtomicU64::new(0),
        misses: AtomicU64::new(0),
        invalidations: AtomicU64::new(0),
        kept: AtomicU64::new(0),
        moves: AtomicU64::new(0),
        emptied: AtomicU64::new(0),
    });
    thread::scope(|scope| {
        let world = &*world;
        // Whatever fails, the others end.
        let over = Over(world);
        let mut threads = vec![{
            let (doors, dice) = (doors[..3].to_vec(), dice.fork());
            scope.spawn(move || write(world, &doors, dice))
        }];
        for (node, door) in doors.iter().enumerate() {
            let bound = (node < 3).then_some(SUSPECT_AFTER);
            for options in [&[][..], &["NOLOOP"], &["OPTIN"], &["BCAST"]] {
                let dice = dice.fork();
                threads.push(scope.spawn(move || hold(world, node, door, options, bound, dice)));
            }
            let dice = dice.fork();
            threads.push(scope.spawn(move || look(world, node, door, dice)));
        }
        for options in [&[][..], &["NOLOOP"], &["OPTIN"], &["BCAST"]] {
            let (doors, dice) = (&doors[..], dice.fork());
            threads.push(scope.spawn(move || roam(world, doors, options, dice)));
        }
        let (mut kills, mut cuts) = (0, 0);
        while world.began.elapsed() < Duration::from_secs(seconds)
            && threads.iter().all(|thread| !thread.is_finished())
        {
            thread::sleep(Duration::from_secs(4));
            if kills >= cuts {
                valves.iter().for_each(|valve| valve.let_pass(0));
                thread::sleep(Duration::from_millis(dice.between(1000, 6000)));
                valves.iter().for_each(Valve::open);
                cuts += 1;
            } else if let Some(leader) = core.leader() {
                core.nodes[leader].stop(Stop::Kill).unwrap();
                thread::sleep(Duration::from_millis(dice.between(500, 2500)));
                core.nodes[leader].start_again().unwrap();
                core.nodes[leader].wait_until_ready().unwrap();
                kills += 1;
            }
        }
        drop(over);
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        for thread in threads {
            thread.join().expect("a cached value was too old, or a client broke");
        }
        let (hits, misses, told) = (load(&world.hits), load(&world.misses), load(&world.invalidations));
        let (moves, emptied, kept) = (load(&world.moves), load(&world.emptied), load(&world.kept));
        println!(
            "{moves} times a cache was taken to another node with {kept} values, {emptied} times with none"
        );
        println!(
            "{hits} hits, {} suspects, {misses} misses, {told} invalidations, {kills} kills of a leader, {cuts} cuts of the edge",
            load(&world.suspects)
        );
        assert!(kills > 0 && cuts > 0, "no faults");
        assert!(
            hits > 1000 * seconds && misses > 20 * seconds && told > 20 * seconds,
            "too little was tried"
        );
        assert!(moves > seconds / 2 && kept > 10 * seconds, "too little was kept");
    });
    eventually("the core is well", || core.leader().is_some());
}

/// Ends the others.
struct Over<'a>(&'a World);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}
