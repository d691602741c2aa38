//! The power of machines is cut while clients write, at any moment of what their disks do: nothing acknowledged is lost, nothing
//! is done twice, every node starts again by itself, and all have the same state.
//!
//! `POWER_CUTS` cuts (6 if not set), chosen by `POWER_SEED` (printed): of one machine, whose node first notices that its disk
//! has gone, and of all at once. What a disk holds after a cut: see `recorded_disk`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use resp_tests::cluster::Cluster;
use resp_tests::dice::Dice;
use resp_tests::recorder::{Client, Shared, Style};
use resp_tests::server::Program;
use resp_tests::support::{SMALL, admin, seed, variable};

const CUTS: u64 = 6;
const NODES: usize = 3;
const CLIENTS: usize = 6;
const DISK_BYTES: u64 = 512 << 20;
/// A node that can write nothing any more says so by ending.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);

/// Whose power is cut.
#[derive(Clone, Copy, Debug)]
enum Whose {
    One(usize),
    All,
}

#[test]
fn acknowledged_writes_survive_power_cuts_of_one_and_of_all() {
    let cuts = variable("POWER_CUTS").unwrap_or(CUTS);
    let seed = seed("POWER_SEED");
    let mut dice = Dice::new(seed);
    let args = [&SMALL[..], &["--disk-low-bytes", "32mb"]].concat();
    let mut cluster =
        Cluster::start(&Program::product().with_recorded_disk(DISK_BYTES), NODES, &args).unwrap();
    let mut clients: Vec<Client> =
        (0..CLIENTS).map(|id| Client::new(id, Style::OneByOne, 0, dice.fork())).collect();
    let mut shared = Shared::default();
    for cut in 1..=cuts {
        let leader = cluster.wait_until_agreed().unwrap();
        let whose = match cut % 3 {
            0 => Whose::One(leader),
            1 => Whose::All,
            _ => Whose::One((leader + 1) % NODES),
        };
        write_until_cut(&mut cluster, &mut clients, whose, leader, &mut dice);
        let lost: Vec<usize> = match whose {
            Whose::One(node) => vec![node],
            Whose::All => (0..NODES).collect(),
        };
        for node in &lost {
            let cut = cluster.nodes[*node].restore_disk(&mut dice).unwrap();
            println!("{whose:?}, node {node}: {cut:?}");
        }
        for node in &lost {
            cluster.nodes[*node].spawn_again().unwrap();
        }
        for node in &lost {
            cluster.nodes[*node].wait_until_ready().unwrap();
        }
        let leader = cluster.wait_until_agreed().unwrap();
        let mut complaints = Vec::new();
        for client in &mut clients {
            complaints.extend(client.verify(&cluster.nodes[leader]));
            shared.take(client);
        }
        complaints.extend(shared.verify(&cluster.nodes[leader]));
        let logs = || cluster.nodes.iter().map(|node| node.log_tail()).collect::<Vec<_>>().join("\n---\n");
        assert!(
            complaints.is_empty(),
            "after cut {cut} (POWER_SEED={seed}):\n{}\n{}",
            complaints.join("\n"),
            logs()
        );
        let verified = admin(&cluster.nodes[leader], &["verify"]);
        assert!(verified.status.success(), "after cut {cut} (POWER_SEED={seed}): {verified:?}\n{}", logs());
    }
    let acknowledged: u64 = clients.iter().map(|client| client.acknowledged).sum();
    println!("{cuts} cuts, {acknowledged} writes acknowledged, none lost");
    assert!(acknowledged > cuts * 50, "only {acknowledged} writes were acknowledged");
}

/// All clients write for a while, at a node that stays if one does, and a checkpoint is made; then the power goes.
fn write_until_cut(
    cluster: &mut Cluster,
    clients: &mut [Client],
    whose: Whose,
    leader: usize,
    dice: &mut Dice,
) {
    let (stop, is_cut) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let door = match whose {
        Whose::One(node) => (node + 1) % NODES,
        Whose::All => leader,
    };
    let port = cluster.nodes[door].port;
    thread::scope(|scope| {
        let running: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                let (stop, is_cut) = (Arc::clone(&stop), Arc::clone(&is_cut));
                scope.spawn(move || client.write(port, &stop, &is_cut))
            })
            .collect();
        thread::sleep(Duration::from_millis(dice.between(300, 1500)));
        if dice.chance(500) {
            // So that files are being made, renamed and removed.
            cluster.nodes[leader].connect().unwrap().call(&["BGSAVE"]).unwrap();
        }
        thread::sleep(Duration::from_millis(dice.between(0, 500)));
        is_cut.store(true, Ordering::SeqCst);
        match whose {
            Whose::One(node) => {
                let node = &mut cluster.nodes[node];
                node.cut_disk().unwrap();
                let ended = node.wait_until_gone(NOTICED_WITHIN);
                assert!(
                    ended.is_ok_and(|status| !status.success()),
                    "it goes on without a disk: {}",
                    node.log_tail()
                );
                // The others go on.
                thread::sleep(Duration::from_millis(dice.between(0, 2000)));
                stop.store(true, Ordering::SeqCst);
            }
            Whose::All => {
                // Of all machines before any process is gone: no flush of one covers what another has lost.
                cluster.nodes.iter_mut().for_each(|node| node.cut_disk().unwrap());
                cluster.nodes.iter_mut().for_each(|node| node.cut_power().unwrap());
            }
        }
        running.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
