//! The kinds of calls, and what this program understands of a feed.

/// The features of this program as an edge. A core feeds edges of its own level and below, so an edge's core node always
/// knows the features that the edge relies on.
///
/// From 2 on entries carry the term of their predecessor, and messages have positions.
pub const EDGE_LEVEL: u32 = 2;

/// Calls between nodes that may not be of one cluster yet are below `peer::FIRST_MEMBER_KIND`.
pub mod kind {
    pub const STATUS: u32 = 1;
    pub const FOUND: u32 = 2;
    pub const JOIN: u32 = 3;
    pub const APPEND: u32 = 100;
    pub const VOTE: u32 = 101;
    pub const PRE_VOTE: u32 = 102;
    pub const TRANSFER: u32 = 103;
    pub const READ_INDEX: u32 = 110;
    pub const FORWARD: u32 = 111;
    pub const ADMIN: u32 = 112;
    pub const REPLICATED: u32 = 113;
    pub const CHECKSUM: u32 = 114;
    pub const QUARANTINE: u32 = 115;
    pub const PUBLISH: u32 = 116;
    pub const DELIVER: u32 = 117;
    /// An unsound node asks the leader for permission to stop for repair; a refusal gives the reason.
    pub const LEAVE: u32 = 118;
    /// The leader compares the sums that nodes keep, and tells what a majority agreed on.
    pub const SUM: u32 = 119;
    pub const SNAPSHOT: u32 = 120;
    pub const FILE: u32 = 121;
    /// SCRIPT KILL or FUNCTION KILL, from the node that a client asked.
    pub const KILL_SCRIPTS: u32 = 122;
    /// Which keys clients of the caller read, for a leader that evicts.
    pub const READS: u32 = 123;
    /// What a node says of itself, for people.
    pub const REPORT: u32 = 124;
}

/// From `peer::FIRST_EDGE_KIND` on.
pub mod edge_kind {
    pub const FOLLOW: u32 = 40;
    pub const BOOTSTRAP: u32 = 41;
    pub const FILE: u32 = 42;
    pub const FORWARD: u32 = 43;
    pub const READ_INDEX: u32 = 44;
    pub const PUBLISH: u32 = 45;
    pub const REPORT: u32 = 46;
    pub const NODES: u32 = 47;

    /// Between the nodes of one site: which files a bootstrap snapshot has, those files, and to fetch it.
    pub const SITE_BOOTSTRAP: u32 = 130;
    pub const SITE_FILE: u32 = 131;
    pub const SITE_FETCH: u32 = 132;
    /// Also between the nodes of a site: a Raft snapshot that replaces a bootstrap snapshot, and its files.
    pub const SITE_SNAPSHOT: u32 = 133;
    pub const SITE_SNAPSHOT_FILE: u32 = 134;
}

/// Why a feed ends although both sides are well.
pub mod lost {
    /// The log does not go back so far.
    pub const PURGED: u32 = 1;
    /// The edge's data are not of this core's history.
    pub const HISTORY: u32 = 2;
    /// The edge has another feed.
    pub const REPLACED: u32 = 3;
}
