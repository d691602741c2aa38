//! A core that is a cache: it keeps to its limit under load, and all replicas and edges lose the same keys.

use super::support::*;
use resp_tests::connection::Connection;
use resp_tests::dice::Dice;
use resp_tests::server::Server;
use resp_tests::support::error_code;
use resp_tests::value::Value;

const LIMIT: i64 = 1 << 20;
const KEYS: u64 = 30_000;

fn set_everywhere(nodes: &[Server], pairs: &[&str]) {
    for node in nodes {
        let words = [&["CONFIG", "SET"], pairs].concat();
        assert_eq!(call(&mut node.connect().unwrap(), &words), ok());
    }
}

/// Writes values of up to 600 bytes; every fourth key is a hash, every second expires. The others alone are no more than a
/// third of the limit: else nothing could be done about them where only keys with an expiry may go.
fn write(node: &mut Connection, dice: &mut Dice, writes: u64) {
    let mut sent = 0;
    for _ in 0..writes {
        let what = dice.below(4);
        let key = format!("key:{}", dice.below(if matches!(what, 1 | 2) { KEYS } else { KEYS / 60 }));
        let value = "x".repeat(dice.below(600) as usize);
        let words: Vec<&str> = match what {
            0 => vec!["HSET", "", "one", &value, "other", "v"],
            1 | 2 => vec!["SET", "", &value, "EX", "10000"],
            _ => vec!["SET", "", &value],
        };
        // A hash has a name of its own.
        let key = if words[0] == "HSET" { format!("hash:{key}") } else { key };
        let words: Vec<&str> =
            words.into_iter().map(|word| if word.is_empty() { &key } else { word }).collect();
        node.send(&words).unwrap();
        sent += 1;
        if sent == 50 {
            receive(node, &mut sent);
        }
    }
    receive(node, &mut sent);
}

fn receive(node: &mut Connection, sent: &mut u64) {
    for _ in 0..*sent {
        let reply = next(node);
        assert!(!matches!(reply, Value::Error(_)), "{reply:?}");
    }
    *sent = 0;
}

#[test]
fn replicas_and_edges_evict_the_same_keys_and_keep_to_the_limit() {
    let core = core(3, &[]);
    let leader = core.wait_until_agreed().unwrap();
    let edge = edge("fra", &upstream(&core), &[]);
    let limit = LIMIT.to_string();
    let mut dice = Dice::new(5);
    for policy in
        ["allkeys-lru", "volatile-ttl", "allkeys-lfu", "volatile-lru", "allkeys-random", "volatile-random"]
    {
        set_everywhere(&core.nodes, &["maxmemory", &limit, "maxmemory-policy", policy]);
        let evicted = info(&core.nodes[leader], "evicted_keys");
        let mut largest = 0;
        for round in 0..3 {
            // A node that does not lead forwards what it is sent, an edge as well.
            let node = match round % 3 {
                0 => &core.nodes[leader],
                1 => &core.nodes[(leader + 1) % 3],
                _ => &edge,
            };
            write(&mut node.connect().unwrap(), &mut dice, 2000);
            largest = largest.max(info(&core.nodes[leader], "flotilla_dataset_bytes"));
        }
        let evicted = info(&core.nodes[leader], "evicted_keys") - evicted;
        println!("{policy}: {evicted} keys evicted, at most {largest} bytes of {LIMIT}");
        assert!(evicted > 100, "{policy}: {evicted}");
        assert!(largest <= LIMIT + LIMIT / 20, "{policy}: {largest}");
        let least = info(&core.nodes[leader], "flotilla_dataset_bytes");
        assert!(least >= LIMIT - LIMIT / 20, "{policy}: no more than it must: {least}");
        core.wait_until_agreed().unwrap();
        let others: Vec<&Server> = core.nodes.iter().chain([&edge]).collect();
        assert_same_state(&core.nodes[leader], &others);
        for other in others {
            let bytes = info(other, "flotilla_dataset_bytes");
            assert_eq!(bytes, info(&core.nodes[leader], "flotilla_dataset_bytes"), "{policy}");
        }
    }
    // Larger than all by which the limit may be exceeded: it is written, and others go.
    let large = "x".repeat(150_000);
    for node in core.nodes.iter().chain([&edge]) {
        for number in 0..3 {
            let key = format!("large:{number}");
            assert_eq!(call(&mut node.connect().unwrap(), &["SET", &key, &large, "EX", "9"]), ok());
        }
    }
    eventually("others have gone", || info(&core.nodes[leader], "flotilla_dataset_bytes") <= LIMIT);
}

/// Where nothing may go, growth is refused, on all nodes; and what makes room goes on.
#[test]
fn a_core_without_room_refuses_growth_at_every_node() {
    let core = core(3, &[]);
    let leader = core.wait_until_agreed().unwrap();
    let edge = edge("fra", &upstream(&core), &[]);
    let mut at_leader = core.nodes[leader].connect().unwrap();
    let value = "x".repeat(100_000);
    for number in 0..20 {
        assert_eq!(call(&mut at_leader, &["SET", &format!("key:{number}"), &value]), ok());
    }
    set_everywhere(&core.nodes, &["maxmemory", "1mb", "maxmemory-policy", "volatile-lru"]);
    for node in core.nodes.iter().chain([&edge]) {
        let mut node = node.connect().unwrap();
        eventually("growth is refused", || error_code(&call(&mut node, &["SET", "more", "v"])) == "OOM");
        assert_eq!(call(&mut node, &["EXISTS", "more"]), Value::Integer(0));
    }
    for number in 0..12 {
        let mut node = core.nodes[number % 3].connect().unwrap();
        assert_eq!(call(&mut node, &["DEL", &format!("key:{number}")]), Value::Integer(1));
    }
    for node in core.nodes.iter().chain([&edge]) {
        let mut node = node.connect().unwrap();
        eventually("there is room again", || call(&mut node, &["SET", "more", "v"]) == ok());
    }
}

/// What the leader does not read itself it must not take for unused: with `read`, clients of a follower and of an edge read some keys each,
/// while the leader's write new ones. Returns how many of each are left, and of as many that nobody reads.
fn survivors(policy: &str) -> [usize; 3] {
    const HOT: usize = 60;
    let core = core(3, &[]);
    let leader = core.wait_until_agreed().unwrap();
    let edge = edge("fra", &upstream(&core), &[]);
    set_everywhere(&core.nodes, &["maxmemory", "2mb", "maxmemory-policy", policy, "lfu-log-factor", "1"]);
    let mut writer = core.nodes[leader].connect().unwrap();
    let value = "x".repeat(1000);
    let name = |of: usize, at: usize| format!("hot:{of}:{at}");
    for (of, at) in (0..3).flat_map(|of| (0..HOT).map(move |at| (of, at))) {
        assert_eq!(call(&mut writer, &["SET", &name(of, at), &value]), ok());
    }
    let mut readers = [core.nodes[(leader + 1) % 3].connect().unwrap(), edge.connect().unwrap()];
    let (mut written, mut evicted) = (0, 0);
    let (pause, began) = (std::time::Duration::from_millis(120), std::time::Instant::now());
    // So slowly that twelve seconds of writes fit: longer than a node keeps to itself that a key is read.
    while evicted < 1500 && began.elapsed() < std::time::Duration::from_secs(200) {
        for _ in 0..16 {
            written += 1;
            writer.send(&["SET", &format!("new:{written}"), &value]).unwrap();
        }
        for (of, reader) in readers.iter_mut().enumerate() {
            (0..HOT).for_each(|at| reader.send(&["GET", &name(of, at)]).unwrap());
        }
        receive(&mut writer, &mut 16);
        readers.iter_mut().for_each(|reader| (0..HOT).for_each(|_| drop(next(reader))));
        std::thread::sleep(pause);
        evicted = info(&core.nodes[leader], "evicted_keys");
    }
    assert!(evicted > 1000, "{policy}: only {evicted} of {written} are evicted");
    let told = info(&core.nodes[leader], "flotilla_reads_told");
    let left = |of: usize, client: &mut Connection| {
        (0..HOT).filter(|at| call(client, &["EXISTS", &name(of, *at)]) == Value::Integer(1)).count()
    };
    let left = [0, 1, 2].map(|of| left(of, &mut writer));
    println!(
        "{policy}: of {HOT} keys each, read at a follower, at an edge, and nowhere, {left:?} are left; the leader was told of {told}"
    );
    left
}

/// By recency alone: by frequency a key that nobody reads is as good as each new one, and may stay as well.
#[test]
fn keys_that_are_read_at_followers_and_edges_stay() {
    let [follower, edge, unread] = survivors("allkeys-lru");
    assert!(follower >= 48 && edge >= 48 && unread <= 12, "{follower}, {edge}, {unread}");
}
