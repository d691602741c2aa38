//! Who may see the page, and how many at a time.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

use resp_tests::ports::free_port;
use resp_tests::process::Process;
use resp_tests::server::{Program, Server};
use resp_tests::support::{call, eventually, ok};
use resp_tests::value::Value;

use super::{ask, ask_port, product};

/// `user:password` in the form of HTTP's basic authentication, by hand: it must not depend on what the server uses.
fn basic(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let code: String = text
        .as_bytes()
        .chunks(3)
        .map(|three| {
            let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - three.len()));
            let digit = |at: usize| {
                if at > three.len() { '=' } else { DIGITS[(bits >> (18 - 6 * at) & 63) as usize] as char }
            };
            (0..4).map(digit).collect::<String>()
        })
        .collect();
    format!("Authorization: Basic {code}")
}

const PATHS: [&str; 3] = ["/status", "/status.json", "/status/history.json"];

fn statuses(server: &Server, headers: &[&str]) -> Vec<u16> {
    PATHS.iter().map(|path| ask(server, path, headers).status).collect()
}

/// All texts of a reply.
fn flat(value: &Value) -> String {
    match value {
        Value::Array(values) => values.iter().map(flat).collect::<Vec<_>>().join(" "),
        other => other.as_text().map_or_else(String::new, |text| String::from_utf8_lossy(&text).into_owned()),
    }
}

#[test]
fn with_a_password_it_asks_for_a_user_who_may_look() {
    let server = product(&["--requirepass", "secret"]);
    let mut client = server.connect().unwrap();
    assert_eq!(call(&mut client, &["AUTH", "secret"]), ok());
    for (user, rules) in [
        ("watcher", &["+info", "+slowlog|get"][..]),
        ("half", &["+info"]),
        ("reader", &["+@read", "allkeys"]),
    ] {
        let set = [&["ACL", "SETUSER", user, "on", ">pass"], rules].concat();
        assert_eq!(call(&mut client, &set), ok());
    }
    eventually("the page has something to show", || {
        ask(&server, "/status.json", &[&basic("default:secret")]).status == 200
    });
    let asked = ask(&server, "/status", &[]);
    assert!(asked.status == 401 && asked.head.contains("www-authenticate: basic"), "{}", asked.head);
    assert_eq!(statuses(&server, &[]), [401; 3]);
    for (who, status) in [
        ("default:secret", 200),
        (":secret", 200),
        ("watcher:pass", 200),
        ("half:pass", 403),
        ("reader:pass", 403),
        ("nobody:pass", 401),
    ] {
        assert_eq!(statuses(&server, &[&basic(who)]), [status; 3], "{who}");
    }
    // Parts of the page say nothing, and health is for everybody.
    assert_eq!(ask(&server, "/status/status.js", &[]).status, 200);
    assert_eq!((ask(&server, "/readyz", &[]).status, ask(&server, "/metrics", &[]).status), (200, 200));
    // The log of the users knows who tried.
    assert!(flat(&call(&mut client, &["ACL", "LOG"])).contains("nobody"));
    // A user whose rights are taken sees nothing more.
    assert_eq!(call(&mut client, &["ACL", "SETUSER", "watcher", "-slowlog"]), ok());
    assert_eq!(ask(&server, "/status.json", &[&basic("watcher:pass")]).status, 403);
    // Wrong passwords are few: then nobody at that address gets in for a while, by the right one neither, nor by AUTH.
    let mut held = None;
    for _ in 0..40 {
        let answer = ask(&server, "/status.json", &[&basic("default:guess")]);
        if answer.status == 429 {
            held = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    assert!(held.expect("guesses are bounded").head.contains("retry-after: "));
    for _ in 0..20 {
        ask(&server, "/status.json", &[&basic("default:guess")]);
    }
    assert_eq!(ask(&server, "/status.json", &[&basic("default:secret")]).status, 429);
}

/// Operators who see no data see none by way of the reports.
#[test]
fn reports_leave_out_what_the_user_may_not_see() {
    let server = product(&["--slowlog-log-slower-than", "0"]);
    let mut client = server.connect().unwrap();
    call(&mut client, &["HOTKEYS", "START", "METRICS", "1", "NET"]);
    assert_eq!(call(&mut client, &["SET", "named-by-a-client", "value-of-a-client"]), ok());
    // What asks for the report must not push it out of the slow calls.
    assert_eq!(call(&mut client, &["CONFIG", "SET", "slowlog-log-slower-than", "-1"]), ok());
    let rules = ["resetkeys", "+@admin", "+info", "-slowlog", "-hotkeys", "-memory"];
    assert_eq!(call(&mut client, &[&["ACL", "SETUSER", "blind", "on", ">pass"], &rules[..]].concat()), ok());
    eventually("the report is of now", || {
        flat(&call(&mut client, &["CORE", "REPORT"])).contains("value-of-a-client")
    });
    assert_eq!(call(&mut client, &["AUTH", "blind", "pass"]), ok());
    let told = flat(&call(&mut client, &["CORE", "REPORT"]));
    assert!(told.contains("\"per_second\"") && !told.contains("-a-client"), "{told}");
}

#[test]
fn without_a_password_it_is_for_this_machine_by_its_address_only() {
    let server = product(&[]);
    assert_eq!(ask(&server, "/status", &["Host: localhost:8379"]).status, 200);
    // A web page of another host that has its own name point here.
    assert_eq!(statuses(&server, &["Host: evil.example:8379"]), [403; 3]);
    assert_eq!(ask(&server, "/readyz", &["Host: node.example"]).status, 200);
    drop(server);
    // Clients have to show a certificate, or may reach a socket: the page is no way around that.
    let sockets = tempfile::tempdir().unwrap();
    let socket = sockets.path().join("flotilla.sock").display().to_string();
    let http = free_port().unwrap();
    let mut process = Process::new(sockets.path().join("log"));
    let mut command = Command::new(Program::product().path);
    command.args(["--port", "0", "--unixsocket", &socket, "--http-port", &http.to_string(), "--data-dir"]);
    command.arg(sockets.path().join("data"));
    process.start(&mut command).unwrap();
    eventually("it runs", || TcpStream::connect(("127.0.0.1", http)).is_ok());
    let answer = ask_port(http, "/status", &[]);
    assert!(answer.status == 403 && answer.body.contains("as open as the plain port"), "{}", answer.body);
    drop(process);
    let server = product(&["--protected-mode", "no"]);
    assert_eq!(ask(&server, "/status", &["Host: node.example"]).status, 200);
}

#[test]
fn metrics_can_be_closed_and_the_page_left_out() {
    let server = product(&["--requirepass", "secret", "--metrics-open", "no", "--status-page", "no"]);
    assert_eq!(ask(&server, "/metrics", &[]).status, 401);
    let open = ask(&server, "/metrics", &[&basic("default:secret")]);
    assert!(open.status == 200 && open.body.contains("flotilla_ready"));
    assert_eq!(statuses(&server, &[&basic("default:secret")]), [404; 3]);
    assert_eq!((ask(&server, "/healthz", &[]).status, ask(&server, "/readyz", &[]).status), (200, 200));
}

/// Three times as many watchers as are answered at a time, none of which reads.
#[test]
fn watchers_do_not_keep_health_from_being_asked() {
    let server = product(&[]);
    eventually("the page has something to show", || ask(&server, "/status.json", &[]).status == 200);
    let watchers: Vec<TcpStream> = (0..48)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", server.http_port())).unwrap();
            stream.write_all(b"GET /status.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(ask(&server, "/healthz", &[]).status, 200);
        assert_eq!(ask(&server, "/readyz", &[]).status, 200);
    }
    drop(watchers);
    let answer = ask(&server, "/status.json", &[]);
    assert!(answer.status == 200 && answer.head.contains("connection: close"), "{}", answer.head);
}
