//! One byte of one node's files is changed: the comparison of checksums finds that node, and it serves nobody any more.

use resp_tests::{
    cluster::{Cluster, field},
    connection::Received,
    server::{Program, Stop},
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
