//! What an orchestrator of pods relies on: a founding list that does not grow with the core, members that leave with their pods,
//! leadership handed over before a stop, passwords and users from files, and a health check by the program itself.

use std::fs;
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::connection::Connection;
use resp_tests::server::{Program, Server};
use resp_tests::support::eventually;
use resp_tests::value::Value;

use super::membership::{admin, admin_ok, wait_for_roles};
use super::{NODES, call, error_code, ok};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A pod has the same list as all others, whether it founds or comes later.
fn pod(cluster: &Cluster, name: &str) -> Vec<String> {
    let list = cluster.nodes[..NODES].iter().map(Server::peer_address);
    let list: Vec<String> = list.enumerate().map(|(number, at)| format!("core-{number}={at}")).collect();
    let contacts: Vec<String> = cluster.nodes[..NODES].iter().map(Server::peer_address).collect();
    ["--node-name", name, "--cluster", &list.join(","), "--join", &contacts.join(",")]
        .map(str::to_owned)
        .to_vec()
}

#[test]
fn pods_beyond_the_founders_join_and_leave_by_number() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    for name in ["core-3", "core-4"] {
        let args = pod(&cluster, name);
        cluster.nodes.push(Server::start(&Program::product(), &args).unwrap());
    }
    let five = ["core-0 voter", "core-1 voter", "core-2 voter", "core-3 voter", "core-4 voter"];
    wait_for_roles(&cluster.nodes[0], &five);
    // The last one leads, so it must hand over.
    admin_ok(&cluster.nodes[0], &["transfer-leader", "core-4"]);
    assert_eq!(admin_ok(&cluster.nodes[1], &["scale-down", "core-", "3"]).trim(), "removed core-4, core-3");
    wait_for_roles(&cluster.nodes[0], &five[..3]);
    assert_eq!(
        admin_ok(&cluster.nodes[1], &["scale-down", "core-", "3"]).trim(),
        "no member core-3 or above"
    );
    wait_for_roles(&cluster.nodes[0], &five[..3]);
}

#[test]
fn a_node_that_no_list_names_needs_to_know_whom_to_join() {
    let args = ["--node-name", "core-9", "--cluster", "core-0=127.0.0.1:1", "--peer-address", "127.0.0.1:2"];
    let error = Server::start(&Program::product(), &args.map(str::to_owned)).unwrap_err().to_string();
    assert!(error.contains("core-9, which --cluster does not name") && error.contains("--join"), "{error}");
}

#[test]
fn leadership_is_handed_over_before_a_stop_and_whoever_does_not_lead_waits_only() {
    let cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let follower = &cluster.nodes[(leader + 1) % NODES];
    assert_eq!(admin_ok(follower, &["hand-over"]).trim(), "this node does not lead");
    assert_eq!(cluster.leader(), Some(leader));
    let began = Instant::now();
    let told = admin_ok(&cluster.nodes[leader], &["hand-over", "--then-wait", "2"]);
    assert_eq!(told.trim(), "another node leads now");
    assert!(began.elapsed() >= Duration::from_secs(2));
    eventually("another leader", || cluster.leader().is_some_and(|now| now != leader));
    // It never fails: the node is going to stop anyway.
    let nobody = follower.admin(&["hand-over", "--server", "127.0.0.1:1"]).unwrap();
    assert!(nobody.status.success(), "{}", said(&nobody));
}

#[test]
fn a_password_comes_from_a_file_and_changes_with_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("password");
    let file = path.to_str().unwrap();
    fs::write(&path, "mauve-first\n").unwrap();
    let server =
        Server::start(&Program::product(), &["--requirepass-file".to_owned(), file.to_owned()]).unwrap();
    let login = |password: &str| call(&mut server.connect().unwrap(), &["AUTH", password]) == ok();
    let mut open = server.connect().unwrap();
    assert_eq!(error_code(&call(&mut open, &["GET", "a"])), "NOAUTH");
    assert_eq!(call(&mut open, &["AUTH", "mauve-first"]), ok());
    assert_eq!(
        format!("{:?}", call(&mut open, &["CONFIG", "GET", "requirepass*"])).matches("mauve").count(),
        0
    );
    assert_eq!(error_code(&call(&mut open, &["CONFIG", "SET", "requirepass", "x"])), "ERR");
    fs::write(&path, "mauve-second\nmauve-first\n").unwrap();
    eventually("the new password", || login("mauve-second"));
    assert!(
        login("mauve-first") && !login("mauve-second\nmauve-first") && !login(""),
        "the former one is valid as well"
    );
    fs::write(&path, "mauve-second\n").unwrap();
    eventually("the end of the former password", || !login("mauve-first"));
    // An empty file, or none, opens no door.
    fs::write(&path, "").unwrap();
    eventually("the complaint", || server.has_said("holds no password"));
    fs::remove_file(&path).unwrap();
    thread::sleep(Duration::from_millis(1500));
    assert!(login("mauve-second") && !login("mauve-first"));
    assert_eq!(error_code(&call(&mut server.connect().unwrap(), &["PING"])), "NOAUTH");
    assert_eq!(call(&mut open, &["GET", "a"]), Value::NilBulk, "a session that is open stays");
    assert!(!server.has_said("mauve"), "the log shows a password");
}

#[test]
fn users_come_from_a_file_and_an_administrator_logs_in_by_one() {
    let cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let home = tempfile::tempdir().unwrap();
    let (users, password) = (home.path().join("users.acl"), home.path().join("password"));
    let file = users.to_str().unwrap();
    fs::write(&users, "# made by hand\nuser app on >app-password ~app:* +@all -@admin\nuser boss on >boss-password ~* &* +@all\n").unwrap();
    assert_eq!(admin_ok(&cluster.nodes[1], &["users", file]).trim(), "2 users set, 0 deleted");
    let logged_in = |node: &Server, user: &str, password: &str| -> Option<Connection> {
        let mut connection = node.connect().unwrap();
        (call(&mut connection, &["AUTH", user, password]) == ok()).then_some(connection)
    };
    for node in &cluster.nodes {
        eventually("the user everywhere", || logged_in(node, "app", "app-password").is_some());
    }
    let mut app = logged_in(&cluster.nodes[2], "app", "app-password").unwrap();
    assert_eq!(call(&mut app, &["SET", "app:1", "x"]), ok());
    assert_eq!(error_code(&call(&mut app, &["GET", "other"])), "NOPERM");
    // Now the administrator is somebody else, and the file has other users.
    fs::write(&users, "user default on >closed ~* &* +@all\nuser boss on >boss-password ~* &* +@all\n")
        .unwrap();
    fs::write(&password, "boss-password\nnot this line\n").unwrap();
    // On a busy machine a leader may lose contact for a moment.
    let as_boss = ["--user", "boss", "--password-file", password.to_str().unwrap(), "--retry-for", "60"];
    let told = admin_ok(&cluster.nodes[0], &[&["users", file, "--delete-others"][..], &as_boss].concat());
    assert_eq!(told.trim(), "2 users set, 1 deleted");
    assert!(admin_ok(&cluster.nodes[1], &[&["status"][..], &as_boss].concat()).contains("core-2"));
    assert_eq!(
        admin(&cluster.nodes[1], &["status"]).status.code(),
        Some(1),
        "the default user has a password now"
    );
    // A wrong line changes nothing and is not shown.
    fs::write(&users, "user a on >hunter2\nhunter2\n").unwrap();
    let wrong = admin(&cluster.nodes[0], &[&["users", file][..], &as_boss].concat());
    assert!(
        !wrong.status.success() && said(&wrong).contains("line 2") && !said(&wrong).contains("hunter2"),
        "{}",
        said(&wrong)
    );
}

#[test]
fn a_health_check_asks_the_http_port_and_a_request_waits_for_its_server() {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let http = format!("127.0.0.1:{}", server.http_port());
    assert_eq!(said(&server.admin(&["health", "--http", &http]).unwrap()).trim(), "alive");
    assert_eq!(said(&server.admin(&["health", "--ready", "--http", &http]).unwrap()).trim(), "ready");
    assert_eq!(server.admin(&["health", "--http", "127.0.0.1:1"]).unwrap().status.code(), Some(1));
    // A founder that waits for others is alive and not ready.
    let waiting = Server::spawn_together(&Program::product(), 1, |peers, _| {
        let list = format!("core-0=127.0.0.1:{},core-1=127.0.0.1:1,core-2=127.0.0.1:2", peers[0]);
        ["--node-name", "core-0", "--cluster", &list].map(str::to_owned).to_vec()
    });
    let waiting = waiting.unwrap().remove(0);
    let http = format!("127.0.0.1:{}", waiting.http_port());
    eventually("it is alive", || server.admin(&["health", "--http", &http]).unwrap().status.success());
    let unready = server.admin(&["health", "--ready", "--http", &http]).unwrap();
    assert_eq!(unready.status.code(), Some(4), "{}", said(&unready));
    assert!(said(&unready).contains("not ready"), "{}", said(&unready));
    let began = Instant::now();
    let refused = server.admin(&["status", "--server", "127.0.0.1:1", "--retry-for", "2"]).unwrap();
    assert!(!refused.status.success() && began.elapsed() >= Duration::from_secs(2), "{}", said(&refused));
    assert!(said(&refused).contains("trying again"), "{}", said(&refused));
    // What asking again does not change is not asked again.
    let began = Instant::now();
    let at = format!("127.0.0.1:{}", server.port);
    let refused = server.admin(&["remove", "x", "--server", &at, "--retry-for", "60"]).unwrap();
    assert!(!refused.status.success() && began.elapsed() < Duration::from_secs(30), "{}", said(&refused));
}
