//! Three processes that talk by mutual TLS, and a fourth one that is not of theirs.

use resp_tests::{
    certificates::Authority,
    cluster::Cluster,
    connection::Received,
    server::{Program, Server},
    value::Value,
};
use std::{path::PathBuf, time::Duration};

fn words(files: &[PathBuf; 3]) -> Vec<String> {
    let names = ["--peer-tls-cert", "--peer-tls-key", "--peer-tls-ca"];
    names
        .iter()
        .zip(files)
        .flat_map(|(name, file)| [(*name).to_owned(), file.display().to_string()])
        .collect()
}

#[test]
fn a_core_with_tls_works_and_strangers_do_not_get_in() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let names = ["core-0", "core-1", "core-2", "core-3", "127.0.0.1"];
    let own = words(&ours.files("all", &names, |_| {}));
    let args: Vec<&str> = own.iter().map(String::as_str).collect();
    let mut cluster = Cluster::start(&Program::product(), 3, &args).unwrap();
    let ok = Received::Reply(Value::Simple(b"OK".to_vec()));
    for (node, reader) in [(0, 1), (1, 2), (2, 0)] {
        let key = format!("key:{node}");
        assert_eq!(cluster.nodes[node].connect().unwrap().call(&["SET", &key, "v"]).unwrap(), ok);
        let read = cluster.nodes[reader].connect().unwrap().call(&["GET", &key]).unwrap();
        assert_eq!(read, Received::Reply(Value::Bulk(b"v".to_vec())));
    }
    let contact = cluster.nodes[0].peer_address();
    for (what, tls) in [
        ("a foreign authority", words(&foreign.files("all", &names, |_| {}))),
        ("a certificate of another name", words(&ours.files("other", &["core-9", "127.0.0.1"], |_| {}))),
        ("plain text", vec![]),
    ] {
        let join = ["--node-name", "core-3", "--join", &contact].map(str::to_owned);
        let args: Vec<String> = join.into_iter().chain(tls).collect();
        let stranger = Server::start_for(&Program::product(), &args, Duration::from_secs(3));
        assert!(stranger.is_err(), "{what}: the stranger serves");
    }
    cluster.join(&Program::product(), "core-3", &args).unwrap();
    assert_eq!(cluster.nodes[3].connect().unwrap().call(&["SET", "joined", "v"]).unwrap(), ok);
}
