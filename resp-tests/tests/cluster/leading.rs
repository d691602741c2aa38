//! The words of Redis's replication: FAILOVER and REPLICAOF let another node lead, and a redis-sentinel that watches a core
//! sees what it expects to see, also when it promotes a node by itself.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use resp_tests::cluster::Cluster;
use resp_tests::connection::{Connection, Received};
use resp_tests::ports::free_port;
use resp_tests::server::{Program, Server, Stop};
use resp_tests::support::{eventually, eventually_within};
use resp_tests::value::Value;

use super::{NODES, bulk, call, ok};

fn error(connection: &mut Connection, words: &[&str]) -> String {
    match call(connection, words) {
        Value::Error(text) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{words:?} answered {other:?}"),
    }
}

/// The role that a node tells of itself.
fn role(node: &Server) -> Value {
    match call(&mut node.connect().unwrap(), &["ROLE"]) {
        Value::Array(words) => words[0].clone(),
        other => panic!("{other:?}"),
    }
}

/// Whether the leader knows of both others that they are there.
fn followers_are_known(node: &Server) -> bool {
    let Value::Array(words) = call(&mut node.connect().unwrap(), &["ROLE"]) else { return false };
    matches!(words.last(), Some(Value::Array(followers)) if followers.len() == NODES - 1)
}

#[test]
fn failover_and_replicaof_let_another_node_lead() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let first = cluster.wait_until_agreed().unwrap();
    let (second, third) = ((first + 1) % NODES, (first + 2) % NODES);
    eventually("the leader knows the others", || followers_are_known(&cluster.nodes[first]));
    let port = |node: usize| cluster.nodes[node].port.to_string();
    let mut leader = cluster.nodes[first].connect().unwrap();
    let mut follower = cluster.nodes[second].connect().unwrap();
    // What is refused, and why.
    assert_eq!(error(&mut follower, &["FAILOVER"]), "ERR FAILOVER is not valid when server is a replica.");
    assert_eq!(
        error(&mut leader, &["FAILOVER", "TO", "127.0.0.1", "1"]),
        "ERR FAILOVER target HOST and PORT is not a replica."
    );
    assert!(
        error(&mut leader, &["FAILOVER", "FORCE"]).starts_with("ERR FAILOVER with force option requires")
    );
    for node in 0..NODES {
        let mut anywhere = cluster.nodes[node].connect().unwrap();
        let refused = error(&mut anywhere, &["REPLICAOF", "127.0.0.1", "1"]);
        assert!(refused.contains("REPLICAOF NO ONE lets this node lead"), "{refused}");
        assert!(error(&mut anywhere, &["SLAVEOF", "127.0.0.1", "1"]).starts_with("ERR nodes of a core"));
    }
    let same = Value::Simple(b"OK Already connected to specified master".to_vec());
    eventually("the follower knows the leader's port", || {
        let mut follower = cluster.nodes[second].connect().unwrap();
        follower.call(&["REPLICAOF", "127.0.0.1", &port(first)]).unwrap() == Received::Reply(same.clone())
    });
    // The one named.
    assert_eq!(call(&mut leader, &["FAILOVER", "TO", "127.0.0.1", &port(second), "TIMEOUT", "10000"]), ok());
    assert_eq!(role(&cluster.nodes[second]), bulk("master"));
    assert_eq!(role(&cluster.nodes[first]), bulk("slave"));
    // This one, also as a sentinel says it.
    let mut connection = cluster.nodes[third].connect().unwrap();
    assert_eq!(call(&mut connection, &["MULTI"]), ok());
    assert_eq!(call(&mut connection, &["SLAVEOF", "NO", "ONE"]), Value::Simple(b"QUEUED".to_vec()));
    assert_eq!(call(&mut connection, &["EXEC"]), Value::Array(vec![ok()]));
    eventually("it leads", || role(&cluster.nodes[third]) == bulk("master"));
    assert_eq!(call(&mut connection, &["REPLICAOF", "NO", "ONE"]), ok());
    // Any other.
    eventually("the leader knows the others", || followers_are_known(&cluster.nodes[third]));
    assert_eq!(call(&mut connection, &["FAILOVER"]), ok());
    let next = cluster.wait_until_agreed().unwrap();
    assert_ne!(next, third);
    // One that does not answer.
    let dead = (next + 1) % NODES;
    let dead_port = port(dead);
    eventually("the leader knows the others", || followers_are_known(&cluster.nodes[next]));
    cluster.nodes[dead].stop(Stop::Kill).unwrap();
    let mut leader = cluster.nodes[next].connect().unwrap();
    // Before it is missed, too, it costs nobody the lead.
    eventually("it is missed", || {
        let refused = error(&mut leader, &["FAILOVER", "TO", "127.0.0.1", &dead_port]);
        assert!(refused.contains("does not answer") || refused.ends_with("is not online."), "{refused}");
        refused.ends_with("is not online.")
    });
    assert_eq!(call(&mut leader, &["SET", "k", "v"]), ok());
}

#[test]
fn cluster_and_sentinel_failover_do_as_well() {
    let cluster = Cluster::start(&Program::product(), NODES, &["--cluster-enabled", "yes"]).unwrap();
    let first = cluster.wait_until_agreed().unwrap();
    let second = (first + 1) % NODES;
    let mut leader = cluster.nodes[first].connect().unwrap();
    let mut follower = cluster.nodes[second].connect().unwrap();
    assert!(error(&mut leader, &["FAILOVER"]).ends_with("Use CLUSTER FAILOVER command instead."));
    assert_eq!(
        error(&mut follower, &["REPLICAOF", "NO", "ONE"]),
        "ERR REPLICAOF not allowed in cluster mode."
    );
    assert_eq!(
        error(&mut leader, &["CLUSTER", "FAILOVER"]),
        "ERR You should send CLUSTER FAILOVER to a replica"
    );
    assert_eq!(call(&mut follower, &["CLUSTER", "FAILOVER"]), ok());
    eventually("it leads", || role(&cluster.nodes[second]) == bulk("master"));
    eventually("the leader knows the others", || followers_are_known(&cluster.nodes[second]));
    assert_eq!(call(&mut leader, &["SENTINEL", "FAILOVER", "flotilla"]), ok());
    assert_ne!(cluster.wait_until_agreed().unwrap(), second);
}

/// A redis-sentinel of its own, stopped with the test.
struct Sentinel {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sentinel {
    fn start(watched: u16) -> Sentinel {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
        let path = directory.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nprotected-mode no\ndir {}\nsentinel monitor core 127.0.0.1 {watched} 1\n\
             sentinel down-after-milliseconds core 1000\nsentinel failover-timeout core 5000\n",
            directory.path().display()
        );
        fs::write(&path, text).unwrap();
        let reference = Program::reference().unwrap();
        let mut command = Command::new(reference.path);
        let child = command.arg(&path).arg("--sentinel").stdout(Stdio::null()).spawn().unwrap();
        let sentinel = Sentinel { child, port, _directory: directory };
        eventually("the sentinel listens", || TcpListener::bind(("127.0.0.1", port)).is_err());
        sentinel
    }

    /// Where it says the master's clients connect.
    fn master(&self) -> Option<u16> {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "core"];
        match Connection::open(self.port).ok()?.call(&words).ok()? {
            Received::Reply(Value::Array(words)) => String::from_utf8(words[1].as_text()?).ok()?.parse().ok(),
            _ => None,
        }
    }

    fn field(&self, which: &str, name: &str) -> Vec<String> {
        let mut connection = Connection::open(self.port).unwrap();
        let Value::Array(nodes) = call(&mut connection, &["SENTINEL", which, "core"]) else { panic!() };
        let nodes = if which == "MASTER" { vec![Value::Array(nodes)] } else { nodes };
        let text = |value: &Value| String::from_utf8(value.as_text().unwrap_or_default()).unwrap();
        let one = |node: &Value| {
            let Value::Array(words) = node else { panic!("{node:?}") };
            let at = words.iter().position(|word| text(word) == name).unwrap();
            text(&words[at + 1])
        };
        nodes.iter().map(one).collect()
    }
}

#[test]
fn a_redis_sentinel_that_watches_a_core_sees_and_makes_failovers() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let first = cluster.wait_until_agreed().unwrap();
    eventually("the leader knows the others", || followers_are_known(&cluster.nodes[first]));
    let sentinel = Sentinel::start(cluster.nodes[first].port);
    let leads = |cluster: &Cluster| cluster.leader().map(|node| cluster.nodes[node].port);
    eventually("it knows all nodes", || {
        sentinel.field("MASTER", "flags") == ["master"]
            && sentinel.field("REPLICAS", "flags") == ["slave", "slave"]
            && sentinel.field("REPLICAS", "master-link-status") == ["ok", "ok"]
    });
    // It is asked to promote another node.
    let mut connection = Connection::open(sentinel.port).unwrap();
    assert_eq!(call(&mut connection, &["SENTINEL", "FAILOVER", "core"]), ok());
    let old = cluster.nodes[first].port;
    eventually_within("it names the leader that it made", Duration::from_secs(60), || {
        sentinel.master().is_some_and(|port| port != old && leads(&cluster) == Some(port))
    });
    // The leader dies: whoever leads then, or is made to, is the one that it names.
    eventually_within("it has settled", Duration::from_secs(60), || {
        sentinel.field("REPLICAS", "flags") == ["slave", "slave"]
    });
    let leader = cluster.wait_until_agreed().unwrap();
    let dead = cluster.nodes[leader].port;
    cluster.nodes[leader].stop(Stop::Kill).unwrap();
    eventually_within("it names a living leader", Duration::from_secs(90), || {
        sentinel.master().is_some_and(|port| port != dead && leads(&cluster) == Some(port))
    });
    // The sentinel ends the connections of a node that it makes a replica, as it does with Redis.
    let living = &cluster.nodes[(leader + 1) % NODES];
    eventually("a write is taken", || {
        living.connect().is_ok_and(|mut client| {
            client.call(&["SET", "k", "v"]).is_ok_and(|reply| reply == Received::Reply(ok()))
        })
    });
}
