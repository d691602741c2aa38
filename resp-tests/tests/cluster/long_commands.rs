//! A command that takes seconds keeps nobody but writers waiting.

use super::{Cluster, NODES, Program, Value, bulk, call, ok};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const MEMBERS: usize = 60_000;

fn fill(node: &mut resp_tests::connection::Connection, key: &str, from: usize) {
    let members: Vec<String> = (from..from + MEMBERS).map(|member| format!("member:{member}")).collect();
    for part in members.chunks(2000) {
        let mut words = vec!["SADD", key];
        words.extend(part.iter().map(String::as_str));
        assert_eq!(call(node, &words), Value::Integer(part.len() as i64));
    }
}

/// Followers hear that it is committed when the leader has applied it: until then the leader's reads, and those that ask the
/// leader for the read index, need not wait for it.
#[test]
fn reads_go_on_while_a_long_command_runs_and_see_it_everywhere_once_it_has_answered() {
    let cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let connect = |index: usize| cluster.nodes[index].connect().unwrap();
    let mut writer = connect(leader);
    fill(&mut writer, "a", 0);
    fill(&mut writer, "b", MEMBERS);
    assert_eq!(call(&mut writer, &["SET", "other", "value"]), ok());
    for index in 0..NODES {
        assert_eq!(call(&mut connect(index), &["SCARD", "b"]), Value::Integer(MEMBERS as i64));
    }
    let is_running = AtomicBool::new(true);
    let reads = thread::scope(|scope| {
        let reader = |index: usize| {
            let (mut node, is_running) = (connect(index), &is_running);
            scope.spawn(move || {
                let mut reads = 0;
                // The last one begins while it runs, and may end later.
                while is_running.load(Ordering::Acquire) {
                    assert_eq!(call(&mut node, &["GET", "other"]), bulk("value"));
                    reads += 1;
                }
                reads
            })
        };
        let readers: Vec<_> = (0..NODES).map(reader).collect();
        let union = Value::Integer(2 * MEMBERS as i64);
        assert_eq!(call(&mut writer, &["SUNIONSTORE", "union", "a", "b"]), union);
        is_running.store(false, Ordering::Release);
        for index in 0..NODES {
            assert_eq!(call(&mut connect(index), &["SCARD", "union"]), union, "node {index}");
        }
        readers.into_iter().map(|reader| reader.join().unwrap()).collect::<Vec<i32>>()
    });
    // Where they wait, it is for the whole command: a handful before it is committed, and one.
    assert!(reads.iter().all(|reads| *reads > 50), "{reads:?} reads, the leader is {leader}");
}
