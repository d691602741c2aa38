//! Shows calls to clients that monitor the node (MONITOR), in redis-server's order: a script before its calls, EXEC behind what
//! it runs. Commands that administer the server are never shown.

use super::connection::Connection;
use crate::{
    command::{Flags, Resolved, Run, without_secrets},
    session::CalledBy,
};

/// Whether and when a call is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    Never,
    /// What may take long, or goes through the log: where it is called.
    Before,
    /// What runs here: with the database that it has chosen.
    After,
}

impl Connection {
    /// Whether and when this call is shown. One look at a number while nobody monitors.
    #[inline]
    pub(super) fn shows(&self, call: Resolved) -> Shows {
        if !self.thread.node.monitors.is_watched() {
            return Shows::Never;
        }
        let (command, flags) = (call.command, call.command.flags);
        let runs_here = matches!(command.run, Run::Local(_) | Run::Read(_)) && command.wait.is_none();
        match flags.has(Flags::RUNS_QUEUE) || runs_here && !flags.has(Flags::SKIP_MONITOR) {
            _ if flags.has(Flags::ADMIN) => Shows::Never,
            true => Shows::After,
            false => Shows::Before,
        }
    }

    #[cold]
    pub(super) fn show(&self, db: u32, call: Resolved, argv: &[&[u8]]) {
        let by = CalledBy::Client(&self.session.client.peer);
        self.thread.node.monitors.show(db, by, &without_secrets(call, argv));
    }
}
