//! What the session's user may do: the gate "permitted", and where else it is asked.
//!
//! A user who may make all calls is not asked about: that is one look at a number and a flag. Users change while sessions
//! are open. Each call begins with a look at the version of the table of users, and reads the session's user anew if it has changed.
//!
//! Calls of scripts are asked for where they run. So a call that runs a script carries its user's name into the log, and apply
//! asks the user that is replicated with the data; here, on views and in trials, the session's own.

use super::{
    connection::{Close, Connection},
    gates::Refusal,
};
use crate::{
    acl::User,
    command::{Denied, Flags, Resolved, check, may_read_all_keys},
    commands::{connection::client_info, scripting::InnerDenial},
    resp::ErrorReply,
    session::{DeniedIn, DeniedReason},
};
use std::sync::Arc;

impl Connection {
    /// Reads the user anew if users have changed. One that is gone or off has no sessions.
    pub(super) fn follow_user(&mut self) -> Result<(), Refusal> {
        let node = &self.thread.node;
        let version = node.users.version();
        match self.session.users_version == version {
            true => Ok(()),
            false => self.changed_user(version),
        }
    }

    #[cold]
    fn changed_user(&mut self, version: u64) -> Result<(), Refusal> {
        let node = Arc::clone(&self.thread.node);
        self.session.users_version = version;
        if !self.session.authenticated {
            self.session.user = node.users.default_user();
            if node.users.is_open(&node.config.settings()) {
                let user = Arc::clone(&self.session.user);
                self.session.authenticate(user);
            }
            return Ok(());
        }
        let now = node.users.refreshed(&self.session.user).ok_or(Refusal::Gone)?;
        self.session.authenticate(now);
        Ok(())
    }

    /// Whether the user may make this call.
    pub(super) fn permitted(&self, call: Resolved, argv: &[&[u8]]) -> Result<(), Refusal> {
        match self.session.user.is_unrestricted() {
            true => Ok(()),
            false => self.ask_user(call, argv, DeniedIn::TopLevel).map_err(Refusal::Error),
        }
    }

    fn ask_user(&self, call: Resolved, argv: &[&[u8]], context: DeniedIn) -> Result<(), ErrorReply> {
        check(&self.session.user, call, argv, self.session.db_of_calls()).map_err(|denied| {
            self.note_denied(denied, call, argv, context);
            denied.error(&self.session.user, call)
        })
    }

    /// As `permitted`, of a queued call when EXEC comes to it with this database selected.
    pub(super) fn permitted_in_exec(
        &self,
        call: Resolved,
        argv: &[&[u8]],
        db: u32,
    ) -> Result<(), ErrorReply> {
        let user = &self.session.user;
        let Err(denied) = check(user, call, argv, db) else { return Ok(()) };
        self.note_denied(denied, call, argv, DeniedIn::Multi);
        let reason = match denied {
            Denied::Database(_) => "no permission to access the database",
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => {
                "no permission to access one of the channels used as arguments to the command"
            }
        };
        let text = format!(
            "ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no \
             longer allowed for the following reason: {reason}"
        );
        Err(ErrorReply::new("NOPERM", text))
    }

    /// As `permitted`, of a call that waits for keys: why it must not be made any more.
    pub(super) fn still_permitted(
        &mut self,
        call: Resolved,
        argv: &[&[u8]],
    ) -> Result<Option<ErrorReply>, Close> {
        match self.follow_user().and_then(|()| self.permitted(call, argv)) {
            Ok(()) => Ok(None),
            Err(Refusal::Error(error)) => Ok(Some(error)),
            Err(_) => Err(Close::Now),
        }
    }

    /// Whether the user may read all keys, if the call reads keys that only the data tell. Said where a call runs, as by
    /// redis-server: MULTI queues it.
    pub(super) fn may_read_untold(&self, call: Resolved, argv: &[&[u8]], db: u32) -> Result<(), ErrorReply> {
        let (Some(needs), user) = (call.command.needs_all_keys, &self.session.user) else { return Ok(()) };
        match needs(argv).filter(|_| !may_read_all_keys(user, call, argv, db)) {
            Some(why) => Err(ErrorReply::err(why)),
            None => Ok(()),
        }
    }

    /// The user for whom a call's own calls must be asked for, if it is not one who may make all.
    pub(super) fn caller_of(&self, call: Resolved) -> Option<Arc<User>> {
        let user = &self.session.user;
        let is_asked = call.command.flags.has(Flags::RUNS_SCRIPT) && !user.is_unrestricted();
        is_asked.then(|| Arc::clone(user))
    }

    fn note_denied(&self, denied: Denied, call: Resolved, argv: &[&[u8]], context: DeniedIn) {
        let (reason, object) = denied.logged(call, argv);
        self.log_denied((reason, context), &object, self.session.user.name());
    }

    /// What scripts of this connection were refused.
    pub(super) fn note_denied_in_script(&self, denied: &[InnerDenial]) {
        for InnerDenial { user, reason, object } in denied {
            self.log_denied((*reason, DeniedIn::Script), object, user);
        }
    }

    #[cold]
    fn log_denied(&self, why: (DeniedReason, DeniedIn), object: &[u8], user: &str) {
        let node = &self.thread.node;
        let client = client_info(&self.session.client, self.clock.now_ms());
        node.users.note_denied(why, object, user, client, node.config.settings().acllog_len_max);
    }
}
