//! TLS beyond the client port: the HTTP port, our own command lines, the ports that clients of a cluster are told; and what
//! handshakes that never end may take.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::certificates::Authority;
use resp_tests::connection::{Connection, Received};
use resp_tests::memory::resident;
use resp_tests::ports::free_port;
use resp_tests::server::{Program, Server};
use resp_tests::support::{bulk, call, eventually, ok};
use resp_tests::value::Value;
use rustls::version;

use crate::{Client, Guarded, WAIT};

/// A reply in words.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(" "),
        Value::Integer(number) => number.to_string(),
        Value::Bulk(text) | Value::Simple(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

fn flotilla(words: &[&str]) -> Output {
    let mut command = Command::new(Program::product().path);
    command.args(words).env_remove("FLOTILLA_SERVER").env_remove("SSL_CERT_FILE").output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// What the HTTP port answers by TLS.
fn https(guarded: &Guarded, path: &str) -> Option<String> {
    let mut client = Client::connect(
        guarded.server.http_port(),
        &guarded.files[2],
        None,
        &[&version::TLS13, &version::TLS12],
    )
    .ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    client.stream.write_all(request.as_bytes()).ok()?;
    let mut answer = vec![];
    client.stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn the_http_port_speaks_tls_with_the_same_files_and_asks_for_no_certificate() {
    let guarded = Guarded::start(&["--http-tls", "yes"]);
    let alive = https(&guarded, "/healthz").unwrap();
    assert!(alive.starts_with("HTTP/1.1 200") && alive.ends_with("alive\n"), "{alive}");
    assert!(https(&guarded, "/metrics").unwrap().contains("flotilla_"));
    assert!(https(&guarded, "/readyz").unwrap().contains("ready"));
    // In the clear it says nothing.
    let plain = guarded.server.http("/healthz").map_or(0, |(status, _)| status);
    assert_ne!(plain, 200);
    // Clients that say half a hello leave room for others within the time that they have.
    let _half: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", guarded.server.http_port())).unwrap();
            stream.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
            stream
        })
        .collect();
    eventually("it answers again", || https(&guarded, "/healthz").is_some());
    // Renewed files are for the next connection.
    thread::sleep(Duration::from_millis(50));
    let other = Authority::new();
    let renewed = other.files("renewed", &["127.0.0.1"], |_| {});
    for (from, to) in renewed.iter().zip(&guarded.files).take(2) {
        fs::copy(from, to).unwrap();
    }
    assert!(https(&guarded, "/healthz").is_none(), "the old authority has not signed it");
}

#[test]
fn admin_import_and_export_speak_tls() {
    let guarded = Guarded::start(&["--requirepass", "secret"]);
    let own = guarded.authority.files("client", &["a client"], |_| {});
    let [certificate, key, ca] = own.map(|path| path.display().to_string());
    let server = format!("rediss://127.0.0.1:{}", guarded.port);
    let shown = ["--cacert", &ca, "--cert", &certificate, "--key", &key, "--password", "secret"];
    let status = flotilla(&[&["admin", "sites", "-s", &server][..], &shown].concat());
    assert!(status.status.success() && told(&status).contains("core_index"), "{}", told(&status));
    let mut plain = guarded.server.connect().unwrap();
    assert_eq!(call(&mut plain, &["AUTH", "secret"]), ok());
    let large = "x".repeat(3 << 20);
    for n in 0..2000 {
        plain.send(&["SET", &format!("k{n}"), "v"]).unwrap();
    }
    for _ in 0..2000 {
        plain.receive().unwrap();
    }
    assert_eq!(call(&mut plain, &["SET", "large", &large]), ok());
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("dump.rdb").display().to_string();
    let address = format!("127.0.0.1:{}", guarded.port);
    let exported = flotilla(&[&["export", &file, "--tls", "--from", &address][..], &shown].concat());
    assert!(exported.status.success(), "{}", told(&exported));
    assert_eq!(call(&mut plain, &["FLUSHALL"]), ok());
    let imported = flotilla(&[&["import", &file, "--to", &server][..], &shown].concat());
    assert!(imported.status.success(), "{}", told(&imported));
    assert_eq!(call(&mut plain, &["DBSIZE"]), Value::Integer(2001));
    assert_eq!(call(&mut plain, &["GET", "large"]), bulk(&large));
    // Who the server is, is checked; and who the client is.
    let stranger = Authority::new();
    let foreign = stranger.files("foreign", &["127.0.0.1"], |_| {});
    let foreign_ca = foreign[2].display().to_string();
    let login = ["--password", "secret", "-s", &server];
    for (what, words, text) in [
        (
            "a foreign CA",
            &["--cacert", &foreign_ca, "--cert", &certificate, "--key", &key][..],
            "invalid peer certificate",
        ),
        ("no certificate", &["--cacert", &ca], "ertificate"),
        (
            "another name",
            &["--cacert", &ca, "--cert", &certificate, "--key", &key, "--sni", "other"],
            "other",
        ),
        ("no CA", &[], "--cacert"),
    ] {
        let output = flotilla(&[&["admin", "sites"][..], &login, words].concat());
        assert_eq!(output.status.code(), Some(1), "{what}: nothing was changed: {}", told(&output));
        assert!(told(&output).contains(text), "{what}: {}", told(&output));
    }
    let insecure = ["--insecure", "--cert", &certificate, "--key", &key];
    let output = flotilla(&[&["admin", "sites"][..], &login, &insecure].concat());
    assert!(output.status.success(), "{}", told(&output));
}

/// The start of a hello of 60,000 bytes: what it pins is never complete.
fn half_a_hello() -> Vec<u8> {
    const LENGTH: usize = 60_000;
    let mut message = vec![1, 0, (LENGTH >> 8) as u8, (LENGTH & 0xff) as u8, 3, 3];
    message.resize(LENGTH - 1000, 7);
    let record = |part: &[u8]| {
        let length = (part.len() as u16).to_be_bytes();
        [&[0x16, 3, 1][..], &length, part].concat()
    };
    message.chunks(16_000).flat_map(record).collect()
}

/// Ten thousand take what some hundreds may, and a client that comes while they wait is served before them.
#[test]
fn handshakes_that_never_end_take_little_and_keep_nobody_out() {
    const STRANGERS: usize = 10_000;
    const MEMORY_MAX: u64 = 96 << 20;
    let guarded = Guarded::start(&[
        "--tls-auth-clients",
        "no",
        "--preauth-timeout-ms",
        "60000",
        "--maxclients",
        "12000",
    ]);
    let (before, _) = resident(guarded.server.pid()).unwrap();
    let hello = half_a_hello();
    let connected = AtomicUsize::new(0);
    let mut strangers: Vec<TcpStream> = vec![];
    let (served, most) = thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let mut strangers = vec![];
            for _ in 0..STRANGERS {
                // The server closes those who take too long while others wait; the flood goes on.
                let Ok(mut stream) = TcpStream::connect(("127.0.0.1", guarded.port)) else { break };
                stream.set_nonblocking(true).unwrap();
                let _ = stream.write(&hello);
                connected.fetch_add(1, Ordering::Relaxed);
                strangers.push(stream);
            }
            strangers
        });
        let (mut served, mut most) = (vec![], 0);
        while !flood.is_finished() {
            most = most.max(resident(guarded.server.pid()).unwrap().0);
            thread::sleep(Duration::from_millis(20));
        }
        while served.len() < 10 {
            let began = Instant::now();
            if let Err(error) = guarded.client() {
                panic!("a client among {}: {error}", connected.load(Ordering::Relaxed));
            }
            served.push(began.elapsed());
            most = most.max(resident(guarded.server.pid()).unwrap().0);
            thread::sleep(Duration::from_millis(100));
        }
        strangers = flood.join().unwrap();
        (served, most)
    });
    let slowest = served.iter().max().copied().unwrap_or_default();
    let grown = most.saturating_sub(before);
    println!(
        "{} half handshakes: {} MiB more at most; {} clients beside them, the slowest served after {slowest:?}",
        strangers.len(),
        grown >> 20,
        served.len()
    );
    assert!(strangers.len() > STRANGERS / 2, "{} connected", strangers.len());
    assert!(grown < MEMORY_MAX, "{} MiB", grown >> 20);
    assert!(slowest < WAIT / 2);
}

/// A core of three whose nodes have both ports, in cluster mode: who speaks TLS is told of ports that do.
#[test]
fn clients_of_a_cluster_are_told_the_port_of_their_kind() {
    let authority = Authority::new();
    let files = authority.files("server", &["127.0.0.1"], |_| {});
    let [certificate, key, ca] = files.clone().map(|path| path.display().to_string());
    let tls: Vec<u16> = (0..3).map(|_| free_port().unwrap()).collect();
    let nodes = Server::start_together(&Program::product(), 3, |peers, index| {
        let list = |(index, port): (usize, &u16)| format!("core-{index}=127.0.0.1:{port}");
        let list: Vec<String> = peers.iter().enumerate().map(list).collect();
        let (name, port) = (format!("core-{index}"), tls[index].to_string());
        let mut args = vec!["--node-name", &name, "--cluster-enabled", "yes", "--tls-port", &port];
        args.extend(["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-auth-clients", "no"]);
        let list = list.join(",");
        args.extend(["--cluster", &list]);
        args.into_iter().map(str::to_owned).collect()
    })
    .unwrap();
    let core = resp_tests::cluster::Cluster { nodes };
    let leader = core.wait_until_agreed().unwrap();
    let follower = (leader + 1) % 3;
    let mut plain = core.nodes[follower].connect().unwrap();
    let mut guarded = Client::open(tls[follower], &files[2], None, &[&version::TLS13]).unwrap();
    let moved = |port: u16| Value::Error(format!("MOVED 12182 127.0.0.1:{port}").into_bytes());
    // Nodes ask each other for their ports once a second.
    eventually("the follower knows the leader's ports", || {
        guarded.call(&["SET", "foo", "v"]).unwrap() == moved(tls[leader])
    });
    assert_eq!(call(&mut plain, &["SET", "foo", "v"]), moved(core.nodes[leader].port));
    let ports = |value: &Value, known: &[u16]| -> Vec<u16> {
        let text = shown(value);
        known.iter().copied().filter(|port| text.contains(&port.to_string())).collect()
    };
    let own: Vec<u16> = core.nodes.iter().map(|node| node.port).collect();
    eventually("all nodes are known", || {
        ports(&guarded.call(&["CLUSTER", "SLOTS"]).unwrap(), &tls).len() == 3
    });
    for words in [&["CLUSTER", "SLOTS"][..], &["CLUSTER", "NODES"]] {
        let (by_tls, in_clear) = (guarded.call(words).unwrap(), call(&mut plain, words));
        assert_eq!((ports(&by_tls, &tls), ports(&by_tls, &own)), (tls.clone(), vec![]), "{words:?}");
        assert_eq!((ports(&in_clear, &own), ports(&in_clear, &tls)), (own.clone(), vec![]), "{words:?}");
    }
    // CLUSTER SHARDS tells all ports to everybody.
    let shards = guarded.call(&["CLUSTER", "SHARDS"]).unwrap();
    assert_eq!((ports(&shards, &tls), ports(&shards, &own)), (tls.clone(), own.clone()));
    assert!(shown(&shards).contains("tls-port"), "{shards:?}");
    // redis-cli follows.
    let output = Command::new("redis-cli")
        .args(["-c", "-p", &tls[follower].to_string(), "--tls", "--cacert", &ca, "SET", "foo", "followed"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "OK", "{}", told(&output));
    let mut at_leader = core.nodes[leader].connect().unwrap();
    assert_eq!(call(&mut at_leader, &["GET", "foo"]), bulk("followed"));
    // So do clients that follow -REDIRECT, and those of Sentinel.
    let address = guarded.call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "flotilla"]).unwrap();
    assert_eq!(address, Value::Array(vec![bulk("127.0.0.1"), bulk(&tls[leader].to_string())]));
}

/// What a node announces may be others' ports, as behind a NAT.
#[test]
fn announced_ports_are_told_instead() {
    let more = [
        "--cluster-enabled",
        "yes",
        "--announce-host",
        "front",
        "--announce-port",
        "111",
        "--announce-tls-port",
    ];
    let guarded = Guarded::start(&[&more[..], &["222", "--tls-auth-clients", "no"]].concat());
    let by_tls = shown(&guarded.client().unwrap().call(&["CLUSTER", "SLOTS"]).unwrap());
    assert!(by_tls.contains(" 222 ") && !by_tls.contains(" 111 "), "{by_tls}");
    let mut plain: Connection = guarded.server.connect().unwrap();
    let Received::Reply(in_clear) = plain.call(&["CLUSTER", "SLOTS"]).unwrap() else { panic!("closed") };
    let in_clear = shown(&in_clear);
    assert!(in_clear.contains(" 111 ") && !in_clear.contains(" 222 "), "{in_clear}");
}
