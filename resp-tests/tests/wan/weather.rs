//! Following through delay, loss and short cuts, under load.

use std::thread;
use std::time::{Duration, Instant};

use super::setup::*;

/// Follows through this weather for as long as it lasts, and then some longer cuts that break connections.
fn follow_through(name: &str, link: Link, has_short_cuts: bool) {
    const SLICES: u32 = 4;
    let wan = wan(name, 2, 1);
    let core = core(&wan, &[0], &[]);
    let edge = edge_at(&wan, 1, &core, &[]);
    wan.set(&[0], &[1], link);
    let cuts = has_short_cuts
        .then(|| wan.cut_now_and_then(&[0], &[1], (Duration::from_millis(10), Duration::from_millis(40))));
    let writer = Writer::start(vec![core.nodes[0].door()]);
    let load = Load::start(core.nodes[0].door(), Duration::from_millis(50));
    let reader = Reader::start(edge.door());
    let mut lags_ms = Vec::new();
    for _ in 0..SLICES {
        let before = writer.last.load(std::sync::atomic::Ordering::Relaxed);
        let end = Instant::now() + weather_lasts() / SLICES;
        while Instant::now() < end {
            lags_ms.push(info(&edge, "flotilla_lag_ms"));
            thread::sleep(Duration::from_millis(100));
        }
        // It follows while the load lasts, not only afterwards.
        wait_for_last(&[&edge], before);
    }
    let short = cuts.map(resp_tests::wan::Cuts::stop);
    // Longer than what both sides take for silence: it must connect again and go on where it was.
    wan.cut(&[0], &[1]);
    eventually("the edge notices", || {
        resp_tests::cluster::field(&edge, "flotilla_edge_state").as_deref() == Some("cut")
    });
    let_write(&writer, 50);
    wan.heal(&[0], &[1]);
    let (last, loaded) = (writer.stop(), load.stop());
    wait_for_last(&[&edge], last);
    let reads = reader.stop();
    assert_same_state(&core.nodes[0], &[&edge]);
    assert_eq!(info(&edge, "flotilla_bootstraps"), 0, "the log was enough\n{}", edge.log_tail());
    lags_ms.sort();
    println!(
        "{name}: {last} transactions, {loaded} writes beside, {reads} reads; lag ms: median {}, most {}; down {:?}, up {:?}; cuts {short:?}",
        lags_ms[lags_ms.len() / 2],
        lags_ms[lags_ms.len() - 1],
        wan.carried(0, 1),
        wan.carried(1, 0),
    );
    let (down, up) = (wan.carried(0, 1), wan.carried(1, 0));
    assert!(down.cut + up.cut > 0, "nothing was cut");
    assert_eq!(down.lost > 0, link.lost_of_million > 0, "no packet was lost");
    assert!(reads > 0 && short.is_none_or(|short| !short.is_empty()));
}

#[test]
fn an_edge_follows_through_jitter_and_short_cuts() {
    let link = Link { jitter: Duration::from_millis(10), ..Link::of_round_trip(ROUND_TRIP_MS) };
    follow_through("jitter and short cuts", link, true);
}

#[test]
fn an_edge_follows_while_one_packet_of_a_hundred_is_lost() {
    let link = Link { lost_of_million: 10_000, ..Link::of_round_trip(ROUND_TRIP_MS) };
    follow_through("loss", link, false);
}

/// Pushed as it commits: nobody waits for the next write, or for a poll, which would be a round trip more.
#[test]
fn a_lone_write_is_there_after_one_way_and_a_little() {
    const ROUNDS: usize = 9;
    /// For a machine that has other things to do; `bench` measures.
    const MEDIAN_MS_MAX: u128 = 500;
    let wan = wan("lone writes", 2, 1);
    let core = core(&wan, &[0], &[]);
    let edge = edge_at(&wan, 1, &core, &[]);
    let (mut client, mut reader) = (core.nodes[0].connect().unwrap(), edge.connect().unwrap());
    let (mut took_ms, mut since_sent_ms) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        thread::sleep(Duration::from_secs(1));
        let text = round.to_string();
        let sent = Instant::now();
        assert_eq!(call(&mut client, &["SET", "lone", &text]), ok());
        let began = Instant::now();
        let soon = began + SOON;
        while call(&mut reader, &["GET", "lone"]) != bulk(&text) {
            assert!(Instant::now() < soon, "it never came");
            thread::sleep(Duration::from_millis(1));
        }
        took_ms.push(began.elapsed().as_millis());
        since_sent_ms.push(sent.elapsed().as_millis());
    }
    took_ms.sort();
    let median = took_ms[ROUNDS / 2];
    println!("lone writes: visible {median} ms after their acknowledgement (median), all {took_ms:?}");
    assert!(median < MEDIAN_MS_MAX, "{took_ms:?}");
    // An acknowledgement may be late.
    let soonest = since_sent_ms.iter().min().unwrap();
    assert!(soonest + 10 >= u128::from(ROUND_TRIP_MS / 2), "faster than the network: {since_sent_ms:?}");
}
