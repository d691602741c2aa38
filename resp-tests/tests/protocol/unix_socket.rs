//! The Unix socket.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use resp_tests::installed::installed;
use resp_tests::server::{Server, Stop};
use resp_tests::value::{Value, decode, encode};

use crate::support::{Context, Test};

pub const TESTS: &[Test] = &[
    Test::everywhere("clients_of_the_unix_socket_are_served_as_any_other", served),
    Test::everywhere("a_unix_socket_has_its_permissions_and_goes_with_the_server", comes_and_goes),
    Test::product("local_users_who_guess_passwords_wait", guessed),
    Test::product("command_lines_and_libraries_use_the_unix_socket", tools),
];

struct Local {
    stream: UnixStream,
    unread: Vec<u8>,
}

impl Local {
    fn open(path: &Path) -> std::io::Result<Local> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Local { stream, unread: vec![] })
    }

    fn call(&mut self, words: &[&str]) -> Value {
        self.stream.write_all(&encode(words)).unwrap();
        self.next()
    }

    fn next(&mut self) -> Value {
        loop {
            if let Some((value, length)) = decode(&self.unread).unwrap() {
                self.unread.drain(..length);
                return value;
            }
            let mut chunk = vec![0; 1 << 16];
            let read = self.stream.read(&mut chunk).unwrap();
            assert!(read > 0, "closed");
            self.unread.extend_from_slice(&chunk[..read]);
        }
    }

    fn text(&mut self, words: &[&str]) -> String {
        match self.call(words) {
            Value::Bulk(text) | Value::Simple(text) | Value::Error(text) => String::from_utf8(text).unwrap(),
            other => panic!("{words:?}: {other:?}"),
        }
    }
}

fn start(on: &Context, more: &[&str]) -> (tempfile::TempDir, PathBuf, Server) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("socket");
    let own = ["--unixsocket", path.to_str().unwrap()];
    let server = on.start(&[&own[..], more].concat());
    (home, path, server)
}

fn served(on: &Context) {
    let (_home, path, server) = start(on, &["--unixsocketperm", "700"]);
    let mut local = Local::open(&path).unwrap();
    let large = "x".repeat(8 << 20);
    assert_eq!(local.text(&["SET", "large", &large]), "OK");
    assert_eq!(local.text(&["GET", "large"]), large);
    for n in 0..5000 {
        local.stream.write_all(&encode(&["INCR", &format!("n{}", n % 10)])).unwrap();
    }
    (0..5000).for_each(|_| assert!(matches!(local.next(), Value::Integer(_))));
    // As redis-server shows it.
    let line = local.text(&["CLIENT", "LIST"]);
    let at = path.display();
    assert!(line.contains(&format!("addr={at}:0 laddr={at}:0 ")) && line.contains(" flags=U "), "{line}");
    let told = local.call(&["CONFIG", "GET", "unixsocketperm"]);
    assert_eq!(
        told,
        Value::Array(vec![Value::Bulk(b"unixsocketperm".to_vec()), Value::Bulk(b"700".to_vec())])
    );
    drop(server);
}

fn comes_and_goes(on: &Context) {
    let (_home, path, mut server) = start(on, &["--unixsocketperm", "750"]);
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o750);
    server.stop(Stop::Kill).unwrap();
    assert!(path.exists() && Local::open(&path).is_err());
    server.start_again().unwrap();
    assert_eq!(Local::open(&path).unwrap().text(&["PING"]), "PONG");
    server.stop(Stop::Terminate).unwrap();
    assert!(!path.exists(), "the server that has ended listens on nothing");
}

fn guessed(on: &Context) {
    let (_home, path, server) = start(on, &["--requirepass", "secret"]);
    let mut local = Local::open(&path).unwrap();
    for _ in 0..12 {
        assert!(local.text(&["AUTH", "wrong"]).starts_with("WRONGPASS"));
    }
    assert!(server.has_said("failures=10\n") && server.has_said("from=local user "), "{}", server.log_tail());
    let began = std::time::Instant::now();
    assert_eq!(local.text(&["AUTH", "secret"]), "OK");
    assert!(began.elapsed() > Duration::from_millis(50), "it was not held back");
}

const PYTHON: &str = r#"
import redis, sys
client = redis.Redis(unix_socket_path=sys.argv[1])
assert client.set("py", "x" * 300_000) and len(client.get("py")) == 300_000
assert client.client_info()["addr"] == sys.argv[1] + ":0"
"#;

fn tools(on: &Context) {
    let (_home, path, server) = start(on, &[]);
    let at = path.to_str().unwrap();
    let run = |command: &mut Command| -> Output {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let cli = run(Command::new("redis-cli").args(["-s", at, "SET", "k", "v"]));
    assert_eq!(cli.stdout, b"OK\n");
    run(Command::new(installed("python/bin/python")).args(["-c", PYTHON, at]));
    run(Command::new(&on.program.path).args(["admin", "sites", "-s", at]));
    let file = path.with_extension("rdb");
    let file = file.to_str().unwrap();
    run(Command::new(&on.program.path).args(["export", file, "--from", at]));
    run(Command::new(&on.program.path).args(["import", file, "--replace", "--to", &format!("unix://{at}")]));
    drop(server);
}
