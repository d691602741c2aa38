//! Nodes of a site that were away for long, or come back with an empty disk; and many sites that want bootstrap snapshots at once.

use resp_tests::cluster::field;
use resp_tests::dice::Dice;
use resp_tests::server::{Server, Stop};
use resp_tests::value::Value;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::oracle::{Reader, Writer, let_write};
use super::seeds::outgrow_the_log;
use super::support::*;

/// Says a node that could not get a copy from anybody.
const PAST: &str = "no node of the site still has that bootstrap snapshot";

fn wait_for_leader(site: &[Server], among: &[usize]) -> usize {
    let leads = |index: &usize| field(&site[*index], "flotilla_raft_is_leader").as_deref() == Some("1");
    let mut led = None;
    eventually("a node leads the site", || {
        led = among.iter().copied().find(leads);
        led.is_some()
    });
    led.unwrap()
}

/// Whether all nodes of a site vote, as this one knows.
fn are_three_voters(node: &Server) -> bool {
    let Ok(mut client) = node.connect() else { return false };
    let Value::Bulk(json) = call(&mut client, &["CORE", "STATUS"]) else { return false };
    let told: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let nodes = told["nodes"].as_array().unwrap();
    let votes = |node: &serde_json::Value| node["role"] == "voter" || node["role"] == "leader";
    told["change_under_way"] == false && nodes.len() == 3 && nodes.iter().all(votes)
}

/// The site takes another bootstrap snapshot, of what it had not when it took the last one.
fn take_a_copy(writer: &Writer, site: &[Server], among: &[usize]) {
    let_write(writer, 20);
    let last = writer.last.load(Ordering::Relaxed);
    let led = wait_for_leader(site, among);
    wait_for_last(&site[led..=led], last);
    let before = info(&site[led], "flotilla_bootstraps");
    let output = admin(&site[led], &["reseed"]);
    assert!(output.status.success(), "{output:?}");
    eventually("a copy was taken", || info(&site[led], "flotilla_bootstraps") > before);
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

/// Each bootstrap snapshot is kept for a while, for a node that has not come so far; one was away for longer than that.
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

/// First one that follows the others loses its disk, then the one that leads; `purges`: what they had is in no log any more.
fn lose_disks(args: &[&str], purges: bool) {
    let core = core(1, args);
    let mut site = site("fra", &upstream(&core), 3, args);
    let writer = Writer::start(vec![core.nodes[0].port]);
    let readers = Reader::at_each(&site);
    for turn in 0..2 {
        let_write(&writer, 50);
        if purges {
            outgrow_the_log(&core, &turn.to_string());
        } else {
            // The log has entries with copies that nobody keeps.
            (0..3).for_each(|_| take_a_copy(&writer, &site, &[0, 1, 2]));
        }
        let led = wait_for_leader(&site, &[0, 1, 2]);
        let lost = if turn == 0 { (led + 1) % 3 } else { led };
        let others: Vec<usize> = (0..3).filter(|index| *index != lost).collect();
        site[lost].stop(Stop::Kill).unwrap();
        site[lost].wipe().unwrap();
        let before = others.iter().map(|index| info(&site[*index], "flotilla_core_index")).max().unwrap();
        eventually("the others go on", || {
            others.iter().all(|index| info(&site[*index], "flotilla_core_index") > before + 30)
        });
        let shown = number(&call(&mut site[others[0]].connect().unwrap(), &["GET", "one"]));
        site[lost].start_again().unwrap();
        wait_for_data(&site[lost]);
        let mut client = site[lost].connect().unwrap();
        assert_eq!(call(&mut client, &["CLIENT", "CONSISTENCY", "local"]), ok());
        assert!(number(&call(&mut client, &["GET", "one"])) >= shown, "it had shown more");
        eventually(&format!("it votes again\n{}", site[lost].log_tail()), || are_three_voters(&site[lost]));
    }
    assert!(purges || site.iter().any(|node| node.has_said(PAST)), "every copy was there");
    let last = writer.stop();
    wait_for_last(&site, last);
    let reads: Vec<u64> = readers.into_iter().map(Reader::stop).collect();
    println!("{last} writes, reads at the nodes: {reads:?}");
    let all: Vec<&Server> = site.iter().collect();
    assert_same_state(&core.nodes[0], &all);
}

#[test]
fn a_node_of_a_site_that_lost_its_disk_gets_its_data_from_the_others() {
    lose_disks(&[], false);
}

#[test]
fn a_node_of_a_site_that_lost_its_disk_gets_what_no_log_has_any_more() {
    lose_disks(&SMALL, true);
}

/// Fewer may fetch at a time than want to: the others come one after the other, and the core has time for its clients.
#[test]
fn many_sites_that_want_whole_copies_at_once_all_get_them() {
    const SITES: usize = 6;
    const VALUE_BYTES: usize = 100_000;
    let few = ["--edge-bootstraps-max", "2", "--edge-bootstrap-bytes-per-second", "4mb"];
    let core = core(1, &[&SMALL[..], &few].concat());
    let mut client = core.nodes[0].connect().unwrap();
    let mut dice = Dice::new(1);
    for key in 0..40 {
        let noise: String =
            (0..VALUE_BYTES).map(|_| char::from(b'!' + u8::try_from(dice.below(90)).unwrap())).collect();
        assert_eq!(call(&mut client, &["SET", &format!("noise:{key}"), &noise]), ok());
    }
    outgrow_the_log(&core, "first");
    let writer = Writer::start(vec![core.nodes[0].port]);
    let_write(&writer, 10);
    let address = upstream(&core);
    let edges: Vec<Server> =
        (0..SITES).map(|index| spawn_edge(&format!("site-{index}"), &address, &SMALL)).collect();
    // While copies are given away.
    eventually("somebody fetches", || {
        edges.iter().any(|edge| field(edge, "flotilla_edge_state").as_deref() == Some("bootstrapping"))
    });
    let_write(&writer, 100);
    let waiting = edges.iter().filter(|edge| info(edge, "loading") == 1).count();
    assert!(waiting > 0, "they were all served before the core had done anything else");
    for edge in &edges {
        wait_for_data(edge);
        assert!(info(edge, "flotilla_bootstraps") >= 1, "{}", edge.log_tail());
    }
    let refused = "edges are fetching bootstrap snapshots";
    assert!(edges.iter().any(|edge| edge.has_said(refused)), "nobody had to wait");
    let last = writer.stop();
    wait_for_last(&edges, last);
    let all: Vec<&Server> = edges.iter().collect();
    assert_same_state(&core.nodes[0], &all);
}
