//! SLOWLOG, COMMANDLOG, LATENCY and MONITOR: what is seen, that secrets are not, and what it may cost.

use resp_tests::connection::Connection;
use resp_tests::server::Server;
use resp_tests::support::next;
use resp_tests::value::Value;

use super::{call, eventually, ok, product};

const SECRET: &str = "canary-of-the-secrets";
const KEY: &str = "canary-of-the-keys";

/// A reply in words, whatever it is.
fn told(reply: &Value) -> String {
    match reply {
        Value::Bulk(bytes) | Value::Error(bytes) | Value::Simple(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        Value::Array(all) => all.iter().map(told).collect::<Vec<_>>().join(" "),
        other => format!("{other:?}"),
    }
}

fn ask(server: &Server, words: &[&str]) -> String {
    told(&call(&mut server.connect().unwrap(), words))
}

#[test]
fn no_secret_is_told_anywhere() {
    let server = product(&[
        "--commandlog-execution-slower-than",
        "0",
        "--commandlog-request-larger-than",
        "0",
        "--commandlog-reply-larger-than",
        "0",
        "--log-level",
        "debug",
    ]);
    let mut monitor = server.connect().unwrap();
    assert_eq!(call(&mut monitor, &["MONITOR"]), ok());
    let hidden = format!(">{SECRET}");
    let mut client = server.connect().unwrap();
    for words in [
        &["AUTH", SECRET][..],
        &["AUTH", "default", SECRET],
        &["AUTH", "nobody", SECRET],
        &["HELLO", "2", "AUTH", "nobody", SECRET],
        &["CONFIG", "SET", "masterauth", SECRET],
        &["CONFIG", "SET", "maxclients", "100", "tls-key-file-pass", SECRET],
        &["ACL", "SETUSER", "someone", "on", &hidden, "+@all"],
        &["ACL", "SETUSER", "someone", &format!("<{SECRET}")],
        &["MULTI"],
        &["ACL", "SETUSER", "someone", &hidden],
        &["EXEC"],
        &["AUTH", "someone", SECRET],
        &["EVAL", "return redis.call('get', KEYS[1])", "1", "k"],
    ] {
        call(&mut client, words);
    }
    assert_eq!(call(&mut client, &["ECHO", "the end"]), Value::Bulk(b"the end".to_vec()));
    let mut shown = String::new();
    while !shown.contains("the end") {
        shown.push_str(&told(&next(&mut monitor)));
    }
    assert!(shown.contains("(redacted)") && !shown.contains(SECRET), "MONITOR: {shown}");
    let slow = ask(&server, &["SLOWLOG", "GET", "-1"]);
    assert!(slow.contains("SETUSER (redacted)") && slow.contains("masterauth (redacted)"), "{slow}");
    for words in [
        &["SLOWLOG", "GET", "-1"][..],
        &["COMMANDLOG", "GET", "-1", "large-request"],
        &["COMMANDLOG", "GET", "-1", "large-reply"],
        &["CLIENT", "LIST"],
        &["INFO", "everything"],
        &["ACL", "LOG"],
        &["ACL", "LIST"],
        &["CONFIG", "GET", "*"],
        &["LATENCY", "DOCTOR"],
        &["FUNCTION", "STATS"],
    ] {
        let told = ask(&server, words);
        assert!(!told.contains(SECRET), "{words:?}: {told}");
    }
    assert!(!server.has_said(SECRET), "the log: {}", server.log_tail());
}

#[test]
fn the_http_port_tells_no_keys_no_values_and_no_users() {
    let server = product(&[]);
    let mut client = server.connect().unwrap();
    for words in [
        &["SET", KEY, SECRET][..],
        &["ACL", "SETUSER", KEY, "on", "nopass", "+@all", "~*"],
        &["AUTH", KEY, "x"],
        &["CLIENT", "SETNAME", KEY],
        &["GET", KEY],
        &["LPUSH", KEY, SECRET],
        &["EVAL", &format!("return '{KEY}'"), "0"],
    ] {
        call(&mut client, words);
    }
    for path in ["/metrics", "/readyz", "/healthz", "/", "/nothing"] {
        let (_, body) = server.http(path).unwrap();
        assert!(!body.contains(KEY) && !body.contains(SECRET), "{path}: {body}");
    }
}

#[test]
fn a_monitor_that_never_reads_is_closed_and_others_go_on() {
    let server = product(&[]);
    let (mut deaf, mut good) = (server.connect().unwrap(), server.connect().unwrap());
    assert_eq!(call(&mut deaf, &["MONITOR"]), ok());
    let flags = |server: &Server| ask(server, &["CLIENT", "LIST"]).matches(" flags=O ").count();
    assert_eq!(flags(&server), 1);
    let value = "x".repeat(500_000);
    let mut sent = 0;
    while flags(&server) == 1 {
        assert_eq!(call(&mut good, &["SET", KEY, &value]), ok());
        sent += 1;
        assert!(sent < 400, "it is not cut off");
    }
    assert!(sent > 10, "cut off after {sent}");
    // Of one call no more than a megabyte is shown, whatever it would be with escapes.
    let mut monitor = server.connect().unwrap();
    assert_eq!(call(&mut monitor, &["MONITOR"]), ok());
    assert_eq!(call(&mut good, &["SET", KEY, &"\0".repeat(8 << 20)]), ok());
    let line = told(&next(&mut monitor));
    assert!(line.len() < 4 << 20 && line.contains("more bytes)"), "{}", line.len());
    drop(monitor);
    eventually("nobody monitors", || flags(&server) == 0);
}

#[test]
fn a_monitor_ends_with_its_users_right_to_it() {
    let server = product(&[]);
    let mut admin = server.connect().unwrap();
    assert_eq!(call(&mut admin, &["ACL", "SETUSER", "watcher", "on", ">pw", "+monitor", "+ping"]), ok());
    let mut watcher = server.connect().unwrap();
    assert_eq!(call(&mut watcher, &["AUTH", "watcher", "pw"]), ok());
    assert_eq!(call(&mut watcher, &["MONITOR"]), ok());
    assert_eq!(call(&mut admin, &["ACL", "SETUSER", "watcher", "+echo"]), ok());
    assert_eq!(call(&mut admin, &["ECHO", "seen"]), Value::Bulk(b"seen".to_vec()));
    while !told(&next(&mut watcher)).contains("seen") {}
    assert_eq!(call(&mut admin, &["ACL", "SETUSER", "watcher", "-monitor"]), ok());
    let listed = |server: &Server| ask(server, &["CLIENT", "LIST"]).matches(" user=watcher ").count();
    eventually("it is closed", || listed(&server) == 0);
    let mut other = server.connect().unwrap();
    assert_eq!(call(&mut other, &["AUTH", "watcher", "pw"]), ok());
    assert!(told(&call(&mut other, &["MONITOR"])).starts_with("NOPERM"));
}

fn latest(server: &Server) -> Vec<String> {
    let Value::Array(rows) = call(&mut server.connect().unwrap(), &["LATENCY", "LATEST"]) else {
        panic!("no rows")
    };
    let name = |row: &Value| told(row).split(' ').next().unwrap_or_default().to_owned();
    rows.iter().map(name).collect()
}

/// A write that waits for the disk is no slow call; its execution is.
#[test]
fn waiting_is_not_slow_and_working_is() {
    let server = product(&["--commandlog-execution-slower-than", "20000", "--enable-debug-command", "yes"]);
    let mut client = server.connect().unwrap();
    let slow = |client: &mut Connection| told(&call(client, &["SLOWLOG", "GET", "-1"]));
    call(&mut client, &["CONFIG", "SET", "latency-monitor-threshold", "20"]);
    // For a key, for other nodes.
    call(&mut client, &["BLPOP", "nothing", "0.1"]);
    call(&mut client, &["WAIT", "1", "100"]);
    assert_eq!(slow(&mut client), "");
    // In the log: its own script, on the thread that applies. In a read: on the pool.
    let busy = "local sum = 0 for i = 1, tonumber(ARGV[1]) do sum = sum + i end";
    let mut loops = 200_000_u64;
    while !slow(&mut client).contains("return redis.call('set'") {
        let script = format!("{busy} return redis.call('set', KEYS[1], sum)");
        assert_eq!(call(&mut client, &["EVAL", &script, "1", KEY, &loops.to_string()]), ok());
        loops = (loops * 2).min(6_000_000);
    }
    let me = client.local_port().unwrap();
    assert!(slow(&mut client).contains(&format!("127.0.0.1:{me}")), "{}", slow(&mut client));
    assert!(latest(&server).contains(&"command".to_owned()), "{:?}", latest(&server));
    call(&mut client, &["SLOWLOG", "RESET"]);
    let script = format!("{busy} return sum");
    assert!(matches!(call(&mut client, &["EVAL_RO", &script, "0", &loops.to_string()]), Value::Integer(_)));
    assert!(slow(&mut client).contains("return sum"), "{}", slow(&mut client));
    call(&mut client, &["DEBUG", "SLEEP", "0.03"]);
    assert!(slow(&mut client).contains("DEBUG SLEEP 0.03"));
}
