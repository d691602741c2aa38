//! What an administrator may want of the core (CORE, `flotilla admin`).

/// A request; names are node names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoreRequest {
    /// Who is of the core and how each of them is, as JSON.
    Status,
    /// Let the node at this peer address become a voter, or (standby) a learner that stays one.
    Add { name: String, address: String, standby: bool },
    /// Let a node go. With `force` also where what is left might not have a majority.
    Remove { name: String, force: bool },
    /// Make a learner a voter.
    Promote { name: String },
    /// Let this node lead; `None`: the follower that has most of the log.
    Transfer { name: Option<String> },
    /// Let a new node take the place of another one when it has caught up.
    Replace { old: String, name: String, address: String },
    /// Compare the checksums of the state of all nodes.
    Verify,
    /// What log time and the nodes' wall clocks say, as JSON; with `step`, log time becomes wall time first.
    Clock { step: bool },
}
