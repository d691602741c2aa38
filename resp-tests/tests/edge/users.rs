//! Users are the same on all nodes of the core and on edges, at once and for sessions that are open.

use super::*;
use resp_tests::connection::{Connection, Received};
use resp_tests::server::Server;
use std::time::{Duration, Instant};

/// A change takes effect everywhere in this time.
const AT_ONCE: Duration = Duration::from_secs(1);

fn auth(node: &Server, user: &str, password: &str) -> Option<Connection> {
    let mut connection = node.connect().unwrap();
    (call(&mut connection, &["AUTH", user, password]) == ok()).then_some(connection)
}

/// A session of a user, as soon as the node knows it.
fn session(node: &Server, user: &str, password: &str) -> Connection {
    let began = Instant::now();
    loop {
        if let Some(connection) = auth(node, user, password) {
            return connection;
        }
        assert!(began.elapsed() < AT_ONCE, "{user} is not known");
    }
}

fn is_closed(connection: &mut Connection) -> bool {
    matches!(connection.receive(), Ok(Received::Closed) | Err(_))
}

#[test]
fn a_user_made_on_one_node_is_one_on_all_nodes_and_edges() {
    let mut core = core(3, &[]);
    let first = edge("fra", &upstream(&core), &[]);
    for (number, node) in core.nodes.iter().enumerate() {
        let name = format!("user-{number}");
        let mut admin = node.connect().unwrap();
        let rules = ["on", ">pw", "~own:*", "+@all", "-@dangerous"];
        assert_eq!(call(&mut admin, &[&["ACL", "SETUSER", &name][..], &rules].concat()), ok());
        for other in core.nodes.iter().chain([&first]) {
            let mut user = session(other, &name, "pw");
            assert_eq!(call(&mut user, &["SET", "own:k", "v"]), ok());
            assert_eq!(call(&mut user, &["GET", "own:k"]), bulk("v"));
            for refused in [&["GET", "other"][..], &["SET", "other", "v"], &["FLUSHALL"]] {
                assert_eq!(error_code(&call(&mut user, refused)), "NOPERM", "{refused:?}");
            }
            // Its script is asked for where it is applied, whoever sent it there.
            for body in ["return redis.call('set', 'other', 'x')", "return redis.call('get', 'other')"] {
                assert_eq!(error_code(&call(&mut user, &["EVAL", body, "0"])), "NOPERM", "{body}");
            }
            let mine = "redis.call('set', KEYS[1], 'x'); return redis.pcall('del', 'other').err ~= nil";
            assert_eq!(call(&mut user, &["EVAL", mine, "1", "own:s"]), Value::Integer(1));
            assert_eq!(call(&mut user, &["GET", "own:s"]), bulk("x"));
        }
        assert_eq!(call(&mut admin, &["EXISTS", "other"]), Value::Integer(0));
    }
    // A change for sessions that are open.
    let mut open: Vec<Connection> =
        core.nodes.iter().chain([&first]).map(|node| session(node, "user-0", "pw")).collect();
    let mut admin = core.nodes[1].connect().unwrap();
    assert_eq!(call(&mut admin, &["ACL", "SETUSER", "user-0", "-get", "resetpass", ">new"]), ok());
    let began = Instant::now();
    for user in &mut open {
        while error_code(&call(user, &["GET", "own:k"])) != "NOPERM" {
            assert!(began.elapsed() < AT_ONCE, "a session goes on as it was");
        }
        assert_eq!(call(user, &["SET", "own:k", "w"]), ok());
    }
    // It is in snapshots, and after restarts.
    let second = edge("sin", &upstream(&core), &[]);
    assert!(auth(&second, "user-0", "pw").is_none());
    session(&second, "user-0", "new");
    core.kill_and_restart().unwrap();
    for node in &core.nodes {
        let mut user = session(node, "user-0", "new");
        assert_eq!(error_code(&call(&mut user, &["GET", "own:k"])), "NOPERM");
    }
    let mut admin = core.nodes[2].connect().unwrap();
    assert_eq!(call(&mut admin, &["ACL", "SETUSER", "default", ">everywhere"]), ok());
    for node in core.nodes.iter().chain([&first, &second]) {
        let began = Instant::now();
        while error_code(&call(&mut node.connect().unwrap(), &["PING"])) != "NOAUTH" {
            assert!(began.elapsed() < AT_ONCE, "a node asks for no password");
        }
        let mut admin = session(node, "default", "everywhere");
        // It would be this node's alone.
        assert_eq!(error_code(&call(&mut admin, &["CONFIG", "SET", "requirepass", "x"])), "ERR");
    }
}

#[test]
fn sessions_of_a_user_who_is_gone_are_closed_everywhere() {
    let core = core(3, &[]);
    let edge = edge("fra", &upstream(&core), &[]);
    let mut admin = core.nodes[0].connect().unwrap();
    let set = |admin: &mut Connection, rules: &[&str]| {
        assert_eq!(call(admin, &[&["ACL", "SETUSER", "gone"][..], rules].concat()), ok());
    };
    let nodes: Vec<&Server> = core.nodes.iter().chain([&edge]).collect();
    for end in ["off", "deleted", "made anew"] {
        set(&mut admin, &["reset", "on", ">pw", "~*", "&*", "+@all"]);
        let mut sessions = Vec::new();
        for node in &nodes {
            sessions.push(session(node, "gone", "pw"));
            let mut blocked = session(node, "gone", "pw");
            blocked.send(&["BLPOP", "nothing", "0"]).unwrap();
            sessions.push(blocked);
            let mut listener = session(node, "gone", "pw");
            call(&mut listener, &["SUBSCRIBE", "c"]);
            sessions.push(listener);
        }
        match end {
            "off" => set(&mut admin, &["off"]),
            "deleted" => assert_eq!(call(&mut admin, &["ACL", "DELUSER", "gone"]), Value::Integer(1)),
            _ => {
                // In one entry of the log: no node is ever without the user.
                call(&mut admin, &["MULTI"]);
                call(&mut admin, &["ACL", "DELUSER", "gone"]);
                call(&mut admin, &["ACL", "SETUSER", "gone", "on", ">pw", "~*", "&*", "+@all"]);
                call(&mut admin, &["EXEC"]);
            }
        }
        let began = Instant::now();
        for session in &mut sessions {
            session.set_deadline(Duration::from_secs(10));
            assert!(is_closed(session), "{end}: a session answers");
        }
        assert!(began.elapsed() < AT_ONCE, "{end}: {:?}", began.elapsed());
    }
    // One that may hear less does not go on hearing.
    set(&mut admin, &["reset", "on", ">pw", "&a", "&b", "+@all"]);
    let mut listeners: Vec<Connection> = nodes.iter().map(|node| session(node, "gone", "pw")).collect();
    for listener in &mut listeners {
        call(listener, &["SUBSCRIBE", "a"]);
    }
    set(&mut admin, &["resetchannels", "&b"]);
    for listener in &mut listeners {
        listener.set_deadline(Duration::from_secs(10));
        assert!(is_closed(listener));
    }
}
