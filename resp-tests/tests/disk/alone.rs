//! One node.

use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::field;
use resp_tests::dice::Dice;
use resp_tests::server::{Server, Stop};
use resp_tests::support::{call, error_code, eventually, eventually_within, ok};
use resp_tests::value::Value;

use super::{DISK_BYTES, LOW_BYTES, MIB, VALUE_BYTES, assert_low, fill, is_taken, key, program, small};

/// A compaction or two, beside other tests.
const LONG: Duration = Duration::from_secs(120);

#[test]
fn a_node_that_fills_its_disk_refuses_growth_also_after_a_kill_and_takes_it_again_once_there_is_room() {
    let mut server = Server::start(&program(), &small()).unwrap();
    let (mut node, mut dice) = (server.connect().unwrap(), Dice::new(1));
    let keys = fill(&mut node, &mut dice, 0);
    // It did not give up early.
    assert!(keys * VALUE_BYTES as u64 > (DISK_BYTES - LOW_BYTES) / 4, "{keys}");
    assert_low(&server, &mut node);
    assert_eq!(field(&server, "flotilla_disk_state").as_deref(), Some("low"));
    assert_eq!(field(&server, "flotilla_growth_refused").as_deref(), Some("1"));
    assert!(server.disk().left().unwrap() > LOW_BYTES / 4);

    server.stop(Stop::Kill).unwrap();
    server.start_again().unwrap();
    let mut node = server.connect().unwrap();
    // What it had not stored yet takes no room now, and its log is shorter.
    let keys = fill(&mut node, &mut dice, keys);
    assert_low(&server, &mut node);

    for number in 2..keys / 2 {
        call(&mut node, &["DEL", &key(number)]);
    }
    let began = Instant::now();
    eventually_within("what was deleted is room again", LONG, || is_taken(&mut node));
    println!("room {:?} after half of the keys were deleted", began.elapsed());
    let keys = fill(&mut node, &mut dice, keys);
    assert_low(&server, &mut node);

    assert_eq!(call(&mut node, &["FLUSHALL"]), ok());
    let began = Instant::now();
    eventually_within("so is what was flushed", LONG, || is_taken(&mut node));
    println!("room {:?} after FLUSHALL", began.elapsed());
    assert_eq!(call(&mut node, &["GET", &key(keys - 1)]), Value::NilBulk);
    eventually("the disk is low no more", || {
        field(&server, "flotilla_disk_state").as_deref() == Some("tight")
    });
    assert_eq!(server.http("/readyz").unwrap(), (200, "ready\n".to_owned()));
    assert!(server.is_running().unwrap());
}

/// The node keeps some space from them.
#[test]
fn a_disk_that_others_have_filled_lets_the_node_start_serve_and_delete() {
    let mut server = Server::start(&program(), &small()).unwrap();
    let mut node = server.connect().unwrap();
    for number in 0..20 {
        assert_eq!(call(&mut node, &["SET", &key(number), &"x".repeat(VALUE_BYTES)]), ok());
    }
    let reserve = server.data().join("RESERVE");
    eventually("there is a reserve", || reserve.exists());
    server.disk().fill_to(0).unwrap();
    eventually("it is used", || field(&server, "flotilla_disk_state").as_deref() == Some("low"));
    eventually("growth is refused", || !is_taken(&mut node));
    assert_eq!(call(&mut node, &["DEL", &key(2)]), Value::Integer(1));
    assert_low(&server, &mut node);

    server.stop(Stop::Kill).unwrap();
    server.disk().fill_to(0).unwrap();
    server.start_again().unwrap();
    let mut node = server.connect().unwrap();
    eventually("growth is refused at the start, too", || !is_taken(&mut node));
    assert_eq!(call(&mut node, &["DEL", &key(3)]), Value::Integer(1));
    assert_low(&server, &mut node);

    server.disk().free().unwrap();
    eventually("with room it takes all writes", || is_taken(&mut node));
    eventually("and makes the reserve again", || {
        reserve.metadata().is_ok_and(|found| found.len() == LOW_BYTES / 4)
    });
}

/// There is nothing that it could write; it waits for room, and loses nothing that it acknowledged.
#[test]
fn a_disk_without_any_room_stops_no_reads() {
    let mut server = Server::start(&program(), &small()).unwrap();
    let mut node = server.connect().unwrap();
    for number in 0..20 {
        assert_eq!(call(&mut node, &["SET", &key(number), &"x".repeat(VALUE_BYTES)]), ok());
    }
    let full = || field(&server, "flotilla_disk_state").as_deref() == Some("full");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !full() && Instant::now() < deadline {
        server.disk().fill_to(0).unwrap();
        thread::sleep(Duration::from_millis(50));
    }
    assert!(full(), "{}", server.log_tail());
    assert_eq!(error_code(&call(&mut node, &["DEL", &key(1)])), "OOM");
    for _ in 0..20 {
        server.disk().fill_to(0).unwrap();
        assert!(
            matches!(call(&mut node, &["GET", &key(1)]), Value::Bulk(value) if value.len() == VALUE_BYTES)
        );
        thread::sleep(Duration::from_millis(100));
    }
    assert!(server.is_running().unwrap(), "{}", server.log_tail());
    server.disk().free().unwrap();
    eventually("with room it takes all writes", || is_taken(&mut node));
    assert_eq!(call(&mut node, &["DEL", &key(1)]), Value::Integer(1));
    assert!(server.disk().left().unwrap() > 100 * MIB);
    assert_eq!(call(&mut node, &["DEBUG", "COMPACT"]), ok());
}
