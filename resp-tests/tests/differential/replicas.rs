//! The nodes of a core have the same state after the same random commands, to the byte; also when they have been killed and
//! have replayed their logs: no command that a client can send breaks apply, then or later.

use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::connection::{Connection, Received};
use resp_tests::differential::catalogue::Catalogue;
use resp_tests::differential::generator::{Generator, Step};
use resp_tests::differential::name_of;
use resp_tests::server::{Kind, Program, Server};
use resp_tests::value::{Value, encode};

const STEPS: usize = 3_000;
const AT_ONCE: usize = 100;

#[test]
fn the_nodes_of_a_core_store_the_same() {
    let program = Program::product();
    if program.kind == Kind::Reference {
        println!("the reference has no nodes that agree: nothing to compare");
        return;
    }
    let mut core = Cluster::start(&program, 3, &["--enable-debug-command", "local"]).unwrap();
    let leader = core.wait_until_agreed().unwrap();
    let mut connection = core.nodes[leader].connect().unwrap();
    let catalogue = Catalogue::of(&mut connection).unwrap();
    let mut sent = 0;
    let mut batch = Vec::new();
    // Waiting clients and walks are not what this is about; RESP3 changes no state.
    let steps = Generator::new(11, &catalogue).take(STEPS).filter_map(|step| match step {
        Step::Calls(_, calls) if name_of(&calls[0]) != b"HELLO" => Some(calls),
        _ => None,
    });
    for argv in steps.flatten() {
        batch.extend_from_slice(&encode(&argv));
        sent += 1;
        if sent == AT_ONCE {
            exchange(&mut connection, &mut batch, &mut sent);
        }
    }
    exchange(&mut connection, &mut batch, &mut sent);
    let before = agreed_state(&core);
    core.kill_and_restart().unwrap();
    // Elections are entries, and keys may have expired: that the nodes agree again is what counts.
    println!("{before:?}, after a restart {:?}", agreed_state(&core));
}

/// When all nodes stand at one entry: what each of them has there must be the same.
fn agreed_state(core: &Cluster) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut states: Vec<Value> = core.nodes.iter().map(state).collect();
        let indexes: Vec<&Value> = states.iter().map(|state| &parts(state)[0]).collect();
        if indexes.windows(2).all(|pair| pair[0] == pair[1]) {
            assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "the nodes differ: {states:?}");
            return states.remove(0);
        }
        assert!(Instant::now() < deadline, "the nodes never came to the same entry: {states:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn exchange(connection: &mut Connection, batch: &mut Vec<u8>, sent: &mut usize) {
    connection.send_raw(batch).unwrap();
    for _ in 0..*sent {
        assert!(matches!(connection.receive().unwrap(), Received::Reply(_)), "the connection was closed");
    }
    batch.clear();
    *sent = 0;
}

/// The entry that a node stands at, and the checksum of its data.
fn state(node: &Server) -> Value {
    match node.connect().unwrap().call(&["DEBUG", "CHECKSUM"]).unwrap() {
        Received::Reply(state) => state,
        Received::Closed => panic!("closed"),
    }
}

fn parts(state: &Value) -> &[Value] {
    match state {
        Value::Array(parts) if parts.len() == 2 => parts,
        other => panic!("DEBUG CHECKSUM answered {other:?}"),
    }
}
