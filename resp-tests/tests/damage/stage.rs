//! A core of three with data of which most are in files, and what is asked of it while one of its disks is bad.

use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::{Connection, Received};
use resp_tests::dice::Dice;
use resp_tests::server::{Program, Server};
pub use resp_tests::support::{call, ok};
use resp_tests::support::{seed, variable};
use resp_tests::value::Value;

pub const NODES: usize = 3;
/// A node may fetch all data meanwhile.
pub const WHOLE_MAX: Duration = Duration::from_secs(90);
/// The others go on, with another leader at most.
const WRITE_MAX: Duration = Duration::from_secs(60);
const KEYS: usize = 400;
/// Between two looks at whether all is well again.
const LOOK: Duration = Duration::from_millis(200);
/// Small caches: what a read needs comes from the files.
pub const SETTINGS: [&str; 10] = [
    "--log-retain-bytes",
    "1mb",
    "--log-retain-seconds",
    "0",
    "--memtable-bytes",
    "1mb",
    "--hot-cache-bytes",
    "64kb",
    "--block-cache-bytes",
    "64kb",
];

pub fn rounds() -> u64 {
    variable("DAMAGE_ROUNDS").unwrap_or(1)
}

pub fn dice() -> Dice {
    Dice::new(seed("DAMAGE_SEED"))
}

/// Values that do not compress to nothing, each other than all others.
pub fn value(key: usize) -> String {
    let mut dice = Dice::new(key as u64 + 1);
    (0..60).map(|_| format!("{:016x}", dice.below(u64::MAX))).collect()
}

/// Writes, again where another node becomes leader meanwhile.
pub fn write(connection: &mut Connection, words: &[&str]) {
    let deadline = Instant::now() + WRITE_MAX;
    connection.set_deadline(WRITE_MAX);
    loop {
        match call(connection, words) {
            reply if reply == ok() => return,
            reply => assert!(Instant::now() < deadline, "{words:?}: {reply:?}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Writes all data, has them in files on every node, and the log begin behind them.
pub fn fill(cluster: &Cluster) {
    for from in [0, KEYS / 2] {
        let mut connection = cluster.nodes[0].connect().unwrap();
        for key in from..from + KEYS / 2 {
            write(&mut connection, &["SET", &format!("key:{key}"), &value(key)]);
        }
        // What the log keeps, and more.
        let large = "x".repeat(20_000);
        for key in 0..150 {
            write(&mut connection, &["SET", &format!("large:{key}"), &large]);
        }
        for node in &cluster.nodes {
            save(node);
        }
    }
}

pub fn save(node: &Server) {
    let mut connection = node.connect().unwrap();
    connection.set_deadline(Duration::from_secs(60));
    assert_eq!(call(&mut connection, &["SAVE"]), ok());
}

/// What a node says of a key, if it says anything: it may be stopping, or have nobody to ask.
pub fn told(node: &Server, key: usize) -> Option<Value> {
    let mut connection = node.connect().ok()?;
    connection.set_deadline(Duration::from_secs(5));
    match connection.call(&["GET", &format!("key:{key}")]).ok()? {
        Received::Reply(Value::Error(_)) | Received::Closed => None,
        Received::Reply(reply) => Some(reply),
    }
}

/// It says what was written, or nothing.
pub fn never_wrong(node: &Server, key: usize, what: &str) {
    if let Some(told) = told(node, key) {
        assert_eq!(told, Value::Bulk(value(key).into_bytes()), "{what}: key:{key}\n{}", node.log_tail());
    }
}

/// Reads everything from the node's own data.
pub fn assert_has_all(node: &Server, what: &str) {
    let mut connection = node.connect().unwrap();
    connection.set_deadline(Duration::from_secs(30));
    assert_eq!(call(&mut connection, &["CLIENT", "CONSISTENCY", "LOCAL"]), ok());
    for key in 0..KEYS {
        let told = call(&mut connection, &["GET", &format!("key:{key}")]);
        assert_eq!(told, Value::Bulk(value(key).into_bytes()), "{what}: key:{key}");
    }
}

/// Writes through one of the nodes that are well; another node may have to become leader first.
pub fn write_through_others(cluster: &Cluster, victim: usize, round: u64, what: &str) {
    let deadline = Instant::now() + WRITE_MAX;
    loop {
        for node in
            cluster.nodes.iter().enumerate().filter(|(index, _)| *index != victim).map(|(_, node)| node)
        {
            let Ok(mut connection) = node.connect() else { continue };
            connection.set_deadline(Duration::from_secs(5));
            if let Ok(Received::Reply(reply)) = connection.call(&["SET", "beat", &round.to_string()])
                && reply == ok()
            {
                return;
            }
        }
        let logs: Vec<String> = cluster.nodes.iter().map(Server::log_tail).collect();
        assert!(Instant::now() < deadline, "{what}: no majority takes writes\n{}", logs.join("\n---\n"));
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the node answers at all.
pub fn answers(node: &Server) -> bool {
    field(node, "flotilla_raft_applied_index").is_some()
}

/// All three vote, answer, and have the same state by its checksum.
pub fn is_whole(cluster: &Cluster) -> bool {
    let Some(leader) = cluster.leader() else { return false };
    let node = &cluster.nodes[leader];
    if !cluster.nodes.iter().all(answers) || voters(node) != NODES {
        return false;
    }
    verify(node).is_some_and(|told| {
        told["equal"] == true && told["nodes"].as_array().unwrap().iter().all(|node| node["state"] == "equal")
    })
}

fn voters(node: &Server) -> usize {
    let Some(told) = core(node, "STATUS") else { return 0 };
    let nodes = told["nodes"].as_array().unwrap();
    match nodes.len() == NODES && told["change_under_way"] == false {
        true => nodes.iter().filter(|node| node["role"] == "voter" || node["role"] == "leader").count(),
        false => 0,
    }
}

/// What VERIFY says; `None`: it could not be done just now.
pub fn verify(node: &Server) -> Option<serde_json::Value> {
    core(node, "VERIFY")
}

fn core(node: &Server, word: &str) -> Option<serde_json::Value> {
    let mut connection = node.connect().ok()?;
    connection.set_deadline(Duration::from_secs(130));
    match connection.call(&["CORE", word]).ok()? {
        Received::Reply(Value::Bulk(json)) => serde_json::from_slice(&json).ok(),
        _ => None,
    }
}

/// Waits until the core is whole, doing what a supervisor does (starts again what has ended) and asking the node with the
/// bad disk for data all the time.
pub fn wait_until_whole(cluster: &mut Cluster, victim: usize, dice: &mut Dice, what: &str) -> Duration {
    let (began, mut ended) = (Instant::now(), 0);
    let mut look_at = began;
    loop {
        // Looking means to compute checksums of all data on all nodes.
        if Instant::now() >= look_at {
            if is_whole(cluster) {
                break;
            }
            look_at = Instant::now() + LOOK;
        }
        if !cluster.nodes[victim].is_running().unwrap() {
            ended += 1;
            assert!(ended <= 3, "{what}: it ends again and again\n{}", cluster.nodes[victim].log_tail());
            cluster.nodes[victim].spawn_again().unwrap();
        }
        for (index, node) in cluster.nodes.iter_mut().enumerate().filter(|(index, _)| *index != victim) {
            assert!(node.is_running().unwrap(), "{what}: core-{index} has ended\n{}", node.log_tail());
        }
        never_wrong(&cluster.nodes[victim], dice.below(KEYS as u64) as usize, what);
        write_through_others(cluster, victim, began.elapsed().as_millis() as u64, what);
        let logs: Vec<String> = cluster.nodes.iter().map(Server::log_tail).collect();
        assert!(began.elapsed() < WHOLE_MAX, "{what}: not whole again\n{}", logs.join("\n---\n"));
        thread::sleep(Duration::from_millis(20));
    }
    for node in &cluster.nodes {
        assert_has_all(node, what);
    }
    began.elapsed()
}

/// `args`: parameters and values, which go before the settings.
pub fn start(args: &[&str]) -> Cluster {
    start_of(&Program::product(), args)
}

/// As `start`, of this program.
pub fn start_of(program: &Program, args: &[&str]) -> Cluster {
    let settings = SETTINGS.chunks(2).filter(|pair| !args.contains(&pair[0])).flatten();
    let args: Vec<&str> = settings.chain(args).copied().collect();
    let cluster = Cluster::start(program, NODES, &args).unwrap();
    fill(&cluster);
    cluster
}
