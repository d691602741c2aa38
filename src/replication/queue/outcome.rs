//! What became of a write: one type on its whole way from apply to the client that waits, and the one place that words it
//! for the client.

use crate::resp::{ErrorReply, Reply};

/// What became of a proposal, or (`R` = replies of each proposal) of the entry that carried several.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<R = Vec<Reply>> {
    /// Durable on a majority and applied here: one reply per call (a transaction: one in all).
    Applied(R),
    /// Definitely not done, and never will be.
    NotDone(NotDone),
    /// It may have been done, or may yet be.
    Unknown(Unknown),
}

/// Why a write was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDone {
    QueueFull,
    TooLarge,
    /// There is no room for it on the leader's disk, whatever it does.
    DiskFull,
    Stopping,
    /// This node does not lead, and may not send it on.
    NotLeader,
    /// Nobody led while it waited.
    NoLeader,
    /// On an edge: no core node could be asked.
    CoreUnreachable,
    /// The feature level, or this node's program, does not allow it (`proposals/allowed.rs`).
    NotAllowed(ErrorReply),
    /// As the node that was asked to do it words it.
    Told(ErrorReply),
}

/// Why nobody can say whether a write was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// It got into this node's log, but whether it stays is for another leader to say.
    LeaderChanged,
    LogStopped,
    TimedOut,
    /// The time to stop was up before the log had an answer.
    ServerStopped,
    /// The node that was asked to do it did not answer; why.
    NoAnswer(String),
    /// That node ("leader", "core") answered, but not in a way that can be read.
    Unreadable(&'static str),
    /// As that node words it.
    Told(ErrorReply),
}

impl<R> Outcome<R> {
    /// What was applied, or the error that the client is told.
    pub fn applied(self) -> Result<R, ErrorReply> {
        match self {
            Outcome::Applied(replies) => Ok(replies),
            Outcome::NotDone(why) => Err(why.into()),
            Outcome::Unknown(why) => Err(why.into()),
        }
    }
}

impl NotDone {
    /// Whether another node may be asked to do it: the cause is this one's alone.
    pub fn is_of_this_node(&self) -> bool {
        match self {
            NotDone::NotLeader | NotDone::Stopping => true,
            NotDone::QueueFull
            | NotDone::TooLarge
            | NotDone::DiskFull
            | NotDone::NoLeader
            | NotDone::CoreUnreachable
            | NotDone::NotAllowed(_)
            | NotDone::Told(_) => false,
        }
    }
}

impl From<NotDone> for ErrorReply {
    fn from(why: NotDone) -> Self {
        match why {
            NotDone::QueueFull => {
                ErrorReply::try_again("too many writes are waiting for the log; nothing was changed")
            }
            NotDone::TooLarge => {
                ErrorReply::err("the write is larger than one log entry may be; nothing was changed")
            }
            NotDone::DiskFull => {
                ErrorReply::new("OOM", "the disk of the leader is full; nothing was changed. Make room on it")
            }
            NotDone::Stopping => ErrorReply::try_again("the server is stopping; nothing was changed"),
            NotDone::NotLeader => ErrorReply::try_again("this node is not the leader; nothing was changed"),
            NotDone::NoLeader => ErrorReply::no_leader(),
            NotDone::CoreUnreachable => {
                let text = "the core cannot be reached at the moment; nothing was changed, try again";
                ErrorReply::new("CLUSTERDOWN", text)
            }
            NotDone::NotAllowed(error) | NotDone::Told(error) => error,
        }
    }
}

impl From<Unknown> for ErrorReply {
    fn from(why: Unknown) -> Self {
        let why = match why {
            Unknown::LeaderChanged => "the leader changed".to_owned(),
            Unknown::LogStopped => "the log stopped".to_owned(),
            Unknown::TimedOut => "no answer from the log in time".to_owned(),
            Unknown::ServerStopped => "the server stopped before the log had an answer".to_owned(),
            Unknown::NoAnswer(why) => why,
            Unknown::Unreadable(of) => format!("the {of}'s answer cannot be read"),
            Unknown::Told(error) => return error,
        };
        let text = format!("outcome unknown: {why}; the write may or may not be applied");
        ErrorReply::new("UNKNOWN", text)
    }
}
