//! The kinds of calls, and what this program understands.

/// What this program can read and do, beyond the versions that each format carries. A core works at the lowest level of
/// its members, so that every one of them understands what the leader writes; a node below that is not let in.
///
/// 2: fields and members of small collections are numbered in the store.
/// 3: every frame between nodes says which group it is for. A node below has group 0 only, and reads every frame as one of that;
/// so it is not let in, and a node that is a member already must be upgraded before there is a second group.
pub const FEATURE_LEVEL: u32 = 3;

/// What this program can read and do as an edge. A core feeds edges of its own level and below, so an edge is never fed by
/// a core node that does not know what it relies on.
///
/// From 2 on entries say the term of the one before them, and messages have positions.
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
    /// A node that is not sound asks the leader whether it may stop to be repaired; refused with the reason why not.
    pub const LEAVE: u32 = 118;
    pub const SNAPSHOT: u32 = 120;
    pub const FILE: u32 = 121;
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
    /// Between them, too: a snapshot of what is behind a bootstrap snapshot, and its files.
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
