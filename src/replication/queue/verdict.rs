//! What consensus says of an entry.

use super::mailbox::Outbox;
use crate::replica::Applied;
use parking_lot::Mutex;
use std::sync::Arc;

/// What became of a proposed entry.
#[derive(Debug)]
pub enum Verdict {
    /// Committed and applied here; outcomes go into the outbox, which the apply thread delivers.
    Applied { replies: Applied, outbox: Arc<Mutex<Outbox>> },
    /// It did not get into the log.
    NotProposed,
    /// It got into this node's log, but whether it stays is for another leader to say.
    Lost,
}
