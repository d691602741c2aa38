//! An edge remembers which nodes the core has: it finds the core again when all nodes that it was told of are gone.

use resp_tests::cluster::Cluster;
use resp_tests::server::{Program, Server, Stop};
use std::fs;

use super::support::*;

fn remembered(edge: &Server) -> String {
    fs::read_to_string(edge.data().join("UPSTREAMS")).unwrap_or_default()
}

#[test]
fn an_edge_whose_upstreams_were_all_replaced_finds_the_core() {
    let program = Program::product();
    let mut core = core(3, &[]);
    // It is told of one of three, and learns of the others.
    let mut edge = edge("fra", &core.nodes[0].peer_address(), &[]);
    let others: Vec<String> = core.nodes.iter().skip(1).map(Server::peer_address).collect();
    eventually("it remembers all", || others.iter().all(|other| remembered(&edge).contains(other)));
    // All three make room for others, one after the other.
    for (old, new) in [("core-0", "core-3"), ("core-1", "core-4"), ("core-2", "core-5")] {
        core.join(&program, new, &[]).unwrap();
        let at = format!("{new}={}", core.nodes.last().unwrap().peer_address());
        let ask = core.nodes.last().unwrap();
        eventually("the core takes it", || admin(ask, &["replace", old, &at]).status.success());
        let index: usize = old.strip_prefix("core-").unwrap().parse().unwrap();
        let address = core.nodes.last().unwrap().peer_address();
        eventually("the edge hears of the new one", || remembered(&edge).contains(&address));
        core.nodes[index].stop(Stop::Kill).unwrap();
    }
    let core = Cluster { nodes: core.nodes.drain(3..).collect() };
    let write = |value: &str| {
        let mut client = core.nodes[0].connect().unwrap();
        eventually("the new core takes writes", || call(&mut client, &["SET", "where", value]) == ok());
    };
    let reads = |edge: &Server, value: &str| {
        let mut reader = edge.connect().unwrap();
        eventually("the edge follows", || call(&mut reader, &["GET", "where"]) == bulk(value));
    };
    write("new nodes");
    reads(&edge, "new nodes");
    // It also does after a restart, when all that it is told of is gone; and sends writes there.
    edge.stop(Stop::Terminate).unwrap();
    write("while it was away");
    edge.start_again().unwrap();
    reads(&edge, "while it was away");
    assert_eq!(call(&mut edge.connect().unwrap(), &["SET", "from", "the edge"]), ok());
    assert_eq!(call(&mut core.nodes[1].connect().unwrap(), &["GET", "from"]), bulk("the edge"));
    // What it remembers is a hint: damaged, it is passed over, and learned again where somebody is reached.
    edge.stop(Stop::Terminate).unwrap();
    fs::write(edge.data().join("UPSTREAMS"), "damaged").unwrap();
    let upstream = core.nodes[2].peer_address();
    edge.set_args(&["--role", "edge", "--site", "fra", "--upstream", &upstream].map(str::to_owned));
    edge.start_again().unwrap();
    eventually("it learns again", || remembered(&edge).contains(&core.nodes[1].peer_address()));
}
