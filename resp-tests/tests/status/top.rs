//! `flotilla top`: once as text, by TLS and with a password; and live, in a terminal.

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::certificates::Authority;
use resp_tests::cluster::Cluster;
use resp_tests::server::Program;
use resp_tests::support::{call, eventually, ok};

use super::{product, product_with_tls};

fn top(words: &[&str]) -> Output {
    let mut command = Command::new(Program::product().path);
    command.arg("top").args(words).env_remove("FLOTILLA_SERVER").env_remove("SSL_CERT_FILE").output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn once_is_plain_text_about_all_nodes() {
    let core = Cluster::start(&Program::product(), 3, &[]).unwrap();
    let leader = core.wait_until_agreed().unwrap();
    assert_eq!(call(&mut core.nodes[0].connect().unwrap(), &["SET", "key", "value"]), ok());
    let at = format!("127.0.0.1:{}", core.nodes[1].port);
    eventually("all three are told of", || {
        let told = text(&top(&["--once", "--server", &at]));
        told.contains(&format!("leader core-{leader}, term "))
            && (0..3).all(|node| {
                told.lines().any(|line| line.starts_with(&format!("core-{node}")) && line.contains("ready"))
            })
            && told.contains("log sync")
            && !told.contains('\x1b')
    });
}

#[test]
fn it_logs_in_and_speaks_tls() {
    let authority = Authority::new();
    let files = authority.files("server", &["127.0.0.1"], |_| {});
    let (server, port) = product_with_tls(&files, &["--tls-auth-clients", "no", "--requirepass", "secret"]);
    let ca = files[2].display().to_string();
    let file = server.data().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let at = format!("rediss://127.0.0.1:{port}");
    let file = file.display().to_string();
    let words = ["--once", "-s", &at, "--cacert", &ca, "--password-file", &file];
    eventually("it is let in", || text(&top(&words)).contains("NODES"));
    let refused = top(&words[..5]);
    assert!(refused.status.code() == Some(1) && text(&refused).contains("NOAUTH"), "{}", text(&refused));
    let nobody = top(&["--once", "-s", "127.0.0.1:1"]);
    assert!(nobody.status.code() == Some(1) && text(&nobody).contains("refused"), "{}", text(&nobody));
}

/// util-linux's `script` gives it a terminal.
#[test]
fn in_a_terminal_it_follows_until_q_and_leaves_the_terminal_as_it_was() {
    let server = product(&[]);
    let at = format!("127.0.0.1:{}", server.port);
    eventually("there is something to show", || text(&top(&["--once", "-s", &at])).contains("NODES"));
    let program = Program::product().path.display().to_string();
    let mut child = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--command",
            &format!("stty rows 40 cols 160; {program} top -s {at}"),
            "/dev/null",
        ])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let (sender, shown) = channel();
    let reading = thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = out.read(&mut chunk) {
            let _ = sender.send(chunk[..read].to_vec());
        }
    });
    let (mut screen, deadline) = (String::new(), Instant::now() + Duration::from_secs(30));
    let has = |screen: &str| screen.contains("NODES") && screen.contains("q ends");
    while !has(&screen) {
        assert!(Instant::now() < deadline, "never drawn: {screen:?}");
        if let Ok(more) = shown.recv_timeout(Duration::from_millis(200)) {
            screen.push_str(&String::from_utf8_lossy(&more));
        }
    }
    child.stdin.as_mut().unwrap().write_all(b"q").unwrap();
    let status = child.wait().unwrap();
    reading.join().unwrap();
    screen.extend(shown.try_iter().map(|more| String::from_utf8_lossy(&more).into_owned()));
    assert!(status.success(), "{status}");
    // Into the alternate screen, and back.
    assert!(screen.contains("\x1b[?1049h") && screen.contains("\x1b[?1049l"), "{screen:?}");
}
