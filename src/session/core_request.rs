//! Administrators' requests to the core (CORE, `flotilla admin`).

/// A request; names are node names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoreRequest {
    /// The members of the core and their status, as JSON.
    Status,
    /// Let the node at this peer address become a voter, or (standby) a learner that stays one.
    Add { name: String, address: String, standby: bool },
    /// Remove a node. With `force` even if the rest may not have a majority.
    Remove { name: String, force: bool },
    /// Make a learner a voter.
    Promote { name: String },
    /// Let this node lead; `None`: the follower that has most of the log.
    Transfer { name: Option<String> },
    /// Let a new node replace another one once it has caught up.
    Replace { old: String, name: String, address: String },
    /// Compare the checksums of the state of all nodes.
    Verify,
    /// Log time and the nodes' wall clocks, as JSON; with `step`, log time first moves forward to wall time.
    Clock { step: bool },
    /// Raise the feature level as far as all nodes and edges understand.
    FinishUpgrade,
}
