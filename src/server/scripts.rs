//! Calls of scripts and functions. One that only reads is answered from a view, as a read; any other is logged.
//!
//! **Which way.** What this node has seen of a script decides (`ScriptRun::outlook`). One that has not written so far begins on a
//! view; when it is about to write, that run is dropped and the call is logged. One that is not known to be short is tried
//! out first: in a batch that is thrown away, on the pool, where it stalls nobody and can be killed. Only what came to its
//! end there is logged, so a script without end never reaches the log by surprise; the budget of apply is the net below.
//! What the trial saw may have changed when the entry is applied: it decides nothing else.
//!
//! **Flags.** A script says in its shebang what it needs (`script_rules`). Where a flag forbids something inside the script (a second
//! slot, growth while there is no room) the script is tried out, each time, and not logged if it does it.

use super::{
    connection::{Close, Connection},
    read::{Answer, Attempt, Form, borrowed, owned},
};
use crate::{
    command::{Args, Outlook, Resolved, Run, ScriptFlagsOf, ScriptRun, TrialRules, guarded},
    config::{EdgeWrites, OnFollower},
    error::Error,
    resp::{ErrorReply, Reply},
    script::ScriptFlags,
    state::Room,
    store::{LogId, ReadTime},
};
use std::sync::Arc;

impl Connection {
    /// Whether flags of scripts matter now: in cluster mode, on a node that has lost its leader, while the data may not grow.
    pub(super) fn looks_at_flags(&self) -> bool {
        let node = &self.thread.node;
        node.config.settings().cluster_enabled
            || self.is_too_stale()
            || node.group.state.room(0) != Room::Enough
    }

    /// Whether the node has lost its leader or the core, and must not serve what it has.
    fn is_too_stale(&self) -> bool {
        let node = &self.thread.node;
        !node.config.settings().replica_serve_stale_data && !node.group.state.is_link_up()
    }

    /// Whether a call's script may run here now, by its flags, and what it may not do.
    pub(super) async fn script_rules(
        &mut self,
        call: Resolved,
        flags_of: ScriptFlagsOf,
        argv: &[&[u8]],
    ) -> Result<TrialRules, ErrorReply> {
        let is_stale = self.is_too_stale();
        let mut said = self.script_flags(call, flags_of, argv).await;
        if said.is_err() {
            // It may have been loaded a moment ago, by this chunk or through another node.
            self.flush_writes().await;
            if is_stale || self.barrier().await.is_ok() {
                said = self.script_flags(call, flags_of, argv).await;
            }
        }
        // What is wrong with the call is told by its run; a script that is not there has no flags.
        let flags = said.unwrap_or_default();
        let node = &self.thread.node;
        if flags.no_cluster && node.config.settings().cluster_enabled {
            return Err(ErrorReply::err("Can not run script on cluster, 'no-cluster' flag is set."));
        }
        if is_stale && !flags.allow_stale {
            let text = match flags.has_shebang {
                true => {
                    "Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not set on the script."
                }
                false => "Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            };
            return Err(ErrorReply::new("MASTERDOWN", text));
        }
        let room = if flags.allow_oom { Room::Enough } else { self.room_in_time().await };
        let writes = !flags.no_writes && matches!(call.command.run, Run::Script(_));
        if let Some(refusal) = room.refusal().filter(|_| flags.has_shebang && writes) {
            let text =
                "allow-oom flag is not set on the script, can not run it while the disk is almost full";
            return Err(if room == Room::DiskLow { ErrorReply::new("OOM", text) } else { refusal });
        }
        let is_strict = flags.has_shebang && !flags.allow_cross_slot_keys;
        Ok(TrialRules { room, in_one_slot: is_strict && self.keeps_scripts_in_one_slot() })
    }

    /// What a call's script says of itself, if the call is right.
    async fn script_flags(
        &mut self,
        call: Resolved,
        flags_of: ScriptFlagsOf,
        argv: &[&[u8]],
    ) -> Result<ScriptFlags, Error> {
        let of = move |attempt: &Attempt<'_>, argv: &[&[u8]]| {
            let view = attempt.view(0).quiet();
            guarded(|| flags_of(&view, &mut Args::new(argv, call.names)))
        };
        self.attempt(
            ReadTime::LastEntry,
            |attempt| of(attempt, argv),
            || {
                let argv = owned(argv);
                move |attempt: &Attempt<'_>| of(attempt, &borrowed(&argv))
            },
        )
        .await
    }

    /// Whether this is a cluster for its clients, with slots that a script must keep to.
    pub(super) fn keeps_scripts_in_one_slot(&self) -> bool {
        let settings = self.thread.node.config.settings();
        settings.cluster_enabled && !settings.cluster_allow_cross_slot
    }

    /// Runs a script, or queues it behind the chunk's writes.
    pub(super) async fn script(
        &mut self,
        call: Resolved,
        script: ScriptRun,
        rules: TrialRules,
        argv: &[&[u8]],
    ) -> Result<(), Close> {
        let outlook = self.outlook(call, script, argv);
        let is_known = outlook.writes && outlook.is_short && outlook.is_kept;
        if is_known && !rules.restrict() && !self.takes_no_writes() {
            self.write(call, argv).await;
            return Ok(());
        }
        self.flush_writes().await;
        let mut was_short = outlook.is_short;
        if !outlook.writes {
            match self.try_read(call, argv, Form::Values).await {
                Err(Error::Writes) => {}
                // EVAL keeps its script, for those who call it by its SHA-1.
                Ok(Answer::Reply(reply))
                    if !outlook.is_kept && !matches!(reply, Reply::Error(_)) && self.may_keep() =>
                {
                    was_short = true;
                }
                Ok(Answer::Reply(reply)) => return self.answer_script(call, Ok(reply)),
                Ok(Answer::Encoded(_) | Answer::Bulk(_)) => {
                    return self.answer_script(call, Err(ErrorReply::err("internal error").into()));
                }
                Err(error) => return self.answer_script(call, Err(error)),
            }
        }
        if self.takes_no_writes() {
            return self.answer_script(call, Err(ErrorReply::read_only().into()));
        }
        if (!was_short || rules.restrict())
            && let Err(error) = self.try_out(call, script, rules, argv).await
        {
            return self.answer_script(call, Err(error));
        }
        self.write(call, argv).await;
        Ok(())
    }

    /// SCRIPT KILL and FUNCTION KILL.
    pub(super) async fn kill_scripts(&self, of_functions: bool) -> Reply {
        match self.thread.group.kill_scripts(of_functions).await.answer(of_functions) {
            Ok(()) => Reply::Ok,
            Err(error) => Reply::Error(error),
        }
    }

    fn answer_script(&mut self, call: Resolved, outcome: Result<Reply, Error>) -> Result<(), Close> {
        let reply = self.reply_of(outcome)?;
        self.finish(call.index, &reply);
        Ok(())
    }

    fn outlook(&self, call: Resolved, script: ScriptRun, argv: &[&[u8]]) -> Outlook {
        let store = &self.thread.node.group.store;
        let published = store.latest();
        let view = store.view(&published, self.session.db, ReadTime::LastEntry).quiet();
        let unknown = Outlook { writes: false, is_short: false, is_kept: false };
        guarded(|| (script.outlook)(&view, &mut Args::new(argv, call.names))).unwrap_or(unknown)
    }

    /// Whether this node can have a script kept that it has just run.
    fn may_keep(&self) -> bool {
        !self.takes_no_writes() && self.thread.node.group.state.room(0) == Room::Enough
    }

    /// Whether clients of this node must send their writes elsewhere. For a script it is too early to say before it runs.
    fn takes_no_writes(&self) -> bool {
        let node = &self.thread.node;
        let settings = node.config.settings();
        match settings.edge.as_ref() {
            Some(edge) => edge.writes == EdgeWrites::Reject,
            None => settings.on_follower == OnFollower::Readonly && node.group.state.follows(),
        }
    }

    /// Runs it in a batch that is thrown away. An error says why it must not be logged.
    async fn try_out(
        &mut self,
        call: Resolved,
        script: ScriptRun,
        rules: TrialRules,
        argv: &[&[u8]],
    ) -> Result<(), Error> {
        // A script that was loaded through another node is known here by now.
        self.barrier().await?;
        let turn = self.thread.long_reads.begin().await?;
        let node = &self.thread.node;
        let (store, seed) = (Arc::clone(&node.group.store), node.group.state.environment().random());
        let (at, db, argv, caller) = (self.log_ms(), self.session.db, owned(argv), self.caller_of(call));
        self.on_pool(move || {
            let published = store.published();
            let index = published.state().applied.map_or(0, |applied| applied.index).saturating_add(1);
            let mut txn = store.trial(published);
            txn.begin_entry(LogId { term: 0, index }, at, seed);
            txn.begin_command(db);
            let argv = borrowed(&argv);
            let mut args = Args::new(&argv, call.names).called_by(caller.as_deref());
            let tried = guarded(|| (script.tried)(&mut txn, &mut args, rules));
            drop(turn);
            tried
        })
        .await?
    }
}
