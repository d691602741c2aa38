//! Bootstrap snapshots over a slow network: after a long cut, broken half-way, after the loss of a disk.

use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::dice::Dice;
use resp_tests::server::{Server, Stop};

use super::setup::*;

/// A core's log that is soon too short for an edge that was away, but not for one that has just fetched a copy.
const SHORT_LOG: [&str; 8] = [
    "--log-retain-bytes",
    "1mb",
    "--log-retain-seconds",
    "0",
    "--log-retain-bytes-max",
    "64mb",
    "--memtable-bytes",
    "1mb",
];
const LARGE_BYTES: usize = 50_000;
const LARGE_KEYS: usize = 200;

/// Writes large values until the core's log does not reach back to where it began.
fn outgrow_the_log(core: &Cluster) {
    let mut dice = Dice::new(2);
    let before =
        info(&core.nodes[0], "flotilla_core_index").max(info(&core.nodes[0], "flotilla_raft_applied_index"));
    let mut client = core.nodes[0].connect().unwrap();
    let mut key = 0;
    eventually("the log is purged", || {
        for _ in 0..40 {
            let value = noise(&mut dice, LARGE_BYTES);
            assert_eq!(call(&mut client, &["SET", &format!("large:{}", key % LARGE_KEYS), &value]), ok());
            key += 1;
        }
        key >= LARGE_KEYS && info(&core.nodes[0], "flotilla_log_purged_index") > before
    });
}

#[test]
fn a_cut_longer_than_the_cores_log_ends_with_a_whole_copy() {
    let wan = wan("long cut", 2, 1);
    let core = core(&wan, &[0], &SHORT_LOG);
    let edge = edge_at(&wan, 1, &core, &[]);
    let writer = Writer::start(vec![core.nodes[0].door()]);
    let reader = Reader::start(edge.door());
    let_write(&writer, 100);
    eventually("it is seen", || shown(&edge, "one") > 50);
    let before = info(&edge, "flotilla_bootstraps");
    wan.cut(&[0], &[1]);
    let cut_at = Instant::now();
    eventually("the edge notices", || field(&edge, "flotilla_edge_state").as_deref() == Some("cut"));
    outgrow_the_log(&core);
    let mut client = edge.connect().unwrap();
    let stood = shown(&edge, "one");
    let mut reads = 0;
    while cut_at.elapsed() < long_cut() || reads < 100 {
        let asked_at = cut_at.elapsed();
        // What was there is there, and the edge does not make itself younger than it is.
        assert_eq!(number(&call(&mut client, &["GET", "one"])), stood);
        let lag = Duration::from_millis(u64::try_from(info(&edge, "flotilla_lag_ms")).unwrap());
        assert!(lag + Duration::from_millis(500) > asked_at, "cut for {asked_at:?}, and it says {lag:?}");
        assert!(lag < asked_at + SOON, "{lag:?}");
        reads += 1;
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(call(&mut client, &["CLIENT", "CONSISTENCY", "bounded", "1000"]), ok());
    assert_eq!(error_code(&call(&mut client, &["GET", "one"])), "STALE");
    assert_eq!(info(&edge, "flotilla_bootstraps"), before);
    wan.heal(&[0], &[1]);
    eventually("it takes a bootstrap snapshot", || info(&edge, "flotilla_bootstraps") == before + 1);
    let took = wan.carried(0, 1);
    let last = writer.stop();
    wait_for_last(&[&edge], last);
    println!(
        "long cut: {:?}, {} reads of the oracle, {last} transactions, {took:?}",
        cut_at.elapsed(),
        reader.stop()
    );
    assert_same_state(&core.nodes[0], &[&edge]);
    assert_eq!(info(&edge, "flotilla_bootstraps"), before + 1, "{}", edge.log_tail());
}

/// Waits until so many hundredths of a bootstrap snapshot are here; of how many bytes it is.
fn wait_for_part(edge: &Server, hundredths: i64) -> u64 {
    let mut of_bytes = 0;
    eventually("a part of the copy is here", || {
        of_bytes = info(edge, "flotilla_bootstrap_size_bytes");
        of_bytes > 0 && info(edge, "flotilla_bootstrap_received_bytes") * 100 > of_bytes * hundredths
    });
    u64::try_from(of_bytes).unwrap()
}

/// Broken twice: by a cut so long that the attempt is given up, and by the edge's own death.
#[test]
fn a_whole_copy_that_breaks_half_way_goes_on_where_it_was() {
    /// A copy is ten times that.
    const BYTES_PER_SECOND: &str = "1mb";
    let wan = wan("broken copy", 2, 1);
    let slowly = [&SHORT_LOG[..], &["--edge-bootstrap-bytes-per-second", BYTES_PER_SECOND]].concat();
    let core = core(&wan, &[0], &slowly);
    let mut client = core.nodes[0].connect().unwrap();
    for key in ["one", "two"] {
        assert_eq!(call(&mut client, &["SET", key, "1"]), ok());
    }
    let mut edge = edge_at(&wan, 1, &core, &[]);
    wan.cut(&[0], &[1]);
    outgrow_the_log(&core);
    for key in ["one", "two"] {
        assert_eq!(call(&mut client, &["SET", key, "2"]), ok());
    }
    let reader = Reader::start(edge.door());
    let before = wan.carried(0, 1).bytes;
    let so_far = || wan.carried(0, 1).bytes - before;
    wan.heal(&[0], &[1]);

    wait_for_part(&edge, 40);
    wan.cut(&[0], &[1]);
    let at_cut = so_far();
    eventually("the attempt is given up", || edge.log_tail().contains("going on with it"));
    assert_eq!(shown(&edge, "one"), 1, "the old data serve meanwhile");
    wan.heal(&[0], &[1]);

    let of_bytes = wait_for_part(&edge, 75);
    edge.stop(Stop::Kill).unwrap();
    let at_death = so_far();
    edge.start_again().unwrap();
    eventually("the old data serve meanwhile", || shown(&edge, "one") == 1);

    eventually("the copy is in place", || info(&edge, "flotilla_bootstraps") == 1);
    let whole = so_far();
    println!(
        "broken copy: of {of_bytes} bytes {at_cut} had come at the cut, {at_death} at its death, {whole} in all"
    );
    // Were it begun again, it would be as much more as had come before. Parts that broke off come twice.
    assert!(at_cut * 10 > of_bytes * 3 && at_death * 10 > of_bytes * 6, "broken too soon");
    assert!(whole * 100 < of_bytes * 125, "{whole} of {of_bytes}");
    assert_same_state(&core.nodes[0], &[&edge]);
    assert!(reader.stop() > 0);
    assert_eq!(shown(&edge, "one"), 2);
}

/// Restarts a node whose data are gone, and waits until it is whole again.
fn lose_the_disk(node: &mut Server) {
    node.stop(Stop::Kill).unwrap();
    node.wipe().unwrap();
    node.start_again().unwrap();
    wait_for_data(node);
}

/// It shows nothing until it has all that it may have shown before, which a copy made earlier has not.
#[test]
fn an_edge_that_lost_its_disk_comes_back_by_itself() {
    let wan = wan("disk loss", 2, 1);
    let core = core(&wan, &[0], &SHORT_LOG);
    outgrow_the_log(&core);
    let mut edge = edge_at(&wan, 1, &core, &[]);
    let writer = Writer::start(vec![core.nodes[0].door()]);
    let reader = Reader::start(edge.door());
    for _ in 0..2 {
        let_write(&writer, 100);
        lose_the_disk(&mut edge);
        // Twice if the log was just being purged when the first was offered.
        assert!((1..=2).contains(&info(&edge, "flotilla_bootstraps")), "{}", edge.log_tail());
    }
    let last = writer.stop();
    wait_for_last(&[&edge], last);
    println!("disk loss: {last} transactions, {} reads", reader.stop());
    assert_same_state(&core.nodes[0], &[&edge]);
}
