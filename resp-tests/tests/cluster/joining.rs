//! Joining that goes wrong is tried again and never leaves a node that cannot be had (faults.md (a) 34); a node that was
//! removed behind its back neither disturbs nor serves when it comes back (36).

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::value::Value;

use super::membership::{CHANGE_MAX, THREE, admin, admin_ok, assert_has, fill, roles, wait_for_roles};
use super::{NODES, bulk, call, error_code, ok};

const FOUR: [&str; 4] = ["core-0 voter", "core-1 voter", "core-2 voter", "core-3 voter"];

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + CHANGE_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not in {CHANGE_MAX:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn joining(name: &str, contacts: &str) -> Vec<String> {
    ["--node-name", name, "--join", contacts].map(str::to_owned).to_vec()
}

/// The newcomer is there first, and asks a node that is of no core yet.
#[test]
fn a_node_that_asks_before_there_is_a_core_is_let_in_later() {
    let program = Program::product();
    // It waits for others that never come: a node of a list is of no core until all of the list are there.
    let mut lonely = Server::spawn(&program, &["--node-name", "core-0"].map(str::to_owned)).unwrap();
    lonely.stop(Stop::Kill).unwrap();
    lonely.wipe().unwrap();
    let (own, nobody) = (format!("core-0={}", lonely.peer_address()), "core-1=127.0.0.1:1");
    let args = |list: &str| ["--node-name", "core-0", "--cluster", list].map(str::to_owned);
    lonely.set_args(&args(&format!("{own},{nobody}")));
    lonely.spawn_again().unwrap();
    let contact = lonely.peer_address();
    let newcomer = Server::spawn(&program, &joining("core-9", &contact)).unwrap();
    wait_until("core-9 asks", || newcomer.log_tail().contains("waiting to be a member"));
    // A core of one, on the same address.
    lonely.stop(Stop::Kill).unwrap();
    lonely.set_args(&args(&own));
    lonely.start_again().unwrap();
    wait_for_roles(&lonely, &["core-0 voter", "core-9 voter"]);
    assert_eq!(call(&mut newcomer.connect().unwrap(), &["SET", "key", "value"]), ok());
}

/// Each wrong request is refused and changes nothing; the right one is done, and may be repeated.
#[test]
fn adding_at_a_wrong_address_or_twice_changes_nothing() {
    let program = Program::product();
    let cluster = Cluster::start(&program, NODES, &[]).unwrap();
    let newcomer = Server::spawn(&program, &joining("core-3", "127.0.0.1:1")).unwrap();
    let at = newcomer.peer_address();
    let taken = cluster.nodes[1].peer_address();
    wait_until("core-3 asks", || newcomer.log_tail().contains("waiting to be a member"));
    let add = |name: &str, at: &str| admin(&cluster.nodes[0], &["add", &format!("{name}={at}")]);
    let refused = |name: &str, at: &str, why: &str| {
        let output = add(name, at);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(why), "{name} at {at}: {text}");
    };
    for _ in 0..2 {
        refused("core-3", "127.0.0.1:1", "127.0.0.1:1");
        refused("core-3", &taken, "answers as core-1");
        refused("core-4", &at, "answers as core-3");
        refused("core-1", &at, "is a node of the core already");
    }
    assert_eq!(roles(&cluster.nodes[0]), THREE, "something was added");
    assert!(add("core-3", &at).status.success());
    wait_for_roles(&cluster.nodes[0], &FOUR);
    for node in &cluster.nodes {
        admin_ok(node, &["add", &format!("core-3={at}")]);
    }
    wait_for_roles(&newcomer, &FOUR);
}

/// A way to a port, for a node that asks before it is open.
struct Gate {
    address: SocketAddr,
    /// Tells that somebody has begun to ask.
    asked: Receiver<()>,
    /// Takes the port to which all that was sent goes on, and all that is sent from then on.
    open: Sender<u16>,
}

impl Gate {
    fn new() -> Gate {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let ((asking, asked), (open, opened)) = (mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.peek(&mut [0]);
            let _ = asking.send(());
            let Ok(port) = opened.recv() else { return };
            loop {
                pass_on(client, port);
                client = listener.accept().unwrap().0;
            }
        });
        Gate { address, asked, open }
    }
}

/// Both directions, each by a thread, until one side closes.
fn pass_on(client: TcpStream, port: u16) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return };
    let ways = [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
    for (mut from, mut to) in ways {
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        });
    }
}

/// Kills the followers, and has a node join while the leader has not noticed. `None`: it had, and all is as before.
fn join_a_leader_without_followers(cluster: &mut Cluster) -> Option<(usize, [usize; 2], Server)> {
    let leader = cluster.wait_until_agreed().unwrap();
    let others = [1, 2].map(|step| (leader + step) % NODES);
    // The new node is there and has asked before the followers die: the leader notices soon that they are gone.
    let gate = Gate::new();
    let [first, second] = others.map(|node| cluster.nodes[node].peer_address());
    let contacts = [gate.address.to_string(), first, second].join(",");
    let newcomer = Server::spawn(&Program::product(), &joining("core-3", &contacts)).unwrap();
    gate.asked.recv_timeout(CHANGE_MAX).expect("it asks");
    // Dead, not stopped: what is sent to a stopped process waits for it.
    for node in others {
        cluster.nodes[node].stop(Stop::Kill).unwrap();
    }
    gate.open.send(cluster.nodes[leader].peer_port()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        // From the leader, with the beginning of its log.
        if newcomer.log_tail().contains("a node leads") {
            return Some((leader, others, newcomer));
        }
        thread::sleep(Duration::from_millis(20));
    }
    for node in others {
        cluster.nodes[node].spawn_again().unwrap();
    }
    None
}

/// The leader that lets a node in is deposed before anybody else has heard of it. The node has entries of that leader, but
/// no core counts it among its members; it may not be taken for one that was removed.
#[test]
fn a_node_whose_leader_was_deposed_while_it_joined_is_let_in_by_the_next() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    fill(&cluster.nodes[0], 20);
    let (leader, others, newcomer) =
        (0..10).find_map(|_| join_a_leader_without_followers(&mut cluster)).expect("it never got that far");
    cluster.nodes[leader].pause().unwrap();
    for node in &others {
        cluster.nodes[*node].spawn_again().unwrap();
    }
    let leads = |node: usize| field(&cluster.nodes[node], "flotilla_raft_is_leader").as_deref() == Some("1");
    wait_until("another node leads", || others.iter().any(|node| leads(*node)));
    assert_eq!(call(&mut cluster.nodes[others[0]].connect().unwrap(), &["SET", "after", "1"]), ok());
    cluster.nodes[leader].resume().unwrap();
    for node in &cluster.nodes {
        wait_for_roles(node, &FOUR);
    }
    assert_has(&newcomer, 20);
    cluster.nodes.push(newcomer);
    cluster.wait_until_agreed().unwrap();
    // Removed after all, it stays out.
    admin_ok(&cluster.nodes[0], &["remove", "core-3"]);
    wait_for_roles(&cluster.nodes[0], &THREE);
    wait_until("core-3 hears that it was removed", || {
        cluster.nodes[3].log_tail().contains("no longer serves clients")
    });
    assert_eq!(roles(&cluster.nodes[0]), THREE);
}

/// A voter is cut off (stopped in its tracks, or dead), removed, and comes back without knowing.
#[test]
fn a_node_removed_while_it_was_away_neither_disturbs_nor_serves() {
    let program = Program::product();
    for dies in [false, true] {
        let mut cluster = Cluster::start(&program, NODES, &[]).unwrap();
        fill(&cluster.nodes[0], 20);
        let leader = cluster.wait_until_agreed().unwrap();
        // Once the leader itself, once a follower.
        let away = if dies { (leader + 1) % NODES } else { leader };
        let name = format!("core-{away}");
        let mut here: Vec<usize> = (0..NODES).filter(|node| *node != away).collect();
        match dies {
            true => drop(cluster.nodes[away].stop(Stop::Kill).unwrap()),
            false => cluster.nodes[away].pause().unwrap(),
        }
        let removed = || admin(&cluster.nodes[here[0]], &["remove", &name]).status.success();
        wait_until("the absent node is removed", removed);
        let left: Vec<String> = here.iter().map(|node| format!("core-{node} voter")).collect();
        let left: Vec<&str> = left.iter().map(String::as_str).collect();
        here.iter().for_each(|node| wait_for_roles(&cluster.nodes[*node], &left));
        let mut connection = cluster.nodes[here[0]].connect().unwrap();
        assert_eq!(call(&mut connection, &["SET", "key:0", "new"]), ok());
        let term = field(&cluster.nodes[here[0]], "flotilla_raft_term");
        match dies {
            true => cluster.nodes[away].spawn_again().unwrap(),
            false => cluster.nodes[away].resume().unwrap(),
        }
        // From its first moment on it may refuse, but not tell what was, nor take a write.
        let node = &cluster.nodes[away];
        let answers = || {
            let mut connection = node.connect().ok()?;
            connection.set_deadline(Duration::from_secs(30));
            let read = call(&mut connection, &["GET", "key:0"]);
            assert_ne!(read, bulk("0"), "{name}, removed, tells what was");
            let write = call(&mut connection, &["SET", "key:1", "by a removed node"]);
            assert_ne!(write, ok(), "{name}, removed, takes a write");
            Some([error_code(&read), error_code(&write)])
        };
        // One that starts without a core to hear of may never open its client port; what it logs will do.
        let refuses = || answers().is_some_and(|codes| codes == ["CLUSTERDOWN", "CLUSTERDOWN"]);
        let knows = || node.log_tail().contains("no longer serves clients");
        wait_until("it knows that it was removed", || refuses() || dies && knows());
        // It has time for several elections, and wins none, nor starts any.
        thread::sleep(Duration::from_secs(2));
        assert_eq!(field(&cluster.nodes[here[0]], "flotilla_raft_term"), term, "{name}, removed, disturbs");
        assert_eq!(call(&mut connection, &["GET", "key:0"]), bulk("new"));
        assert_eq!(call(&mut connection, &["GET", "key:1"]), Value::Bulk(b"1".to_vec()));
        here.iter().for_each(|node| wait_for_roles(&cluster.nodes[*node], &left));
        // Emptied it is another node, and welcome.
        cluster.nodes[away].stop(Stop::Kill).unwrap();
        cluster.nodes[away].wipe().unwrap();
        cluster.nodes[away].spawn_again().unwrap();
        here.push(away);
        here.iter().for_each(|node| wait_for_roles(&cluster.nodes[*node], &THREE));
    }
}
