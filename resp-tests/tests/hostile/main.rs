//! Clients that ask for as much memory, time and fan-out as they can, at a core of three whose nodes have 1 GiB each.
//!
//! `HOSTILE_SECONDS` (20 if not set), `HOSTILE_SEED` (printed), `HOSTILE_ONLY=part,of,names`. What must hold in any case: no
//! node dies, none takes more memory than it has, what was acknowledged stays, and everybody is served afterwards. With
//! `HOSTILE_STRICT=yes`, on a machine with nothing else to do (`make hostile`), also: no election, PING within 50 ms for 99 of
//! 100, and memory back to where it was at nodes in use: whose caches are full, and whose allocators have kept what the first
//! round of attacks left them. From then on nothing may add up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod attacks;
mod bystanders;

use std::env;
use std::thread;
use std::time::{Duration, Instant};

use attacks::{ATTACKS, Attacker};
use bystanders::{Bystanders, fill_caches};
use resp_tests::cluster::{Cluster, field};
use resp_tests::dice::Dice;
use resp_tests::memory::{MemoryGroup, resident};
use resp_tests::server::Program;
use resp_tests::support::{call, eventually, number, ok, seed, variable};

const NODES: usize = 3;
const MEMORY: u64 = 1 << 30;
/// As a node with 1 GiB would be set up. It starts before it is put into the control group, so it cannot ask that.
const ARGS: [&str; 8] = [
    "--hot-cache-bytes",
    "64mb",
    "--block-cache-bytes",
    "64mb",
    "--maxmemory-clients",
    "200mb",
    "--disable-thp",
    "yes",
];
const PING_P99: Duration = Duration::from_millis(50);

fn terms(cluster: &Cluster) -> Vec<Option<String>> {
    cluster.nodes.iter().map(|node| field(node, "flotilla_raft_term")).collect()
}

fn memory(cluster: &Cluster) -> Vec<(u64, u64)> {
    cluster.nodes.iter().map(|node| resident(node.pid()).unwrap()).collect()
}

fn mebibytes(bytes: impl IntoIterator<Item = u64>) -> String {
    bytes.into_iter().map(|bytes| (bytes >> 20).to_string()).collect::<Vec<_>>().join("/")
}

#[test]
fn clients_that_ask_for_the_worst_hurt_nobody_else() {
    let group = MemoryGroup::new("hostile", MEMORY * NODES as u64);
    let mut cluster = Cluster::start(&Program::product(), NODES, &ARGS).unwrap();
    match &group {
        Some(group) => cluster.nodes.iter().for_each(|node| group.add(node.pid()).unwrap()),
        None => eprintln!("no control group can be made here: memory is measured and not limited"),
    }
    let leader = cluster.wait_until_agreed().unwrap();
    let is_strict = env::var("HOSTILE_STRICT").is_ok_and(|word| word == "yes");
    let mut dice = Dice::new(seed("HOSTILE_SEED"));
    let only = env::var("HOSTILE_ONLY").unwrap_or_default();
    let chosen: Vec<_> =
        ATTACKS.iter().filter(|(name, _)| only.split(',').any(|part| name.contains(part))).collect();
    assert!(!chosen.is_empty(), "HOSTILE_ONLY={only} is part of no attack's name");
    let doors: Vec<_> = cluster.nodes.iter().map(|node| node.door()).collect();
    let peer_ports: Vec<u16> = cluster.nodes.iter().map(|node| node.peer_port()).collect();
    if is_strict {
        println!("MiB resident idle {}", mebibytes(memory(&cluster).into_iter().map(|(now, _)| now)));
        fill_caches(&doors, leader);
    }
    let bystanders = Bystanders::start(&doors);
    thread::sleep(Duration::from_millis(500));
    let (before, began) = (memory(&cluster), Instant::now());
    let (terms_before, limit) =
        (terms(&cluster), Duration::from_secs(variable("HOSTILE_SECONDS").unwrap_or(20)));
    let (mut order, mut rounds, mut in_use) = (Vec::new(), 0, Vec::new());
    println!(
        "{:<44} {:>8} {:>10} {:>10} {:>8}  MiB resident",
        "attack", "took ms", "ping max", "write max", "read max"
    );
    // Each at least once in a long run, in an order of the seed's.
    while began.elapsed() < limit {
        if order.is_empty() {
            rounds += 1;
            if rounds == 2 {
                in_use = memory(&cluster).into_iter().map(|(now, _)| now).collect();
                println!("MiB resident after the first round {}", mebibytes(in_use.iter().copied()));
            }
            order.clone_from(&chosen);
            dice.shuffle(&mut order);
        }
        let Some((name, attack)) = order.pop() else { break };
        let started = Instant::now();
        bystanders.begin();
        let mut attacker = Attacker { doors: &doors, peer_ports: &peer_ports, leader, dice: dice.fork() };
        // The server may close the connection: that is an answer, too.
        let outcome = attack(&mut attacker);
        attacker.clean_up();
        for node in &mut cluster.nodes {
            assert!(
                node.is_running().unwrap(),
                "a node died of {name} ({:?}):\n{}",
                outcome.as_ref().err(),
                node.log_tail()
            );
        }
        let worst = bystanders.worst();
        println!(
            "{name:<44} {:>8} {:>10} {:>10} {:>8}  {} {}",
            started.elapsed().as_millis(),
            worst.ping.as_millis(),
            worst.write.as_millis(),
            worst.read.as_millis(),
            mebibytes(memory(&cluster).into_iter().map(|(now, _)| now)),
            outcome.err().map_or(String::new(), |error| format!("({error:.100})")),
        );
    }
    // Everybody is served, and has what was acknowledged.
    eventually("a core that agrees", || cluster.wait_until_agreed().is_ok());
    let seen = bystanders.finish();
    for (key, least) in &seen.acknowledged {
        for node in &cluster.nodes {
            let value = number(&call(&mut node.connect().unwrap(), &["GET", key]));
            assert!(value >= *least as i64, "{key} is {value}, {least} was acknowledged");
        }
    }
    assert_eq!(call(&mut cluster.nodes[leader].connect().unwrap(), &["SET", "after", "all"]), ok());
    assert!(seen.acknowledged.iter().all(|(_, least)| *least > 0), "a writer got nothing done");
    let peak = mebibytes(memory(&cluster).into_iter().map(|(_, peak)| peak));
    println!("{seen}\nMiB resident before {}, at most {peak}", mebibytes(before.iter().map(|(now, _)| *now)));
    for (_, peak) in memory(&cluster) {
        assert!(peak < MEMORY, "{} MiB", peak >> 20);
    }
    let terms_after = terms(&cluster);
    println!("terms {terms_before:?} before, {terms_after:?} after");
    let is_back = || {
        let now = memory(&cluster).into_iter().map(|(now, _)| now);
        now.zip(&in_use).all(|(now, before)| now <= before + before / 10)
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while is_strict && !is_back() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(200));
    }
    println!("MiB resident afterwards {}", mebibytes(memory(&cluster).into_iter().map(|(now, _)| now)));
    if is_strict {
        assert!(rounds > 1, "too short: each attack must come twice");
        assert_eq!(terms_before, terms_after, "there was an election");
        assert!(seen.ping_p99 <= PING_P99, "PING took {:?}", seen.ping_p99);
        assert!(is_back(), "memory does not come back");
    }
    drop(cluster);
    drop(group);
}
