//! redis-cli and redis-benchmark, as people use them at a prompt and in scripts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::server::{Program, Server};
use resp_tests::value::encode;

const TOOL_SECONDS_MAX: u64 = 60;
const USERS: usize = 3000;
const OTHERS: usize = 500;
/// The names by which redis-benchmark reports what it runs when nothing is chosen. The first error would end its run.
const BENCHMARKS: [&str; 20] = [
    "PING_INLINE",
    "PING_MBULK",
    "SET",
    "GET",
    "INCR",
    "LPUSH",
    "RPUSH",
    "LPOP",
    "RPOP",
    "SADD",
    "HSET",
    "SPOP",
    "ZADD",
    "ZPOPMIN",
    "LPUSH (needed to benchmark LRANGE)",
    "LRANGE_100 (first 100 elements)",
    "LRANGE_300 (first 300 elements)",
    "LRANGE_500 (first 500 elements)",
    "LRANGE_600 (first 600 elements)",
    "MSET (10 keys)",
];
/// What --bigkeys calls a type, a command that makes a key of it, its arguments, and what --bigkeys counts then.
const TYPES: [(&str, &str, &[&str], &str); 5] = [
    ("list", "RPUSH", &["a", "b", "c"], "3 items"),
    ("set", "SADD", &["a", "b", "c", "d"], "4 members"),
    ("hash", "HSET", &["f", "1", "g", "2"], "2 fields"),
    ("zset", "ZADD", &["1", "a", "2", "b", "3", "c"], "3 members"),
    ("stream", "XADD", &["*", "f", "1"], "1 entries"),
];

fn server() -> Server {
    Server::start(&Program::product(), &[]).unwrap()
}

fn tool(name: &str, server: &Server, args: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(["-p", &server.port.to_string()]).args(args);
    command
}

/// Runs to the end, given this input. A tool that is missing or does not end is a failure.
fn run(mut command: Command, input: &[u8]) -> Output {
    let name = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("{name}: {error}. `make test` installs redis-tools; .build/test-deps.sh does that alone")
    });
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let watch = thread::spawn(move || child.wait_with_output().unwrap());
    let deadline = Instant::now() + Duration::from_secs(TOOL_SECONDS_MAX);
    while !watch.is_finished() {
        assert!(Instant::now() < deadline, "{name} did not end in {TOOL_SECONDS_MAX} s");
        thread::sleep(Duration::from_millis(5));
    }
    writer.join().unwrap().unwrap();
    watch.join().unwrap()
}

/// What redis-cli prints.
fn cli(server: &Server, args: &[&str]) -> String {
    cli_with(server, args, b"")
}

fn cli_with(server: &Server, args: &[&str], input: &[u8]) -> String {
    let output = run(tool("redis-cli", server, args), input);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "redis-cli {args:?}: {}\n{text}{errors}", output.status);
    text
}

/// What a tool that never ends by itself prints, line by line, in a second and a half.
fn for_a_while(server: &Server, args: &[&str]) -> Vec<String> {
    let mut command = Command::new("timeout");
    command.args(["1.5", "stdbuf", "-oL", "redis-cli", "-p", &server.port.to_string()]).args(args);
    let output = run(command, b"");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Users and others, by `redis-cli --pipe`.
fn fill(server: &Server) {
    let key = |index| if index < USERS { format!("user:{index}") } else { format!("other:{index}") };
    let input: Vec<u8> =
        (0..USERS + OTHERS).flat_map(|index| encode(&["SET", &key(index), "some value"])).collect();
    let said = cli_with(server, &["--pipe"], &input);
    assert!(said.contains(&format!("errors: 0, replies: {}", USERS + OTHERS)), "{said}");
}

#[test]
fn redis_cli_sets_and_gets() {
    let server = server();
    assert_eq!(cli(&server, &["SET", "a", "1"]), "OK\n");
    assert_eq!(cli(&server, &["GET", "a"]), "1\n");
    assert_eq!(cli(&server, &["-3", "-n", "2", "GET", "a"]), "\n");
    assert_eq!(cli(&server, &["-x", "SET", "from-stdin"]), "OK\n");
    assert_eq!(
        cli_with(&server, &[], b"INCR a\nINCR a\nLPUSHX\n").lines().take(2).collect::<Vec<_>>(),
        ["2", "3"]
    );
    assert_eq!(cli(&server, &["-r", "3", "INCR", "a"]), "4\n5\n6\n");
    assert!(cli(&server, &["INFO", "server"]).contains("redis_version:"));
}

#[test]
fn redis_cli_fills_and_scans() {
    let server = server();
    fill(&server);
    let found = cli(&server, &["--scan", "--pattern", "user:*"]);
    let lines: BTreeSet<&str> = found.lines().collect();
    assert_eq!((found.lines().count(), lines.len()), (USERS, USERS), "each user once");
    assert!(lines.iter().all(|line| line.starts_with("user:")));
    assert_eq!(cli(&server, &["--scan", "--pattern", "nobody:*"]).trim(), "");
    assert_eq!(cli(&server, &["DBSIZE"]).trim(), (USERS + OTHERS).to_string());
}

#[test]
fn redis_cli_finds_big_keys() {
    let server = server();
    fill(&server);
    cli(&server, &["SET", "the-biggest", &"x".repeat(5000)]);
    let summary = format!("Sampled {} keys in the keyspace", USERS + OTHERS + 1);
    let big = cli(&server, &["--bigkeys"]);
    assert!(big.contains(&summary) && big.contains("'\"the-biggest\"' has 5000 bytes"), "{big}");
    let memory = cli(&server, &["--memkeys"]);
    assert!(
        memory.contains(&summary) && memory.contains("Biggest string found '\"the-biggest\"'"),
        "{memory}"
    );
}

#[test]
fn redis_cli_watches_load_and_latency() {
    let server = server();
    let lines = for_a_while(&server, &["--stat", "-i", "0.2"]);
    assert!(lines.len() >= 4 && lines[0].contains("data"), "{lines:?}");
    for line in &lines[2..] {
        let keys: Option<u64> = line.split_whitespace().next().and_then(|word| word.parse().ok());
        assert_eq!(keys, Some(0), "{line}");
    }
    // Smallest, largest, mean in ms, samples.
    let lines = for_a_while(&server, &["--latency", "--raw", "-i", "1"]);
    let numbers: Vec<f64> = lines[0].split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert!(numbers.len() == 4 && numbers[3] > 10.0, "{lines:?}");
}

/// A command that no redis-cli knows by itself: the hint can only come from COMMAND DOCS.
#[test]
fn redis_cli_hints_and_helps_from_command_docs() {
    let server = server();
    let help = cli_with(&server, &[], b"HELP DELIFEQ\n");
    assert!(help.contains("key value") && help.contains("summary:"), "{help}");
    // Hints appear on a terminal only.
    let prompt = format!("stty cols 120 rows 40; redis-cli -p {}", server.port);
    let mut terminal = Command::new("timeout")
        .args(["20", "script", "-qec", &prompt, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    read_until(&mut screen, "> ");
    keys.write_all(b"DELIFEQ ").unwrap();
    read_until(&mut screen, "DELIFEQ \u{1b}[0;90;49mkey value");
    keys.write_all(b"\x15QUIT\r").unwrap();
    terminal.wait().unwrap();
}

fn read_until(screen: &mut impl Read, wanted: &str) {
    let (mut seen, mut chunk) = (String::new(), [0; 1024]);
    while !seen.contains(wanted) {
        let length = screen.read(&mut chunk).unwrap();
        assert!(length > 0, "'{wanted}' never appeared on the screen: {seen}");
        seen.push_str(&String::from_utf8_lossy(&chunk[..length]));
    }
}

#[test]
fn redis_cli_finds_big_keys_of_all_types() {
    let server = server();
    cli(&server, &["SET", "string-big", "some value"]);
    for (kind, command, arguments, _) in TYPES {
        cli(&server, &[&[command, format!("{kind}-big").as_str()], arguments].concat());
        // Its first element alone.
        let one = &arguments[..if kind == "list" || kind == "set" { 1 } else { 2 }];
        if kind != "stream" {
            cli(&server, &[&[command, format!("{kind}-small").as_str()], one].concat());
        }
    }
    let (big, memory) = (cli(&server, &["--bigkeys"]), cli(&server, &["--memkeys"]));
    let biggest = |said: &str, kind: &str, has: &str| {
        let begin = format!("Biggest {kind:>6} found '\"{kind}-big\"' has ");
        said.lines().any(|line| line.strip_prefix(&begin).is_some_and(|rest| rest.ends_with(has)))
    };
    for (kind, has) in TYPES.map(|(kind, _, _, has)| (kind, has)).into_iter().chain([("string", "10 bytes")])
    {
        assert!(biggest(&big, kind, has), "{kind}: {has}\n{big}");
        assert!(biggest(&memory, kind, "bytes"), "{kind}\n{memory}");
    }
    for said in [big, memory] {
        assert!(said.contains("Sampled 10 keys in the keyspace"), "{said}");
    }
}

#[test]
fn redis_benchmark_runs_all_that_it_knows_without_an_error() {
    let server = server();
    for pipeline in ["1", "16"] {
        let args = ["-q", "-n", "2000", "-r", "1000", "-P", pipeline];
        let output = run(tool("redis-benchmark", &server, &args), b"");
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !said.contains("rror"), "{said}{complained}");
        // It writes one line over the other.
        let reports: Vec<&str> = said
            .split(['\r', '\n'])
            .filter(|line| line.contains("requests per second"))
            .filter_map(|line| Some(line.split_once(':')?.0.trim()))
            .collect();
        assert_eq!(reports, BENCHMARKS, "{said}{complained}");
    }
}
