//! Users from a file and into one, what a call right behind a change of users may do, what scripts are refused, and the way back in
//! of an operator whom no password lets in.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::connection::{Connection, Received};
use resp_tests::server::{Program, Server};
use resp_tests::support::eventually;
use resp_tests::value::Value;

use super::{NODES, bulk, call, ok};

const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

fn text(connection: &mut Connection, words: &[&str]) -> String {
    match call(connection, words) {
        Value::Error(text) | Value::Bulk(text) | Value::Simple(text) => String::from_utf8(text).unwrap(),
        other => panic!("{words:?}: {other:?}"),
    }
}

/// A reply in words.
fn words(value: &Value) -> String {
    match value {
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(" "),
        Value::Bulk(text) | Value::Simple(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

fn lines(value: &Value) -> Vec<String> {
    let Value::Array(lines) = value else { panic!("{value:?}") };
    let line = |line: &Value| match line {
        Value::Bulk(text) => String::from_utf8(text.clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    lines.iter().map(line).collect()
}

fn admin_of(server: &Server) -> Connection {
    let mut connection = server.connect().unwrap();
    assert_eq!(call(&mut connection, &["AUTH", "admin", "secret"]), ok());
    connection
}

/// One that lets an administrator in and `default` do next to nothing.
fn first_file(path: &Path) {
    let text = format!(
        "# users\n\nuser admin on #{SECRET} ~* &* +@all\nuser default on nopass -@all +ping\nuser app on >pw ~app:* db=0,1 +@all -@admin\n"
    );
    fs::write(path, text).unwrap();
}

#[test]
fn a_new_core_has_the_users_of_the_file_before_it_serves_anybody() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("users.acl");
    first_file(&file);
    let at = file.to_str().unwrap();
    let program = Program::product();
    let mut nodes = Server::spawn_together(&program, NODES, |peers, index| {
        let list = |(index, port): (usize, &u16)| format!("core-{index}=127.0.0.1:{port}");
        let list: Vec<String> = peers.iter().enumerate().map(list).collect();
        let name = format!("core-{index}");
        let mut args = vec!["--node-name", &name];
        let list = list.join(",");
        args.extend(["--cluster", &list]);
        // One of them has no file, and gets its users from the others.
        if index > 0 {
            args.extend(["--aclfile", at]);
        }
        args.into_iter().map(str::to_owned).collect()
    })
    .unwrap();
    // At those with a file, nobody gets in as who may do everything, however early.
    let began = Instant::now();
    let mut refused = 0;
    while refused < 20 && began.elapsed() < Duration::from_secs(30) {
        for node in nodes.iter().skip(1) {
            let Ok(mut early) = node.connect() else { continue };
            match early.call(&["SET", "early", "bird"]) {
                Ok(Received::Reply(Value::Error(why))) => {
                    refused += usize::from(why.starts_with(b"NOPERM"));
                }
                Ok(Received::Reply(other)) => panic!("{other:?}"),
                Ok(Received::Closed) | Err(_) => {}
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    assert!(refused >= 20, "the nodes never served");
    for node in &mut nodes {
        node.wait_until_ready().unwrap();
    }
    eventually("all nodes have them", || {
        nodes.iter().all(|node| call(&mut node.connect().unwrap(), &["AUTH", "admin", "secret"]) == ok())
    });
    let mut admin = admin_of(&nodes[0]);
    assert_eq!(call(&mut admin, &["GET", "early"]), Value::NilBulk);
    let known = lines(&call(&mut admin, &["ACL", "LIST"]));
    assert_eq!(known.len(), 3, "{known:?}");
    assert!(known[1].contains("db=0,1"), "{known:?}");
    // It was the first time only: what the file says now is nobody's business until ACL LOAD.
    assert_eq!(call(&mut admin, &["ACL", "SETUSER", "later", "on"]), ok());
    fs::write(&file, "user nobody off\n").unwrap();
    drop(admin);
    let mut core = Cluster { nodes };
    for node in &mut core.nodes {
        node.stop(resp_tests::server::Stop::Terminate).unwrap();
    }
    for node in &mut core.nodes {
        node.spawn_again().unwrap();
    }
    for node in &mut core.nodes {
        node.wait_until_ready().unwrap();
    }
    let mut admin = admin_of(&core.nodes[1]);
    assert_eq!(lines(&call(&mut admin, &["ACL", "USERS"])), ["admin", "app", "default", "later"]);
    // Now it is; on all nodes, from one that follows, all at once.
    let mut app = core.nodes[2].connect().unwrap();
    assert_eq!(call(&mut app, &["AUTH", "app", "pw"]), ok());
    first_file(&file);
    assert_eq!(call(&mut admin, &["ACL", "LOAD"]), ok());
    assert_eq!(lines(&call(&mut admin, &["ACL", "USERS"])), ["admin", "app", "default"]);
    assert_eq!(call(&mut app, &["SET", "app:k", "v"]), ok(), "a session of a user who stays goes on");
    fs::write(&file, format!("user admin on #{SECRET} ~* &* +@all\n")).unwrap();
    assert_eq!(call(&mut admin, &["ACL", "LOAD"]), ok());
    eventually("sessions of who is gone are closed", || {
        !matches!(app.call(&["PING"]), Ok(Received::Reply(Value::Simple(_))))
    });
    for node in &core.nodes {
        eventually("default is as it has always been", || {
            call(&mut node.connect().unwrap(), &["ACL", "WHOAMI"]) == bulk("default")
        });
    }
}

/// Each with what Redis's server says of it.
#[test]
fn a_file_with_errors_changes_nothing_and_each_is_told_with_its_line() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("users.acl");
    let at = file.to_str().unwrap();
    fs::write(&file, "user default on nopass ~* &* +@all\nuser a on\n").unwrap();
    let start = |program: &Program| Server::start(program, &["--aclfile".to_owned(), at.to_owned()]).unwrap();
    let (own, reference) = (start(&Program::product()), start(&Program::reference().unwrap()));
    let (mut own, mut reference) = (own.connect().unwrap(), reference.connect().unwrap());
    for content in [
        "user default on nopass ~* &* +@all\nuser b on >x ~b:* +get (%R~c +set)\n",
        "user x +nosuch\n",
        "nonsense\nuser\n",
        "user x on\n\n  user x off\r\n",
        "user x on ~* ~a\nuser y +@nosuch +get +nor ~* ~b\n",
        "user x on >pw #abc\n",
        "user x (+get\n",
        "user default on nopass ~* &* +@all\n\nuser c on +config|get -@all +select|1\n",
    ] {
        fs::write(&file, content).unwrap();
        let (told, theirs) = (text(&mut own, &["ACL", "LOAD"]), text(&mut reference, &["ACL", "LOAD"]));
        assert_eq!(told, theirs, "{content}");
        let users = |connection: &mut Connection| lines(&call(connection, &["ACL", "USERS"]));
        let mut theirs = users(&mut reference);
        theirs.sort();
        assert_eq!(users(&mut own), theirs, "{content}");
    }
    fs::remove_file(&file).unwrap();
    let missing = text(&mut own, &["ACL", "LOAD"]);
    assert_eq!(missing, text(&mut reference, &["ACL", "LOAD"]));
    assert!(missing.contains("No such file or directory"), "{missing}");
    // A directory's worth of one line costs nothing.
    fs::write(&file, format!("user x ({}", "+get ".repeat(2_000_000))).unwrap();
    let began = Instant::now();
    assert!(text(&mut own, &["ACL", "LOAD"]).contains("too many rules"));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_core_whose_first_file_is_wrong_does_not_start() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("users.acl");
    let start = || {
        let args = ["--aclfile".to_owned(), file.display().to_string()];
        Server::start_for(&Program::product(), &args, Duration::from_secs(20)).unwrap_err().to_string()
    };
    assert!(start().contains("No such file or directory"));
    fs::write(&file, "user x +nosuch\n").unwrap();
    let why = start();
    assert!(why.contains("users.acl:1: Error in applying operation '+nosuch'"), "{why}");
}

#[test]
fn what_is_saved_is_read_again_and_has_no_password() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("users.acl");
    fs::write(&file, "").unwrap();
    let args = ["--aclfile", file.to_str().unwrap(), "--requirepass", "own"].map(str::to_owned);
    let server = Server::start(&Program::product(), &args).unwrap();
    let mut admin = server.connect().unwrap();
    assert_eq!(call(&mut admin, &["AUTH", "own"]), ok());
    for words in [
        &["a", "on", ">one", ">two", "~a*", "%R~b", "&c", "-@all", "+@read", "+config|get", "db=2,0"][..],
        &["b", "off", "resetdbs", "%RW~*", "(+get ~x)", "(%W~y db=1 +set)"],
        &["c", "on", "nopass", "+@all", "-@dangerous", "skip-sanitize-payload", "+select|0"],
    ] {
        assert_eq!(call(&mut admin, &[&["ACL", "SETUSER"], words].concat()), ok());
    }
    let before = call(&mut admin, &["ACL", "LIST"]);
    assert_eq!(call(&mut admin, &["ACL", "SAVE"]), ok());
    let saved = fs::read_to_string(&file).unwrap();
    assert!(!saved.contains("own") && saved.contains("%RW~*") && saved.lines().count() == 4, "{saved}");
    assert_eq!(call(&mut admin, &["ACL", "DELUSER", "a", "b", "c"]), Value::Integer(3));
    assert_eq!(call(&mut admin, &["ACL", "LOAD"]), ok());
    assert_eq!(call(&mut admin, &["ACL", "LIST"]), before);
    // A user that no line can say is not lost by saving.
    assert_eq!(call(&mut admin, &["ACL", "SETUSER", "d", "(~x) +get)"]), ok());
    assert!(text(&mut admin, &["ACL", "SAVE"]).contains("'d'"));
    assert_eq!(fs::read_to_string(&file).unwrap(), saved);
    assert_eq!(call(&mut admin, &["ACL", "DELUSER", "d"]), Value::Integer(1));
    // Where it cannot be written the old one stays.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(text(&mut admin, &["ACL", "SAVE"]).starts_with("ERR There was an error trying to save the ACLs"));
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().collect();
    assert!(left.len() <= 2, "{left:?}");
}

/// In one piece, so that all are there when the first is run; at the leader and at a node that sends writes on.
#[test]
fn a_call_right_behind_a_change_of_users_is_asked_for_by_the_new_rules() {
    let core = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = core.wait_until_agreed().unwrap();
    for (number, at) in [leader, (leader + 1) % NODES].into_iter().enumerate() {
        let name = format!("user-{number}");
        let mut admin = core.nodes[at].connect().unwrap();
        let rules = ["on", "nopass", "~*", "+@all"];
        assert_eq!(call(&mut admin, &[&["ACL", "SETUSER", &name][..], &rules].concat()), ok());
        eventually("it is known", || call(&mut admin, &["AUTH", &name, "x"]) == ok());
        for round in 0..20 {
            let key = format!("{name}-{round}");
            let calls: [&[&str]; 6] = [
                &["ACL", "SETUSER", &name, "-get", "-set"],
                &["GET", &key],
                &["SET", &key, "v"],
                &["ACL", "SETUSER", &name, "+get", "+set"],
                &["SET", &key, "v"],
                &["GET", &key],
            ];
            let piece: Vec<u8> = calls.iter().flat_map(|words| resp_tests::value::encode(words)).collect();
            admin.send_raw(&piece).unwrap();
            let replies: Vec<String> = (0..calls.len())
                .map(|_| match admin.receive().unwrap() {
                    Received::Reply(Value::Error(text)) => String::from_utf8(text).unwrap(),
                    other => format!("{other:?}"),
                })
                .collect();
            assert!(replies[1].starts_with("NOPERM") && replies[2].starts_with("NOPERM"), "{replies:?}");
            assert!(!replies[4].starts_with("NOPERM") && replies[5].contains("Bulk"), "{replies:?}");
        }
    }
}

#[test]
fn acl_log_has_what_scripts_are_refused() {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let mut admin = server.connect().unwrap();
    let rules = ["on", "nopass", "~app:*", "&app.*", "+@all", "-@dangerous", "db=0"];
    assert_eq!(call(&mut admin, &[&["ACL", "SETUSER", "app"][..], &rules].concat()), ok());
    let mut app = server.connect().unwrap();
    assert_eq!(call(&mut app, &["AUTH", "app", "x"]), ok());
    let mut entries = |reason: &str, object: &str| {
        let log = words(&call(&mut admin, &["ACL", "LOG"]));
        assert_eq!(call(&mut admin, &["ACL", "LOG", "RESET"]), ok());
        let entry = format!("reason {reason} context lua object {object} username app ");
        assert!(log.contains(&entry) && log.contains(" user=app "), "{reason} {object}: {log}");
    };
    // Of one that only reads, of one that is logged, caught or not, and within MULTI.
    call(&mut app, &["EVAL", "return redis.call('get', 'read')", "0"]);
    entries("key", "read");
    call(&mut app, &["EVAL", "redis.call('set', 'app:k', 1); return redis.call('set', 'written', 1)", "0"]);
    entries("key", "written");
    call(&mut app, &["EVAL", "redis.call('set', 'app:k', 1); redis.pcall('del', 'caught'); return 1", "0"]);
    entries("key", "caught");
    call(&mut app, &["EVAL", "return redis.call('flushdb')", "0"]);
    entries("command", "flushdb");
    call(&mut app, &["EVAL", "return redis.call('publish', 'other', 1)", "0"]);
    entries("channel", "other");
    call(&mut app, &["EVAL", "return redis.call('select', 3)", "0"]);
    entries("database", "3");
    assert_eq!(call(&mut app, &["MULTI"]), ok());
    call(&mut app, &["EVAL_RO", "return redis.call('get', 'queued')", "0"]);
    call(&mut app, &["EXEC"]);
    entries("key", "queued");
    // A script that tries without end fills no memory.
    call(&mut app, &["EVAL", "for n = 1, 10000 do redis.pcall('get', 'k' .. n) end", "0"]);
    let Value::Array(log) = call(&mut admin, &["ACL", "LOG", "1000"]) else { panic!() };
    assert!((1..=8).contains(&log.len()), "{}", log.len());
}

fn rescue(server: &Server, words: &[&str]) -> Output {
    Command::new(Program::product().path)
        .args(["admin", "rescue", "--data-dir", server.data().to_str().unwrap()])
        .args(words)
        .env_remove("REDISCLI_AUTH")
        .output()
        .unwrap()
}

/// All users have lost their passwords. Whoever has a node's data directory gets in again, on all nodes, and no node stops.
#[test]
fn an_operator_whom_no_password_lets_in_is_rescued_by_a_data_directory() {
    let core = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = core.wait_until_agreed().unwrap();
    let mut last = core.nodes[leader].connect().unwrap();
    assert_eq!(call(&mut last, &["ACL", "SETUSER", "default", "off", "resetpass", "-@all"]), ok());
    eventually("nobody gets in", || {
        core.nodes.iter().all(|node| {
            let reply = node.connect().and_then(|mut connection| connection.call(&["GET", "k"]));
            matches!(reply, Ok(Received::Reply(Value::Error(_))))
        })
    });
    let follower = &core.nodes[(leader + 1) % NODES];
    let output = rescue(follower, &["--user", "admin", "--password", "way in"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!follower.data().join("RESCUE").exists());
    for node in &core.nodes {
        eventually("the rescued one is let in", || {
            call(&mut node.connect().unwrap(), &["AUTH", "admin", "way in"]) == ok()
        });
        let mut admin = node.connect().unwrap();
        assert_eq!(call(&mut admin, &["AUTH", "admin", "way in"]), ok());
        assert_eq!(call(&mut admin, &["SET", "k", "v"]), ok());
    }
    assert!(!follower.has_said("way in"), "a password is in the log");
    // Without a password, and where no node is, nothing happens.
    assert_eq!(rescue(follower, &[]).status.code(), Some(1));
    let home = tempfile::tempdir().unwrap();
    let nowhere = Command::new(Program::product().path)
        .args(["admin", "rescue", "--password", "x", "--data-dir", home.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(1), "{nowhere:?}");
    // One that is damaged is refused, and said so.
    fs::write(follower.data().join("RESCUE"), "admin\nx\n").unwrap();
    eventually("it is refused", || follower.data().join("RESCUE.refused").exists());
    assert!(!follower.data().join("RESCUE").exists());
}

/// The users are data. A node that has none of it yet must not take itself for one without users.
#[test]
fn nobody_gets_in_at_a_new_node_that_does_not_have_the_users_yet() {
    let program = Program::product();
    let core = Cluster::start(&program, NODES, &[]).unwrap();
    let mut operator = core.nodes[0].connect().unwrap();
    assert_eq!(call(&mut operator, &["ACL", "SETUSER", "admin", "on", ">secret", "~*", "&*", "+@all"]), ok());
    // Some megabytes, for the newcomer to be busy with.
    let large = "x".repeat(256 << 10);
    for number in 0..120 {
        assert_eq!(call(&mut operator, &["SET", &format!("key:{number}"), &large]), ok());
    }
    assert_eq!(call(&mut operator, &["ACL", "SETUSER", "default", "off"]), ok());
    let contacts: Vec<String> = core.nodes.iter().map(Server::peer_address).collect();
    let args = ["--node-name", "core-9", "--join", &contacts.join(",")].map(str::to_owned);
    let mut newcomer = Server::spawn(&program, &args).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut refused, mut is_in) = (0, false);
    while !is_in {
        assert!(Instant::now() < deadline, "nobody ever got in: {}", newcomer.log_tail());
        let Ok(mut early) = newcomer.connect() else { continue };
        match early.call(&["SET", "early", "bird"]) {
            Ok(Received::Reply(Value::Error(why))) => {
                let why = String::from_utf8(why).unwrap();
                let is_expected =
                    ["NOAUTH", "LOADING", "CLUSTERDOWN"].iter().any(|code| why.starts_with(code));
                assert!(is_expected, "{why}");
                refused += 1;
            }
            Ok(Received::Reply(other)) => panic!("a stranger's SET: {other:?}"),
            Ok(Received::Closed) | Err(_) => continue,
        }
        is_in = matches!(early.call(&["AUTH", "admin", "secret"]), Ok(Received::Reply(Value::Simple(_))));
    }
    assert!(refused > 0);
    newcomer.wait_until_ready().unwrap();
    assert_eq!(call(&mut admin_of(&newcomer), &["GET", "early"]), Value::NilBulk);
}
