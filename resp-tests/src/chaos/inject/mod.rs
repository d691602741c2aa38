//! How faults are done: each is installed, proves that it is there, lasts, and is healed before its function returns.

mod clocks;
mod damage;
mod disks;
mod links;
mod members;
mod processes;
mod several;
mod slow;
mod snapshots;
mod tails;

use std::thread;
use std::time::Duration;

use crate::dice::Dice;

use super::failure::Failure;
use super::fault::Fault;
use super::net::Network;
use super::watch::wait_for_leader;

/// How long faults last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As short as they can be and still do what they are for.
    Brisk,
    /// Up to several times that.
    Drawn,
}

/// Where a fault is played: the nodes, who leads them as it begins, and its share of chance.
pub struct Stage<'a> {
    pub network: &'a Network,
    pub dice: Dice,
    pub pace: Pace,
    /// Another fault is there at the same time.
    pub in_company: bool,
    pub leader: usize,
    pub follower: usize,
}

impl<'a> Stage<'a> {
    pub fn new(network: &'a Network, mut dice: Dice, pace: Pace) -> Result<Stage<'a>, Failure> {
        let leader = wait_for_leader(network)?;
        let count = network.core().len();
        let follower = (leader + 1 + dice.below(count as u64 - 1) as usize) % count;
        Ok(Stage { network, dice, pace, in_company: false, leader, follower })
    }

    fn others(&self, than: usize) -> impl Iterator<Item = usize> + use<> {
        self.network.core().filter(move |index| *index != than)
    }

    /// Waits between so many milliseconds; the second number counts only where there is time.
    fn last(&mut self, from_ms: u64, to_ms: u64) {
        let to_ms = match self.pace {
            Pace::Brisk => from_ms + (to_ms - from_ms) / 4,
            Pace::Drawn => to_ms,
        };
        thread::sleep(Duration::from_millis(self.dice.between(from_ms, to_ms.max(from_ms + 1))));
    }

    /// Has a fault happen, from beginning to end.
    pub fn play(&mut self, fault: Fault) -> Result<(), Failure> {
        let (leader, follower) = (self.leader, self.follower);
        match fault {
            Fault::None => {
                self.last(1000, 3000);
                Ok(())
            }
            Fault::KillLeader => processes::kill(self, &[leader]),
            Fault::KillFollower => processes::kill(self, &[follower]),
            Fault::KillAll => processes::kill(self, &self.network.core().collect::<Vec<_>>()),
            Fault::PauseLeader => processes::pause(self, leader),
            Fault::PauseFollower => processes::pause(self, follower),
            Fault::Rolling => processes::roll(self),
            Fault::Wipe => processes::wipe(self),
            Fault::IsolateLeader => links::isolate(self, leader),
            Fault::IsolateFollower => links::isolate(self, follower),
            Fault::MuteLeader => links::mute(self, leader),
            Fault::DeafLeader => links::deafen(self, leader),
            Fault::Bridge => links::bridge(self),
            Fault::Ring => links::ring(self),
            Fault::Flapping => links::flap(self),
            Fault::Resets => links::reset(self),
            Fault::Lossy => links::lose(self),
            Fault::Clocks => clocks::play(self),
            Fault::Transfer => members::transfer(self),
            Fault::JoinAndLeave => members::join_and_leave(self),
            Fault::ReplaceLeader => members::replace_leader(self),
            Fault::FullDiskLeader => disks::fill(self, leader),
            Fault::FullDiskFollower => disks::fill(self, follower),
            Fault::StallLeader => slow::stall(self, leader),
            Fault::StallFollower => slow::stall(self, follower),
            Fault::ThrottleLeader => slow::throttle(self, leader),
            Fault::DamageLeader => damage::play(self, leader),
            Fault::DamageFollower => damage::play(self, follower),
            Fault::SnapshotsIsolate => snapshots::isolate(self),
            Fault::SnapshotsKill => snapshots::kill(self),
            Fault::SnapshotsWipe => snapshots::wipe(self),
            Fault::TailAtEdge => tails::at_edge(self),
            Fault::TailInSite => tails::in_site(self),
            Fault::Several => several::play(self),
        }
    }
}
