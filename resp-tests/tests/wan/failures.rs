//! Nodes that die or are cut off while their site follows the core from far away.

use std::thread;
use std::time::{Duration, Instant};

use resp_tests::server::{Server, Stop};

use super::setup::*;

/// In mid-batch, at some other moment each time: cursor and data are one.
#[test]
fn an_edge_that_is_killed_over_and_over_misses_and_repeats_nothing() {
    const KILLS: u64 = 8;
    let wan = wan("kills", 2, 1);
    let small = ["--memtable-bytes", "1mb"];
    let core = core(&wan, &[0], &small);
    let mut edge = edge_at(&wan, 1, &core, &small);
    let writer = Writer::start(vec![core.nodes[0].door()]);
    let load = Load::start(core.nodes[0].door(), Duration::from_millis(20));
    let reader = Reader::start(edge.door());
    for round in 0..KILLS {
        let_write(&writer, 60);
        thread::sleep(Duration::from_millis(round * 13));
        edge.stop(Stop::Kill).unwrap();
        edge.start_again().unwrap();
        wait_for_data(&edge);
    }
    let (last, loaded) = (writer.stop(), load.stop());
    wait_for_last(&[&edge], last);
    println!("kills: {last} transactions, {loaded} writes beside, {} reads", reader.stop());
    assert_same_state(&core.nodes[0], &[&edge]);
    assert_eq!(info(&edge, "flotilla_bootstraps"), 0, "the log was enough\n{}", edge.log_tail());
}

fn wait_for_leader(site: &[Server], among: &[usize]) -> usize {
    let mut led = None;
    eventually("a node leads the site", || {
        led = among.iter().copied().find(|index| {
            resp_tests::cluster::field(&site[*index], "flotilla_raft_is_leader").as_deref() == Some("1")
        });
        led.is_some()
    });
    led.unwrap()
}

/// How long it takes until these show something that was not written yet.
fn until_they_go_on(site: &[Server], among: &[usize], writer: &Writer) -> Duration {
    let (began, from) = (Instant::now(), writer.last.load(std::sync::atomic::Ordering::Relaxed));
    let nodes: Vec<&Server> = among.iter().map(|index| &site[*index]).collect();
    wait_for_last(&nodes, from + 1);
    began.elapsed()
}

#[test]
fn a_site_far_away_goes_on_when_its_leader_is_killed() {
    let wan = wan("leader killed", 4, 1);
    let core = core(&wan, &[0], &[]);
    let mut site = site_at(&wan, &[1, 2, 3], &core, &[]);
    let writer = Writer::start(vec![core.nodes[0].door()]);
    let readers = Reader::at_each(&site);
    let mut took = Vec::new();
    for _ in 0..2 {
        let_write(&writer, 60);
        let led = wait_for_leader(&site, &[0, 1, 2]);
        let others: Vec<usize> = (0..3).filter(|index| *index != led).collect();
        site[led].stop(Stop::Kill).unwrap();
        took.push(until_they_go_on(&site, &others, &writer));
        site[led].start_again().unwrap();
        wait_for_data(&site[led]);
    }
    let last = writer.stop();
    let all: Vec<&Server> = site.iter().collect();
    wait_for_last(&all, last);
    let reads: Vec<u64> = readers.into_iter().map(Reader::stop).collect();
    println!("leader killed: it went on after {took:?}; {last} transactions, {reads:?} reads");
    assert_same_state(&core.nodes[0], &all);
    assert!(site.iter().all(|node| info(node, "flotilla_bootstraps") == 0), "the log was enough");
}

#[test]
fn a_site_far_away_goes_on_without_a_leader_that_is_cut_off() {
    let wan = wan("leader cut off", 4, 1);
    let core = core(&wan, &[0], &[]);
    let site = site_at(&wan, &[1, 2, 3], &core, &[]);
    let writer = Writer::start(vec![core.nodes[0].door()]);
    // What one has seen none may fall behind: the node that is cut off must rather not answer.
    let readers = Reader::at_each(&site);
    let_write(&writer, 60);
    let led = wait_for_leader(&site, &[0, 1, 2]);
    let others: Vec<usize> = (0..3).filter(|index| *index != led).collect();
    let (place, rest): (usize, Vec<usize>) = (led + 1, (0..4).filter(|place| *place != led + 1).collect());
    wan.cut(&[place], &rest);
    let took = until_they_go_on(&site, &others, &writer);
    let last_before = writer.last.load(std::sync::atomic::Ordering::Relaxed);
    wait_for_last(&others.iter().map(|index| &site[*index]).collect::<Vec<_>>(), last_before);
    // Once more, now that it is known that the others are ahead: it says that it cannot say.
    let mut client = site[led].connect().unwrap();
    client.set_deadline(SOON);
    let refused = call(&mut client, &["GET", "one"]);
    assert_eq!(error_code(&refused), "CLUSTERDOWN", "the others say {last_before}");
    // Who wants an old answer gets one.
    let mut client = site[led].connect().unwrap();
    assert_eq!(call(&mut client, &["CLIENT", "CONSISTENCY", "local"]), ok());
    let old = number(&call(&mut client, &["GET", "one"]));
    assert!(old > 0 && old <= i64::try_from(last_before).unwrap(), "{old}");
    wan.heal(&[place], &rest);
    let last = writer.stop();
    let all: Vec<&Server> = site.iter().collect();
    wait_for_last(&all, last);
    let reads: Vec<u64> = readers.into_iter().map(Reader::stop).collect();
    println!(
        "leader cut off: the others went on after {took:?}; {last} transactions, {reads:?} reads, local said {old}"
    );
    assert_same_state(&core.nodes[0], &all);
}

/// It may be a site that lost its disk: its clients may have seen all that any node of the core had, wherever it looks first.
#[test]
fn a_new_edge_answers_nothing_older_than_what_the_core_had_although_the_node_it_follows_lags() {
    let wan = wan("lagging", 4, 3);
    let core = core(&wan, &[0, 1, 2], &[]);
    core.wait_until_agreed().unwrap();
    let writer = Writer::start(core.nodes.iter().map(Server::door).collect());
    let_write(&writer, 20);
    let lagging = (core.leader().unwrap() + 1) % 3;
    let others: Vec<usize> = (0..3).filter(|index| *index != lagging).collect();
    wan.cut(&[lagging], &others);
    let_write(&writer, 50);
    let before = i64::try_from(writer.last.load(std::sync::atomic::Ordering::Relaxed)).unwrap();
    let own = ["--role", "edge", "--site", "new", "--upstream", &core.nodes[lagging].peer_address()];
    let mut edge = Server::spawn(&wan.program(3), &own.map(str::to_owned)).unwrap();
    edge.wait_until_ready().unwrap();
    eventually("it has all that the lagging node has", || {
        info(&edge, "flotilla_core_index") > 0 && info(&edge, "flotilla_lag_entries") == 0
    });
    assert_eq!(info(&edge, "loading"), 1);
    wan.heal(&[lagging], &others);
    wait_for_data(&edge);
    let seen = shown(&edge, "one");
    assert!(seen >= before, "{seen} is older than {before}");
    let last = writer.stop();
    wait_for_last(&[&edge], last);
    assert_same_state(&core.nodes[0], &[&edge]);
}
