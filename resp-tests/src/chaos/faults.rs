//! The faults: each is installed, proves that it is there, and is healed.

use std::io;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::connection::Received;
use crate::recorder::Dice;
use crate::value::Value;

use super::net::{Cut, Network};

/// What can happen in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    None,
    KillLeader,
    KillFollower,
    KillAll,
    PauseLeader,
    PauseFollower,
    /// The leader cannot hear the others, nor they it; clients reach all.
    IsolateLeader,
    IsolateFollower,
    /// The leader is not heard, but hears.
    MuteLeader,
    /// The leader hears nobody, but is heard.
    DeafLeader,
    /// Two nodes cannot reach each other, the third reaches both.
    Bridge,
    Flapping,
    Resets,
    Lossy,
    Clocks,
    Transfer,
    /// A node loses its disk and comes back with an empty one.
    Wipe,
    /// Stopped with SIGTERM, one after the other.
    Rolling,
}

pub const KINDS: [Fault; 18] = [
    Fault::None,
    Fault::KillLeader,
    Fault::KillFollower,
    Fault::KillAll,
    Fault::PauseLeader,
    Fault::PauseFollower,
    Fault::IsolateLeader,
    Fault::IsolateFollower,
    Fault::MuteLeader,
    Fault::DeafLeader,
    Fault::Bridge,
    Fault::Flapping,
    Fault::Resets,
    Fault::Lossy,
    Fault::Clocks,
    Fault::Transfer,
    Fault::Wipe,
    Fault::Rolling,
];

/// A field of a node's INFO.
pub fn field(network: &Network, index: usize, name: &str) -> Option<String> {
    let mut connection = network.connect(index).ok()?;
    connection.set_deadline(Duration::from_secs(5));
    let Ok(Received::Reply(Value::Bulk(text))) = connection.call(&["INFO", "replication"]) else {
        return None;
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned));
    line.map(|value| value.trim().to_owned())
}

/// The one node that says it leads.
pub fn leader(network: &Network) -> Option<usize> {
    let leads = |index: &usize| field(network, *index, "flotilla_raft_is_leader").as_deref() == Some("1");
    let leaders: Vec<usize> = (0..network.nodes.len()).filter(leads).collect();
    match leaders.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

fn seconds(dice: &mut Dice, from: u64, to: u64) {
    thread::sleep(Duration::from_millis(dice.between(from * 1000, to * 1000)));
}

impl Fault {
    /// Installs it, lets it last, heals it. An error says that it was not really there.
    pub fn run(self, network: &mut Network, dice: &mut Dice) -> io::Result<()> {
        let count = network.nodes.len();
        let leader = leader(network).ok_or_else(|| io::Error::other("no leader to begin with"))?;
        let follower = (leader + 1 + dice.below(count as u64 - 1) as usize) % count;
        let others = |of: usize| (0..count).filter(move |index| *index != of);
        match self {
            Fault::None => seconds(dice, 1, 3),
            Fault::KillLeader => restart(network, &[leader], dice)?,
            Fault::KillFollower => restart(network, &[follower], dice)?,
            Fault::KillAll => restart(network, &(0..count).collect::<Vec<_>>(), dice)?,
            Fault::PauseLeader | Fault::PauseFollower => {
                let victim = if self == Fault::PauseLeader { leader } else { follower };
                network.nodes[victim].signal(Signal::STOP)?;
                seconds(dice, 1, 4);
                network.nodes[victim].signal(Signal::CONT)?;
            }
            Fault::IsolateLeader | Fault::IsolateFollower => {
                let victim = if self == Fault::IsolateLeader { leader } else { follower };
                for other in others(victim) {
                    network.cut(victim, other, Cut::Drop)?;
                    network.cut(other, victim, Cut::Drop)?;
                }
                last(network, dice)?;
            }
            Fault::MuteLeader => {
                for other in others(leader) {
                    network.cut(leader, other, Cut::Drop)?;
                }
                last(network, dice)?;
            }
            Fault::DeafLeader => {
                for other in others(leader) {
                    network.cut(other, leader, Cut::Drop)?;
                }
                last(network, dice)?;
            }
            Fault::Bridge => {
                network.cut(leader, follower, Cut::Drop)?;
                network.cut(follower, leader, Cut::Drop)?;
                last(network, dice)?;
            }
            Fault::Flapping => {
                for _ in 0..6 {
                    for other in others(leader) {
                        network.cut(leader, other, Cut::Drop)?;
                        network.cut(other, leader, Cut::Drop)?;
                    }
                    thread::sleep(Duration::from_millis(dice.between(100, 700)));
                    heal(network)?;
                    thread::sleep(Duration::from_millis(dice.between(100, 500)));
                }
            }
            Fault::Resets | Fault::Lossy => {
                let how = if self == Fault::Resets { Cut::Reset } else { Cut::Lossy };
                for one in 0..count {
                    for other in
                        others(one).filter(|other| how == Cut::Lossy || *other == leader || one == leader)
                    {
                        network.cut(one, other, how)?;
                    }
                }
                last(network, dice)?;
            }
            Fault::Clocks => {
                for node in &network.nodes {
                    node.skew([-3600, -5, 0, 5, 3600][dice.below(5) as usize])?;
                }
                seconds(dice, 1, 3);
                let times: Vec<i64> = (0..count).filter_map(|index| time(network, index)).collect();
                for node in &network.nodes {
                    node.skew(0)?;
                }
                let spread = times.iter().max().unwrap_or(&0) - times.iter().min().unwrap_or(&0);
                println!("  clocks were apart by {spread} s");
            }
            Fault::Transfer => {
                for _ in 0..5 {
                    let target = format!("core-{}", dice.below(count as u64));
                    let mut connection = network.connect(follower)?;
                    connection.set_deadline(Duration::from_secs(20));
                    connection.call(&["CORE", "TRANSFER", &target])?;
                    thread::sleep(Duration::from_millis(dice.between(50, 500)));
                }
            }
            Fault::Wipe => {
                let victim = dice.below(count as u64) as usize;
                network.nodes[victim].kill();
                network.nodes[victim].wipe()?;
                seconds(dice, 0, 2);
                network.nodes[victim].start()?;
                seconds(dice, 2, 4);
            }
            Fault::Rolling => {
                for index in 0..count {
                    network.nodes[index].terminate()?;
                    network.nodes[index].start()?;
                    seconds(dice, 1, 2);
                }
            }
        }
        Ok(())
    }
}

/// Lets cuts last, then heals them; they must have caught something.
fn last(network: &Network, dice: &mut Dice) -> io::Result<()> {
    seconds(dice, 1, 5);
    let caught: u64 = (0..network.nodes.len()).map(|index| network.caught(index)).sum();
    heal(network)?;
    match caught {
        0 => Err(io::Error::other("the cut caught no packet")),
        _ => Ok(()),
    }
}

pub fn heal(network: &Network) -> io::Result<()> {
    (0..network.nodes.len()).try_for_each(|index| network.heal(index))
}

fn restart(network: &mut Network, victims: &[usize], dice: &mut Dice) -> io::Result<()> {
    for victim in victims {
        if !network.nodes[*victim].is_running() {
            return Err(io::Error::other("the victim did not run"));
        }
        network.nodes[*victim].kill();
    }
    seconds(dice, 0, 3);
    for victim in victims {
        network.nodes[*victim].start()?;
    }
    seconds(dice, 1, 2);
    Ok(())
}

fn time(network: &Network, index: usize) -> Option<i64> {
    match network.connect(index).ok()?.call(&["TIME"]).ok()? {
        Received::Reply(Value::Array(parts)) => match parts.first()? {
            Value::Bulk(text) => String::from_utf8_lossy(text).parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
