//! Whole copies: when the log does not go back so far, when the history is another one, when an administrator wants one.

use resp_tests::cluster::{Cluster, field};
use resp_tests::server::{Program, Stop};
use resp_tests::value::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::oracle::{Reader, Writer};
use super::support::*;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// More than the core's log keeps.
pub fn outgrow_the_log(core: &Cluster, name: &str) {
    let before = info(&core.nodes[0], "flotilla_log_purged_index");
    let large = "x".repeat(50_000);
    let mut client = core.nodes[0].connect().unwrap();
    let mut key = 0;
    eventually("the log is purged", || {
        for _ in 0..40 {
            assert_eq!(call(&mut client, &["SET", &format!("{name}:{}", key % 200), &large]), ok());
            key += 1;
        }
        info(&core.nodes[0], "flotilla_log_purged_index") > before + 200
    });
}

#[test]
fn an_edge_that_was_away_too_long_takes_a_whole_copy() {
    let core = core(1, &SMALL);
    let mut client = core.nodes[0].connect().unwrap();
    assert_eq!(call(&mut client, &["SET", "old", "1"]), ok());
    outgrow_the_log(&core, "first");
    // From nothing, since the beginning of the log is gone.
    let mut edge = edge("fra", &upstream(&core), &SMALL);
    assert_eq!(info(&edge, "flotilla_bootstraps"), 1, "{}", edge.log_tail());
    assert_same_state(&core.nodes[0], &[&edge]);
    edge.stop(Stop::Terminate).unwrap();
    outgrow_the_log(&core, "second");
    assert_eq!(call(&mut client, &["SET", "one", "0"]), ok());
    assert_eq!(call(&mut client, &["SET", "two", "0"]), ok());
    let writer = Writer::start(vec![core.nodes[0].port]);
    edge.start_again().unwrap();
    let reader = Reader::start(edge.port);
    eventually("it takes another copy", || info(&edge, "flotilla_bootstraps") == 1);
    let last = writer.stop();
    eventually("the last write is seen", || {
        number(&call(&mut edge.connect().unwrap(), &["GET", "one"])) >= last as i64
    });
    reader.stop();
    assert_same_state(&core.nodes[0], &[&edge]);
    // A third one, of files whose names were there before with other content.
    edge.stop(Stop::Kill).unwrap();
    outgrow_the_log(&core, "third");
    edge.start_again().unwrap();
    eventually(&format!("it takes a third copy\n{}", edge.log_tail()), || {
        info(&edge, "flotilla_bootstraps") == 1
    });
    assert_same_state(&core.nodes[0], &[&edge]);
    edge.stop(Stop::Kill).unwrap();
    edge.start_again().unwrap();
    assert_same_state(&core.nodes[0], &[&edge]);
}

#[test]
fn an_edge_notices_another_history_and_starts_again() {
    let mut core = core(1, &[]);
    let mut client = core.nodes[0].connect().unwrap();
    for key in 0..100 {
        assert_eq!(call(&mut client, &["SET", &format!("key:{key}"), "1"]), ok());
    }
    let edge = edge("fra", &upstream(&core), &[]);
    assert_same_state(&core.nodes[0], &[&edge]);
    let before = field(&edge, "flotilla_history_id").unwrap();
    core.nodes[0].stop(Stop::Kill).unwrap();
    let data = core.nodes[0].data();
    let recovered = Command::new(Program::product().path)
        .args(["admin", "recover", "--data-dir", data.to_str().unwrap()])
        .args(["--peer-address", &core.nodes[0].peer_address()])
        .arg("--i-accept-that-acknowledged-writes-may-be-lost")
        .output()
        .unwrap();
    assert!(recovered.status.success(), "{}", String::from_utf8_lossy(&recovered.stderr));
    let mut reader = edge.connect().unwrap();
    assert_eq!(call(&mut reader, &["GET", "key:5"]), bulk("1"), "the old data serve meanwhile");
    core.nodes[0].start_again().unwrap();
    let mut client = core.nodes[0].connect().unwrap();
    client.set_deadline(SOON);
    eventually("the core serves", || call(&mut client, &["SET", "key:5", "2"]) == ok());
    eventually("the edge follows the new history", || call(&mut reader, &["GET", "key:5"]) == bulk("2"));
    assert_ne!(field(&edge, "flotilla_history_id").unwrap(), before);
    assert_eq!(info(&edge, "flotilla_bootstraps"), 1);
    assert_same_state(&core.nodes[0], &[&edge]);
}

/// A core that lost what it had acknowledged, and does not know it: the edge has entries of it that are not in its log.
#[test]
fn an_edge_whose_data_contradict_the_core_raises_an_alarm_and_starts_again() {
    let mut core = core(1, &[]);
    let write = |core: &Cluster, name: &str, keys: u32| {
        let mut client = core.nodes[0].connect().unwrap();
        client.set_deadline(SOON);
        eventually("the core serves", || call(&mut client, &["SET", name, "1"]) == ok());
        for key in 0..keys {
            assert_eq!(call(&mut client, &["SET", &format!("{name}:{key}"), "1"]), ok());
        }
    };
    write(&core, "kept", 50);
    core.nodes[0].stop(Stop::Terminate).unwrap();
    let backup = tempfile::tempdir().unwrap();
    let copied = backup.path().join("data");
    copy(&core.nodes[0].data(), &copied);
    core.nodes[0].start_again().unwrap();
    let edge = edge("fra", &upstream(&core), &[]);
    write(&core, "lost", 500);
    assert_same_state(&core.nodes[0], &[&edge]);
    core.nodes[0].stop(Stop::Kill).unwrap();
    core.nodes[0].wipe().unwrap();
    copy(&copied, &core.nodes[0].data());
    // The first start leads in the term that is lost, in which there is next to nothing; the second in a later one.
    core.nodes[0].start_again().unwrap();
    write(&core, "between", 0);
    core.nodes[0].stop(Stop::Terminate).unwrap();
    core.nodes[0].start_again().unwrap();
    write(&core, "new", 10);
    eventually("the edge has the core's data", || {
        call(&mut edge.connect().unwrap(), &["GET", "new:9"]) == bulk("1")
    });
    assert_eq!(
        call(&mut edge.connect().unwrap(), &["GET", "lost:499"]),
        Value::NilBulk,
        "{}",
        edge.log_tail()
    );
    assert_eq!((info(&edge, "flotilla_bootstraps"), info(&edge, "flotilla_contradictions")), (1, 1));
    assert!(edge.log_tail().contains("contradict the core's log"), "{}", edge.log_tail());
    assert_same_state(&core.nodes[0], &[&edge]);
    write(&core, "later", 1);
    eventually("it follows on", || call(&mut edge.connect().unwrap(), &["GET", "later:0"]) == bulk("1"));
}

#[test]
fn an_administrator_can_have_a_site_start_again() {
    let core = core(1, &[]);
    let edge = edge("fra", &upstream(&core), &[]);
    let mut client = edge.connect().unwrap();
    assert_eq!(call(&mut client, &["SET", "a", "1"]), ok());
    let output = admin(&edge, &["reseed"]);
    assert!(output.status.success(), "{output:?}");
    eventually("a copy was taken", || info(&edge, "flotilla_bootstraps") == 1);
    assert_eq!(call(&mut client, &["SET", "a", "2"]), ok());
    assert_eq!(call(&mut client, &["GET", "a"]), bulk("2"));
    assert_same_state(&core.nodes[0], &[&edge]);
    assert!(!admin(&core.nodes[0], &["reseed"]).status.success());
}

/// An edge without data never answers as if there were none.
#[test]
fn an_edge_that_never_reached_the_core_refuses_reads() {
    let edge = spawn_edge("fra", "127.0.0.1:1", &[]);
    let mut client = edge.connect().unwrap();
    assert_eq!(error_code(&call(&mut client, &["GET", "a"])), "LOADING");
    assert_eq!(call(&mut client, &["PING"]), Value::Simple(b"PONG".to_vec()));
    assert_eq!(info(&edge, "loading"), 1);
}
