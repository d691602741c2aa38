//! Backups: what was backed up comes back, at the moment that was asked for, and nothing that was changed on the way does.
//!
//! `BACKUP_MOMENTS` (20 if not set) moments are restored, chosen by `BACKUP_SEED` (printed).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod core;
mod damage;
mod moments;
mod objects;
mod providers;
mod stage;

use resp_tests::server::{Program, Stop};
use resp_tests::support::{admin, call, ok};
use resp_tests::value::Value;
use stage::{Store, dumps, fill, flotilla, keeps, said, start, start_on};

#[test]
fn a_backup_comes_back_whole_and_the_next_one_sends_what_is_new() {
    let store = Store::new();
    let node = start(&store, &["--archive-interval", "0"]);
    fill(&node, 0..3000);
    let first = said(&resp_tests::support::admin(&node, &["backup"]));
    assert!(first.contains("were sent"), "{first}");
    let then = dumps(&node);
    let status = stage::status(&node);
    let (bytes, sent) =
        (status["last"]["bytes"].as_u64().unwrap(), status["last"]["bytes_sent"].as_u64().unwrap());
    assert!(bytes > 1_000_000 && sent == bytes, "{status}");
    fill(&node, 3000..3010);
    said(&resp_tests::support::admin(&node, &["backup"]));
    let status = stage::status(&node);
    let again = status["last"]["bytes_sent"].as_u64().unwrap();
    assert!(again < bytes / 4, "sent {again} of {bytes} again: {status}");

    let list = said(&flotilla(&["backup", "list", "--from", store.url()]));
    let names: Vec<&str> = list.lines().skip(1).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names.len(), 2, "{list}");
    for name in &names {
        let verified = said(&flotilla(&["backup", "verify", "--from", store.url(), "--backup", name]));
        assert!(verified.contains("is sound"), "{verified}");
    }
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let told = said(&flotilla(&[
        "restore",
        "--from",
        store.url(),
        "--backup",
        names[0],
        "--data-dir",
        data.to_str().unwrap(),
    ]));
    assert!(told.contains(names[0]), "{told}");
    let restored = start_on(&data, &[]);
    assert_eq!(dumps(&restored), then);
    let mut connection = restored.connect().unwrap();
    assert_eq!(call(&mut connection, &["SET", "after", "restore"]), ok());
    // A directory that holds something is not touched.
    let full = restored.data();
    let refused = flotilla(&["restore", "--from", store.url(), "--data-dir", full.to_str().unwrap()]);
    assert!(!refused.status.success() && keeps(&refused, "is not empty"), "{refused:?}");
}

#[test]
fn a_core_of_three_begins_with_one_restored_node_as_the_chart_has_it() {
    let store = Store::new();
    let mut source = start(&store, &[]);
    call(&mut source.connect().unwrap(), &["SET", "city", "Lisbon"]);
    said(&admin(&source, &["backup"]));
    source.stop(Stop::Kill).unwrap();
    let home = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/backup/founding.sh");
    let output = std::process::Command::new("unshare")
        .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "sh", script])
        .arg(Program::product().path.canonicalize().unwrap())
        .arg(home.path())
        .arg(store.url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn old_backups_go_with_what_was_theirs_alone() {
    let store = Store::new();
    let node = start(&store, &["--backup-keep", "2", "--archive-interval", "1"]);
    for round in 0..4_u64 {
        fill(&node, round * 1000..round * 1000 + 1000);
        said(&resp_tests::support::admin(&node, &["backup"]));
    }
    let list = said(&flotilla(&["backup", "list", "--from", store.url()]));
    assert_eq!(list.lines().count(), 3, "{list}");
    for name in list.lines().skip(1).map(|line| line.split_whitespace().next().unwrap()) {
        said(&flotilla(&["backup", "verify", "--from", store.url(), "--backup", name]));
    }
    let told = said(&flotilla(&["backup", "prune", "--from", store.url(), "--keep", "1"]));
    assert!(told.contains("1 backups deleted"), "{told}");
    said(&flotilla(&["backup", "verify", "--from", store.url()]));
}

#[test]
fn the_leader_takes_backups_by_itself_when_they_are_due() {
    let store = Store::new();
    let node = start(&store, &["--backup-interval", "2"]);
    fill(&node, 0..10);
    resp_tests::support::eventually("two backups", || stage::status(&node)["taken"].as_u64() >= Some(2));
    let status = stage::status(&node);
    assert_eq!(status["failed"].as_u64(), Some(0), "{status}");
}

#[test]
fn a_node_without_a_place_for_backups_says_so() {
    let mut node = resp_tests::server::Server::start(&resp_tests::server::Program::product(), &[]).unwrap();
    let mut connection = node.connect().unwrap();
    match call(&mut connection, &["CORE", "BACKUP", "START"]) {
        Value::Error(text) => assert!(String::from_utf8_lossy(&text).contains("--backup-to"), "{text:?}"),
        other => panic!("{other:?}"),
    }
    let told = resp_tests::support::admin(&node, &["backup"]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    node.stop(Stop::Terminate).unwrap();
    for (args, why) in [
        (["--backup-to", "http://somewhere/x"], "file:///DIR"),
        (["--backup-to", "relative/path"], "relative/path"),
    ] {
        node.set_args(&args.map(str::to_owned));
        let refused = node.start_again().unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
}
