//! The faults by name: which there are, what each leaves standing, and what may therefore be asked of the core meanwhile.

use std::time::Duration;

/// The longest that nobody's write may be acknowledged while a majority can reach each other.
const GAP_MAX: Duration = Duration::from_secs(10);

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
    /// Two nodes cannot reach each other, the others reach both.
    Bridge,
    /// Each node reaches two neighbours and no other: each sees a majority, none the same.
    Ring,
    Flapping,
    Resets,
    Lossy,
    /// Wall clocks are set apart, then jump to and fro.
    Clocks,
    Transfer,
    /// A node loses its disk and comes back with an empty one.
    Wipe,
    /// Stopped with SIGTERM, one after the other.
    Rolling,
    /// The disk of a node is full for a while.
    FullDiskLeader,
    FullDiskFollower,
    /// The disk of a node does nothing for seconds: what writes or syncs waits.
    StallLeader,
    StallFollower,
    /// The leader gets a small share of a processor.
    ThrottleLeader,
    /// A file of a node's data is damaged: bits flip, or it is cut, zeroed or gone.
    DamageLeader,
    DamageFollower,
    /// Another node joins, gets its vote, perhaps leads, and is removed.
    JoinAndLeave,
    /// The leader is removed, and comes back with an empty disk.
    ReplaceLeader,
    /// Snapshots are made without end while a follower falls behind: cut off, killed, or with its disk lost.
    SnapshotsIsolate,
    SnapshotsKill,
    SnapshotsWipe,
    /// The node that an edge follows leads, is cut off with writes that nobody else has, and comes back by a snapshot.
    TailAtEdge,
    /// The node that leads a site is cut off from the others with entries that they have not, and comes back by a snapshot.
    TailInSite,
    /// Two or three of the others at once.
    Several,
}

pub const KINDS: [Fault; 34] = [
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
    Fault::Ring,
    Fault::Flapping,
    Fault::Resets,
    Fault::Lossy,
    Fault::Clocks,
    Fault::Transfer,
    Fault::Wipe,
    Fault::Rolling,
    Fault::FullDiskLeader,
    Fault::FullDiskFollower,
    Fault::StallLeader,
    Fault::StallFollower,
    Fault::ThrottleLeader,
    Fault::DamageLeader,
    Fault::DamageFollower,
    Fault::JoinAndLeave,
    Fault::ReplaceLeader,
    Fault::SnapshotsIsolate,
    Fault::SnapshotsKill,
    Fault::SnapshotsWipe,
    Fault::TailAtEdge,
    Fault::TailInSite,
    Fault::Several,
];

/// What kind of thing a fault works on. Two of different classes can be there at once and do not undo each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Processes,
    Links,
    Clocks,
    Members,
    /// Not together with others: a second fault could rightly cost the core its data, or the round its meaning.
    Alone,
}

/// What must hold during a fault beside what always must.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// The longest time without any acknowledged write.
    pub gap_max: Option<Duration>,
    /// Operations a second, as a share of what the same round had before the fault.
    pub rate_min: f64,
}

impl Fault {
    /// Whether it is one of edges.
    pub fn needs_edges(self) -> bool {
        matches!(self, Fault::TailAtEdge | Fault::TailInSite)
    }

    /// The fewest nodes with which it is what it says.
    pub fn nodes_min(self) -> usize {
        match self {
            Fault::Ring => 5,
            _ => 3,
        }
    }

    pub fn class(self) -> Class {
        match self {
            Fault::KillLeader
            | Fault::KillFollower
            | Fault::KillAll
            | Fault::PauseLeader
            | Fault::PauseFollower
            | Fault::Rolling => Class::Processes,
            Fault::IsolateLeader
            | Fault::IsolateFollower
            | Fault::MuteLeader
            | Fault::DeafLeader
            | Fault::Bridge
            | Fault::Ring
            | Fault::Flapping
            | Fault::Resets
            | Fault::Lossy => Class::Links,
            Fault::Clocks => Class::Clocks,
            Fault::Transfer | Fault::JoinAndLeave => Class::Members,
            Fault::None
            | Fault::Wipe
            | Fault::FullDiskLeader
            | Fault::FullDiskFollower
            | Fault::StallLeader
            | Fault::StallFollower
            | Fault::ThrottleLeader
            | Fault::DamageLeader
            | Fault::DamageFollower
            | Fault::ReplaceLeader
            | Fault::SnapshotsIsolate
            | Fault::SnapshotsKill
            | Fault::SnapshotsWipe
            | Fault::TailAtEdge
            | Fault::TailInSite
            | Fault::Several => Class::Alone,
        }
    }

    /// While a majority is connected, writes go on: after an election at most, and then at no less than a small share of
    /// the usual rate. The share is small because a third of the clients may be stuck to the node that is gone, machines
    /// are shared, and restarts and snapshots want the processor too; what it shows is that the core served at all.
    pub fn promise(self) -> Promise {
        let (gap_max, rate_min) = match self {
            Fault::None
            | Fault::Clocks
            | Fault::KillFollower
            | Fault::PauseFollower
            | Fault::IsolateFollower
            | Fault::Bridge
            | Fault::Transfer
            | Fault::Wipe
            | Fault::Rolling
            | Fault::FullDiskFollower
            | Fault::StallFollower
            | Fault::DamageFollower
            | Fault::JoinAndLeave
            | Fault::TailInSite => (Some(GAP_MAX), 0.05),
            Fault::KillLeader
            | Fault::PauseLeader
            | Fault::IsolateLeader
            | Fault::MuteLeader
            | Fault::DeafLeader
            | Fault::Ring
            | Fault::Flapping
            | Fault::FullDiskLeader
            | Fault::StallLeader
            | Fault::ThrottleLeader
            | Fault::DamageLeader
            | Fault::ReplaceLeader
            | Fault::SnapshotsIsolate
            | Fault::SnapshotsKill
            | Fault::SnapshotsWipe
            | Fault::TailAtEdge => (Some(GAP_MAX), 0.02),
            // No majority now and then, or for as long as it lasts.
            Fault::KillAll | Fault::Resets | Fault::Lossy | Fault::Several => (None, 0.0),
        };
        Promise { gap_max, rate_min }
    }
}
