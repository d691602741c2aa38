//! What a follower does with a write that a client sends to it.

/// How a follower handles writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFollower {
    /// Sends them to the leader.
    Forward,
    /// Tells the client where to go.
    Redirect,
    Readonly,
}

impl OnFollower {
    pub(super) fn new(word: &str, cluster_enabled: bool) -> Self {
        match word {
            "redirect" => OnFollower::Redirect,
            "readonly" => OnFollower::Readonly,
            "auto" if cluster_enabled => OnFollower::Redirect,
            _ => OnFollower::Forward,
        }
    }
}
