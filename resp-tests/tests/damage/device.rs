//! A device that does not give back what it was given: the node says so, and never guesses.

use std::path::{Path, PathBuf};
use std::time::Instant;

use resp_tests::damage::{segments, tables};
use resp_tests::server::{Program, Stop};
use resp_tests::value::Value;

use super::stage::{WHOLE_MAX, assert_has_all, dice, start_of, told, value, wait_until_whole};

const DISK_BYTES: u64 = 512 << 20;

#[test]
fn tables_that_the_device_cannot_read_are_never_guessed() {
    cannot_be_read(tables);
}

#[test]
fn a_log_that_the_device_cannot_read_is_never_guessed() {
    cannot_be_read(segments);
}

fn cannot_be_read(files: fn(&Path) -> Vec<PathBuf>) {
    let program = Program::product().with_recorded_disk(DISK_BYTES);
    let mut cluster = start_of(&program, &["--verify-interval", "0", "--disk-low-bytes", "32mb"]);
    let victim = cluster.wait_until_agreed().unwrap();
    let node = &mut cluster.nodes[victim];
    node.stop(Stop::Terminate).unwrap();
    let files = files(&node.data());
    node.spoil(&files).unwrap();
    node.spawn_again().unwrap();
    let deadline = Instant::now() + WHOLE_MAX;
    let mut key = 0;
    // At its start it stops and names the file: the device may be back at the next one. Under a client it is damage.
    while !node.has_said("is damaged") && !node.has_said("Input/output error") {
        if let Some(told) = told(node, key % 400) {
            assert_eq!(told, Value::Bulk(value(key % 400).into_bytes()), "key:{}", key % 400);
        }
        key += 1;
        assert!(Instant::now() < deadline, "nobody noticed\n{}", node.log_tail());
    }
    // The device is replaced by one with the same bytes.
    drop(node.stop(Stop::Kill));
    node.mend_disk().unwrap();
    node.spawn_again().unwrap();
    let took = wait_until_whole(&mut cluster, victim, &mut dice(), "cannot be read");
    println!("whole after {took:?}");
    assert_has_all(&cluster.nodes[victim], "cannot be read");
}
