//! Nodes of a site that were away for long.

use resp_tests::cluster::field;
use resp_tests::server::{Server, Stop};
use resp_tests::value::Value;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::oracle::{Reader, Writer, let_write};
use super::support::*;

/// Says a node that could not get a copy from anybody.
const PAST: &str = "no node of the site has that whole copy any more";

fn wait_for_leader(site: &[Server], among: &[usize]) -> usize {
    let leads = |index: &usize| field(&site[*index], "flotilla_raft_is_leader").as_deref() == Some("1");
    let mut led = None;
    eventually("a node leads the site", || {
        led = among.iter().copied().find(leads);
        led.is_some()
    });
    led.unwrap()
}

/// The site takes another whole copy, of what it had not when it took the last one.
fn take_a_copy(writer: &Writer, site: &[Server], among: &[usize]) {
    let_write(writer, 20);
    let last = writer.last.load(Ordering::Relaxed);
    let led = wait_for_leader(site, among);
    wait_for_last(&site[led..=led], last);
    let before = info(&site[led], "flotilla_seeds");
    let output = admin(&site[led], &["reseed"]);
    assert!(output.status.success(), "{output:?}");
    eventually("a copy was taken", || info(&site[led], "flotilla_seeds") > before);
}

fn wait_for_last(nodes: &[Server], last: u64) {
    for node in nodes {
        eventually(&format!("the last write is seen\n{}", node.log_tail()), || {
            let Ok(mut client) = node.connect() else { return false };
            matches!(call(&mut client, &["GET", "one"]), Value::Bulk(text)
                if String::from_utf8_lossy(&text).parse::<u64>().unwrap() >= last)
        });
    }
}

/// Each whole copy is kept for a while, for a node that has not come so far; one was away for longer than that.
#[test]
fn a_node_that_missed_more_whole_copies_than_are_kept_comes_back_by_itself() {
    let core = core(1, &[]);
    let mut site = site("fra", &upstream(&core), 3, &[]);
    let writer = Writer::start(vec![core.nodes[0].port]);
    let_write(&writer, 50);
    let away = (wait_for_leader(&site, &[0, 1, 2]) + 1) % 3;
    let others: Vec<usize> = (0..3).filter(|index| *index != away).collect();
    site[away].stop(Stop::Kill).unwrap();
    for _ in 0..4 {
        take_a_copy(&writer, &site, &others);
    }
    let readers: Vec<Reader> = site.iter().map(|node| Reader::start(node.port)).collect();
    // Killed on its way, wherever that is.
    for round in 0..6 {
        site[away].spawn_again().unwrap();
        thread::sleep(Duration::from_millis(200 + round * 100));
        site[away].stop(Stop::Kill).unwrap();
    }
    site[away].start_again().unwrap();
    let_write(&writer, 30);
    eventually(&format!("it goes past what nobody has\n{}", site[away].log_tail()), || {
        info(&site[away], "flotilla_core_index") >= info(&core.nodes[0], "flotilla_core_index") - 100
    });
    assert!(site[away].has_said(PAST));
    // Whatever it has gone past, it is one like the others now: it takes the next copy, and can do without them.
    take_a_copy(&writer, &site, &[0, 1, 2]);
    let gone = others[0];
    site[gone].stop(Stop::Kill).unwrap();
    let_write(&writer, 30);
    site[gone].start_again().unwrap();
    let last = writer.stop();
    wait_for_last(&site, last);
    let reads: Vec<u64> = readers.into_iter().map(Reader::stop).collect();
    println!("{last} writes, reads at the nodes: {reads:?}");
    let all: Vec<&Server> = site.iter().collect();
    assert_same_state(&core.nodes[0], &all);
    // And it stands where it says it stands.
    site[away].stop(Stop::Kill).unwrap();
    site[away].start_again().unwrap();
    let all: Vec<&Server> = site.iter().collect();
    assert_same_state(&core.nodes[0], &all);
}
