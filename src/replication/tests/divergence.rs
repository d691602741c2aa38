//! One byte of one node's data is changed: a comparison finds that node, of all data or of the sums that apply keeps, and it
//! serves nobody any more. The others go on.

use resp_tests::{
    cluster::{Cluster, field},
    connection::Received,
    edge::support::{admin, call, core, edge, eventually, info, leader, ok, site, upstream},
    server::{Program, Server, Stop},
    value::Value,
};
use rocksdb::{ColumnFamilyDescriptor, DB, IteratorMode, Options};
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Changes the last byte of the first row's value in a stopped node's store.
fn change_a_byte(data: &Path) {
    let store = data.join("store");
    // The store's files are in the directory that CURRENT_STORE (or the like) names; there is one with a RocksDB in it.
    let database = fs::read_dir(&store)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("CURRENT").exists());
    let database = database.unwrap_or(store);
    let options = Options::default();
    let families = DB::list_cf(&options, &database).unwrap();
    let descriptors = families.iter().map(|name| ColumnFamilyDescriptor::new(name, Options::default()));
    let db = DB::open_cf_descriptors(&options, &database, descriptors).unwrap();
    let family = db.cf_handle("meta").unwrap();
    let (key, value) = db.iterator_cf(&family, IteratorMode::Start).next().unwrap().unwrap();
    let mut changed = value.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    db.put_cf(&family, key, changed).unwrap();
    db.flush_cf(&family).unwrap();
}

/// Asked again while no node leads.
fn verify(cluster: &Cluster, node: usize) -> serde_json::Value {
    let mut connection = cluster.nodes[node].connect().unwrap();
    connection.set_deadline(Duration::from_secs(60));
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match connection.call(&["CORE", "VERIFY"]).unwrap() {
            Received::Reply(Value::Bulk(json)) => return serde_json::from_slice(&json).unwrap(),
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_node_whose_state_differs_is_found_and_quarantined() {
    let mut cluster = Cluster::start(&Program::product(), 3, &["--repair-damaged", "no"]).unwrap();
    for key in 0..20 {
        cluster.nodes[key % 3].connect().unwrap().call(&["SET", &format!("key:{key}"), "value"]).unwrap();
    }
    let leader = cluster.wait_until_agreed().unwrap();
    assert_eq!(verify(&cluster, leader)["equal"], true);
    let victim = (leader + 1) % 3;
    cluster.nodes[victim].stop(Stop::Terminate).unwrap();
    change_a_byte(&cluster.nodes[victim].data());
    cluster.nodes[victim].start_again().unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let told = verify(&cluster, leader);
    assert_eq!(told["equal"], false, "{told}");
    let checksums: Vec<&str> =
        told["nodes"].as_array().unwrap().iter().map(|node| node["checksum"].as_str().unwrap()).collect();
    assert_ne!(checksums[victim], checksums[leader], "{told}");
    assert_eq!(field(&cluster.nodes[leader], "flotilla_divergent_nodes").as_deref(), Some("1"));
    // It has stopped, and does not start with this directory.
    let gone = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(50));
        cluster.nodes[victim].connect().is_err()
    });
    assert!(gone, "the divergent node serves on");
    cluster.nodes[victim].stop(Stop::Kill).unwrap();
    let refused = cluster.nodes[victim].start_again().unwrap_err();
    assert!(refused.to_string().contains("quarantined"), "{refused}");
    // When it may, it takes the data of another node, as the node that it was.
    let id = told["nodes"][victim]["name"].clone();
    cluster.nodes[victim].change_arg("--repair-damaged", "yes");
    cluster.nodes[victim].start_again().unwrap();
    cluster.wait_until_agreed().unwrap();
    let told = verify(&cluster, victim);
    assert_eq!((&told["equal"], &told["nodes"][victim]["name"]), (&true.into(), &id), "{told}");
}

const OFTEN: [&str; 2] = ["--compare-interval", "1"];

fn compared(node: &Server) -> String {
    field(node, "flotilla_compared").unwrap_or_default()
}

fn set(node: &Server, key: &str, value: &str) {
    assert_eq!(call(&mut node.connect().unwrap(), &["SET", key, value]), ok());
}

/// The row differs on disk, where no sum sees it, until apply replaces it: then all nodes have the same rows again, and the sums
/// differ for good.
#[test]
fn sums_that_differ_lead_to_a_comparison_of_all_data_and_no_other_node_is_stopped() {
    let mut cluster =
        Cluster::start(&Program::product(), 3, &[&OFTEN[..], &["--repair-damaged", "no"]].concat()).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    (0..20).for_each(|key| set(&cluster.nodes[leader], &format!("key:{key}"), "value"));
    for node in &cluster.nodes {
        eventually("sums are compared", || compared(node) == "equal");
    }
    let status = admin(&cluster.nodes[leader], &["status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("\nsums of all states "), "{status:?}");
    let victim = (leader + 1) % 3;
    cluster.nodes[victim].stop(Stop::Terminate).unwrap();
    // Behind is not different: nobody is accused for being away.
    eventually("it is missed", || compared(&cluster.nodes[leader]) == "incomplete");
    change_a_byte(&cluster.nodes[victim].data());
    cluster.nodes[victim].start_again().unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    set(&cluster.nodes[leader], "key:0", "another");
    eventually("the node stops", || cluster.nodes[victim].connect().is_err());
    for (index, node) in cluster.nodes.iter().enumerate().filter(|(index, _)| *index != victim) {
        assert_eq!(call(&mut node.connect().unwrap(), &["PING"]), Value::Simple(b"PONG".to_vec()), "{index}");
        assert!(!node.has_said("is damaged"), "{}", node.log_tail());
    }
    cluster.nodes[victim].stop(Stop::Kill).unwrap();
    let refused = cluster.nodes[victim].start_again().unwrap_err();
    assert!(refused.to_string().contains("quarantined"), "{refused}");
}

/// As the feed says: a site whose sum is not the core's takes its data anew, and serves meanwhile.
#[test]
fn an_edge_with_another_sum_than_the_core_takes_a_bootstrap_snapshot_by_itself() {
    let core = core(1, &OFTEN);
    (0..20).for_each(|key| set(&core.nodes[0], &format!("key:{key}"), "value"));
    let mut edge = edge("fra", &upstream(&core), &[]);
    eventually("the edge compares", || compared(&edge) == "equal");
    assert_eq!(info(&edge, "flotilla_compared_differences"), 0);
    edge.stop(Stop::Terminate).unwrap();
    change_a_byte(&edge.data());
    edge.start_again().unwrap();
    eventually("no sum has seen the row", || compared(&edge) == "equal");
    set(&core.nodes[0], "key:0", "another");
    eventually("the edge finds it", || edge.has_said("are not those that a majority of the core has"));
    let found = info(&edge, "flotilla_compared_index");
    eventually("it has the core's state", || {
        compared(&edge) == "equal" && info(&edge, "flotilla_compared_index") > found
    });
    assert_eq!(info(&edge, "flotilla_compared_differences"), 1);
    assert_eq!(info(&core.nodes[0], "flotilla_compared_differences"), 0, "an edge accuses nobody");
}

/// One node of a site: it repairs itself from the others, which go on.
#[test]
fn a_node_of_a_site_that_differs_from_its_leader_repairs_itself() {
    let core = core(1, &OFTEN);
    (0..20).for_each(|key| set(&core.nodes[0], &format!("key:{key}"), "value"));
    let mut nodes = site("fra", &upstream(&core), 3, &[]);
    for node in &nodes {
        eventually("the site compares", || compared(node) == "equal");
    }
    let victim = (leader(&nodes).unwrap() + 1) % 3;
    let bootstraps =
        |nodes: &[Server]| [1, 2].map(|after| info(&nodes[(victim + after) % 3], "flotilla_bootstraps"));
    let before = bootstraps(&nodes);
    nodes[victim].stop(Stop::Terminate).unwrap();
    change_a_byte(&nodes[victim].data());
    nodes[victim].start_again().unwrap();
    eventually("no sum has seen the row", || compared(&nodes[victim]) == "equal");
    set(&core.nodes[0], "key:0", "another");
    eventually("it finds that out", || {
        nodes[victim].has_said("is not that of the core and of its site's leader")
    });
    let at = info(&core.nodes[0], "flotilla_compared_index");
    for (index, node) in nodes.iter().enumerate() {
        eventually("all are equal again", || {
            compared(node) == "equal" && info(node, "flotilla_compared_index") > at
        });
        assert!(index == victim || !node.has_said("is damaged"), "{}", node.log_tail());
    }
    assert_eq!(bootstraps(&nodes), before, "one node is no reason to take all data anew");
}
