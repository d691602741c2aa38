//! The worst requests that anybody thought of, each for a few seconds. They use database 1, and may fail in any way.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::connection::{Connection, Received};
use resp_tests::dice::Dice;
use resp_tests::door::Door;
use resp_tests::value::{Value, encode};

/// How long clients that do nothing stay.
const STAY: Duration = Duration::from_millis(1500);
const PATIENCE: Duration = Duration::from_secs(60);
/// After so long without a byte nothing more is expected.
const QUIET: Duration = Duration::from_secs(5);

pub struct Attacker<'a> {
    pub doors: &'a [Door],
    pub peer_ports: &'a [u16],
    pub leader: usize,
    pub dice: Dice,
}

pub type Attack = fn(&mut Attacker<'_>) -> io::Result<()>;

pub const ATTACKS: &[(&str, Attack)] = &[
    ("one bit at the end of 512 MiB", far_bit),
    ("six strings of 512 MiB in one pipeline", far_ranges),
    ("a thousand strings of 512 MiB in one write", many_far_ranges),
    ("GET of 512 MiB of holes, unread", holes_unread),
    ("BITOP of strings of 512 MiB", far_bitop),
    ("500 digests of 512 MiB of holes in a transaction", far_digests),
    ("the union of two large sets", large_union),
    ("200 GETs of 10 MB behind a SET", reads_behind_a_write),
    ("LRANGEs of a long list in a transaction", reads_in_a_transaction),
    ("20 clients that do not read a long list", unread_lists),
    ("100 clients that do not read COMMAND DOCS", unread_docs),
    ("BLPOP of 100,000 keys", many_blocked_keys),
    ("WATCH of 100,000 keys, twice", many_watched_keys),
    ("queries that never end", endless_queries),
    ("transactions that never end", endless_transactions),
    ("100,000 subscriptions", many_subscriptions),
    ("thousands of idle connections", idle_connections),
    ("RESTORE of what is large when unpacked", bombs),
    ("SORT and COPY of a long list", sorts_and_copies),
    ("patterns that backtrack", bad_patterns),
    ("half requests to the peer port", half_frames),
];

impl Attacker<'_> {
    fn connect_to(&self, index: usize) -> io::Result<Connection> {
        let mut connection = self.doors[index].connect()?;
        connection.set_deadline(PATIENCE);
        connection.call(&["SELECT", "1"])?;
        Ok(connection)
    }

    /// To any node.
    fn connect(&mut self) -> io::Result<Connection> {
        let index = self.dice.below(self.doors.len() as u64) as usize;
        self.connect_to(index)
    }

    fn leader(&self) -> io::Result<Connection> {
        self.connect_to(self.leader)
    }

    pub fn clean_up(&mut self) {
        // Whatever it says: the next attack brings its own data.
        drop(self.leader().and_then(|mut leader| leader.call(&["FLUSHDB"])));
    }

    /// A list or set with so many elements.
    fn fill(&mut self, command: &str, key: &str, from: usize, count: usize) -> io::Result<()> {
        let mut connection = self.leader()?;
        let elements: Vec<String> = (from..from + count).map(|at| format!("element:{at}")).collect();
        for part in elements.chunks(5000) {
            let mut words = vec![command, key];
            words.extend(part.iter().map(String::as_str));
            connection.call(&words)?;
        }
        Ok(())
    }
}

/// Sends these and reads nothing for a while.
fn send_and_stay(connections: &mut [Connection], requests: &[u8]) {
    for connection in connections.iter_mut() {
        drop(connection.stream().set_write_timeout(Some(Duration::from_millis(200))));
        // A server that does not read is right.
        drop(connection.stream().write_all(requests));
    }
    thread::sleep(STAY);
}

fn repeated(words: &[&str], times: usize) -> Vec<u8> {
    encode(words).repeat(times)
}

/// Takes whatever comes back, until nothing has for a while.
fn pipeline(connection: &Connection, requests: &[u8]) -> io::Result<()> {
    let mut stream = connection.stream();
    stream.set_read_timeout(Some(QUIET))?;
    stream.write_all(requests)?;
    let (mut bytes, until) = (vec![0; 1 << 20], Instant::now() + PATIENCE);
    while Instant::now() < until && stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
    Ok(())
}

fn far_bit(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let mut connection = attacker.connect()?;
    for _ in 0..20 {
        connection.call(&["SETBIT", "k", "4294967295", "1"])?;
    }
    Ok(())
}

fn far_ranges(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let connection = attacker.connect()?;
    let requests: Vec<u8> =
        (0..6).flat_map(|at| encode(&["SETRANGE", &format!("k{at}"), "536870910", "x"])).collect();
    pipeline(&connection, &requests)
}

fn many_far_ranges(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let connection = attacker.connect()?;
    let requests: Vec<u8> =
        (0..20_000).flat_map(|at| encode(&["SETRANGE", &format!("k{at}"), "536870910", "x"])).collect();
    pipeline(&connection, &requests)
}

fn holes_unread(attacker: &mut Attacker<'_>) -> io::Result<()> {
    attacker.leader()?.call(&["SETRANGE", "holes", "536870910", "x"])?;
    let mut connections: Vec<Connection> = (0..6).map(|_| attacker.connect()).collect::<io::Result<_>>()?;
    send_and_stay(&mut connections, &repeated(&["GET", "holes"], 3));
    Ok(())
}

fn far_bitop(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let mut connection = attacker.leader()?;
    connection.call(&["SETRANGE", "a", "536870910", "x"])?;
    connection.call(&["SETRANGE", "b", "536870910", "y"])?;
    connection.call(&["BITOP", "NOT", "c", "a"])?;
    connection.call(&["BITOP", "OR", "d", "a", "b"])?;
    connection.call(&["BITCOUNT", "a"]).map(drop)
}

fn far_digests(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let mut connection = attacker.leader()?;
    connection.call(&["SETRANGE", "holes", "536870910", "x"])?;
    connection.call(&["MULTI"])?;
    for _ in 0..500 {
        connection.call(&["DELEX", "holes", "IFDEQ", "0000000000000000"])?;
    }
    connection.call(&["EXEC"]).map(drop)
}

fn large_union(attacker: &mut Attacker<'_>) -> io::Result<()> {
    attacker.fill("SADD", "a", 0, 100_000)?;
    attacker.fill("SADD", "b", 100_000, 100_000)?;
    attacker.connect()?.call(&["SUNIONSTORE", "d", "a", "b"]).map(drop)
}

fn reads_behind_a_write(attacker: &mut Attacker<'_>) -> io::Result<()> {
    attacker.leader()?.call(&["SET", "big", &"x".repeat(10 << 20)])?;
    let mut connections: Vec<Connection> = (0..2).map(|_| attacker.connect()).collect::<io::Result<_>>()?;
    let mut requests = encode(&["SET", "a", "1"]);
    requests.extend(repeated(&["GET", "big"], 200));
    send_and_stay(&mut connections, &requests);
    Ok(())
}

fn reads_in_a_transaction(attacker: &mut Attacker<'_>) -> io::Result<()> {
    attacker.fill("RPUSH", "list", 0, 200_000)?;
    let connection = attacker.connect()?;
    let mut requests = encode(&["MULTI"]);
    requests.extend(encode(&["SET", "a", "1"]));
    requests.extend(repeated(&["LRANGE", "list", "0", "-1"], 100));
    requests.extend(encode(&["EXEC"]));
    pipeline(&connection, &requests)
}

fn unread_lists(attacker: &mut Attacker<'_>) -> io::Result<()> {
    attacker.fill("RPUSH", "list", 0, 300_000)?;
    let mut connections: Vec<Connection> = (0..20).map(|_| attacker.connect()).collect::<io::Result<_>>()?;
    send_and_stay(&mut connections, &repeated(&["LRANGE", "list", "0", "-1"], 20));
    Ok(())
}

fn unread_docs(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let mut connections: Vec<Connection> = (0..100).map(|_| attacker.connect()).collect::<io::Result<_>>()?;
    let mut requests = repeated(&["COMMAND", "DOCS"], 50);
    requests.extend(repeated(&["COMMAND"], 50));
    requests.extend(repeated(&["KEYS", "*"], 50));
    send_and_stay(&mut connections, &requests);
    Ok(())
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{prefix}:{at}")).collect()
}

fn many_blocked_keys(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let keys = names("q", 100_000);
    let mut waiting = attacker.connect()?;
    let mut words = vec!["BLPOP"];
    words.extend(keys.iter().map(String::as_str));
    words.push("5");
    waiting.send(&words)?;
    thread::sleep(Duration::from_millis(300));
    attacker.leader()?.call(&["RPUSH", "q:99999", "v"])?;
    waiting.receive().map(drop)
}

fn many_watched_keys(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let keys = names("w", 100_000);
    let mut connection = attacker.connect()?;
    let mut words = vec!["WATCH"];
    words.extend(keys.iter().map(String::as_str));
    connection.call(&words)?;
    connection.call(&words)?;
    connection.call(&["MULTI"])?;
    connection.call(&["SET", "a", "1"])?;
    connection.call(&["EXEC"]).map(drop)
}

fn endless_queries(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let mut connections: Vec<Connection> = (0..30).map(|_| attacker.connect()).collect::<io::Result<_>>()?;
    let mut request = b"*2\r\n$3\r\nGET\r\n$536870000\r\n".to_vec();
    request.resize(64 << 20, b'x');
    send_and_stay(&mut connections, &request);
    Ok(())
}

fn endless_transactions(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let mut connections: Vec<Connection> = (0..10).map(|_| attacker.connect()).collect::<io::Result<_>>()?;
    let mut requests = encode(&["MULTI"]);
    requests.extend(repeated(&["SET", "a", "1"], 200_000));
    send_and_stay(&mut connections, &requests);
    Ok(())
}

fn many_subscriptions(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let mut connections: Vec<Connection> = (0..5).map(|_| attacker.connect()).collect::<io::Result<_>>()?;
    let (channels, patterns) = (names("channel", 100_000), names("pattern*a*", 5_000));
    let mut requests = Vec::new();
    for (command, names) in [("SUBSCRIBE", &channels), ("PSUBSCRIBE", &patterns)] {
        let mut words = vec![command];
        words.extend(names.iter().map(String::as_str));
        requests.extend(encode(&words));
    }
    send_and_stay(&mut connections, &requests);
    let mut publisher = attacker.connect()?;
    let message = "m".repeat(100_000);
    let until = Instant::now() + STAY;
    while Instant::now() < until {
        publisher.call(&["PUBLISH", "channel:5", &message])?;
    }
    Ok(())
}

fn idle_connections(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let mut connections = Vec::new();
    for _ in 0..2000 {
        connections.push(attacker.connect()?);
    }
    thread::sleep(STAY);
    Ok(())
}

/// DUMP of a list of equal elements is small where the server packs it; RESTORE then makes the elements again.
fn bombs(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let mut connection = attacker.leader()?;
    let (element, mut words) = ("x".repeat(8000), vec!["RPUSH", "list"]);
    words.extend(std::iter::repeat_n(element.as_str(), 4000));
    connection.call(&words)?;
    let Received::Reply(Value::Bulk(dumped)) = connection.call(&["DUMP", "list"])? else { return Ok(()) };
    for at in 0..10_u8 {
        let key = [b'r', at];
        connection.call(&[&b"RESTORE"[..], &key, b"0", &dumped])?;
    }
    // What it claims is far more than it has: a list of two thousand million elements, a string packed into nothing.
    for claim in [&b"\x01\x80\x7f\xff\xff\xff"[..], b"\x00\xc3\x04\x80\x1f\xff\xff\xff\xe0\xff\xff\x00"] {
        connection.call(&[&b"RESTORE"[..], b"bomb", b"0", &[claim, b"\x0a\0\0\0\0\0\0\0\0\0"].concat()])?;
    }
    Ok(())
}

fn sorts_and_copies(attacker: &mut Attacker<'_>) -> io::Result<()> {
    attacker.fill("RPUSH", "list", 0, 200_000)?;
    let mut connection = attacker.connect()?;
    connection.call(&["SORT", "list", "ALPHA", "STORE", "sorted"])?;
    for at in 0..5 {
        connection.call(&["COPY", "list", &format!("copy:{at}")])?;
    }
    connection.call(&["LREM", "list", "0", "absent"])?;
    connection.call(&["LINSERT", "list", "BEFORE", "element:100000", "new"]).map(drop)
}

fn bad_patterns(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let mut connection = attacker.connect()?;
    connection.call(&["SET", &"a".repeat(50_000), "v"])?;
    let pattern = "a*".repeat(20_000) + "b";
    for command in
        [&["KEYS", &pattern][..], &["SCAN", "0", "MATCH", &pattern], &["PUBSUB", "CHANNELS", &pattern]]
    {
        connection.call(command)?;
    }
    Ok(())
}

/// HTTP/2 with a frame that announces much and sends nothing.
fn half_frames(attacker: &mut Attacker<'_>) -> io::Result<()> {
    let mut streams = Vec::new();
    for port in attacker.peer_ports.iter().cycle().take(300) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00")?;
        streams.push(stream);
    }
    thread::sleep(STAY);
    Ok(())
}
