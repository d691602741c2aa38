//! What consensus says of an entry. The applier makes it, and it goes to whoever proposed the entry as it is.

use super::mailbox::Outbox;
use crate::resp::Reply;
use parking_lot::Mutex;
use std::sync::Arc;

/// What became of a proposed entry.
#[derive(Debug)]
pub enum Verdict {
    /// Committed and applied here: for each proposal one reply per call (a transaction: one in all). They go into the outbox of
    /// the chunk, which the apply thread delivers.
    Applied { replies: Vec<Vec<Reply>>, outbox: Arc<Mutex<Outbox>> },
    /// It did not get into the log.
    NotProposed,
    /// It got into this node's log, but whether it stays is for another leader to say.
    Lost,
}
