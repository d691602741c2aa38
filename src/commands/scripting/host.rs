//! What a script can reach: the commands, in a batch or on a view.
//!
//! Invariant: in a batch, a call of a script gives the same reply and the same changes on every replica. So it can reach
//! neither sessions nor the node: of the commands that are no data's, only those whose row says what they do in a script
//! (`Command::in_script`) can be called.

use super::{
    inner::{CallsOfRun, Timed},
    noted,
    running::Run as RunOnNode,
    slots::Slots,
};
use crate::{
    acl::User,
    command::{Args, Flags, InScript, Resolved, Run, check, guarded, invoke_for_script, may_read_all_keys},
    commands::table,
    error::{Error, Result},
    resp::{ErrorReply, Reply},
    script::{Host, LogLevel, Stop},
    state::Room,
    store::{Txn, View},
};
use std::cell::Cell;

/// What scripts that must not write are told.
const READ_ONLY: &str = "Write commands are not allowed from read-only scripts.";

/// A trial whose batch holds more ends.
const TRIAL_BYTES_MAX: usize = 64 << 20;

/// Finds the command of a script's call, and whether scripts may call it, and this caller.
fn admitted(
    argv: &[&[u8]],
    db: u32,
    feature_level: u32,
    caller: Option<&User>,
) -> Result<Resolved, ErrorReply> {
    let call = match table().resolve(argv) {
        Ok(call) => call,
        Err(_) if table().knows(argv) => {
            return Err(ErrorReply::err("Wrong number of args calling Redis command from script"));
        }
        Err(_) => return Err(ErrorReply::err("Unknown Redis command called from script")),
    };
    call.allowed_at(feature_level)?;
    let command = call.command;
    // A command that may wait for data makes one attempt.
    let is_refused = command.flags.has(Flags::NOSCRIPT) && !command.flags.has(Flags::BLOCKING);
    let is_data = matches!(command.run, Run::Read(_) | Run::Write(_));
    match !is_refused && (is_data || command.in_script.is_some()) {
        true => asked(call, argv, db, caller).map(|()| call),
        false => Err(ErrorReply::err("This Redis command is not allowed from script")),
    }
}

/// Whether the user who called the script may make this call.
fn asked(call: Resolved, argv: &[&[u8]], db: u32, caller: Option<&User>) -> Result<(), ErrorReply> {
    let Some(user) = caller else { return Ok(()) };
    if let Err(denied) = check(user, call, argv, db) {
        noted::deny(user, denied, call, argv);
        let text = format!("ACL failure in script: {}", denied.text(user, call));
        return Err(ErrorReply::new("NOPERM", text));
    }
    match call.command.needs_all_keys.and_then(|needs| needs(argv)) {
        Some(why) if !may_read_all_keys(user, call, argv, db) => Err(ErrorReply::err(why)),
        _ => Ok(()),
    }
}

/// `redis.acl_check_cmd`.
fn may_call(argv: &[&[u8]], db: u32, caller: Option<&User>) -> Option<bool> {
    let is_known = table().knows(argv);
    let may = |user| table().resolve(argv).is_ok_and(|call| check(user, call, argv, db).is_ok());
    is_known.then(|| caller.is_none_or(may))
}

fn client_error(error: Error) -> Result<Reply, Stop> {
    match error {
        Error::Client(error) => Ok(Reply::Error(error)),
        Error::Fatal(error) => Err(Stop::Store(error)),
        Error::WouldBlock | Error::NotLogged | Error::Writes => {
            Ok(Reply::Error(ErrorReply::err("internal error")))
        }
    }
}

/// In a batch.
pub(super) struct TxnHost<'a, 's> {
    pub(super) txn: &'a mut Txn<'s>,
    /// The script says that it does not.
    pub(super) is_read_only: bool,
    /// A user who may not do everything.
    pub(super) caller: Option<&'a User>,
    pub(super) running: RunOnNode<'a>,
    pub(super) trial: Option<Trial>,
}

/// A run in a batch that is thrown away.
pub(super) struct Trial {
    room: Room,
    slots: Slots,
    /// It ended early, because its batch became large. That is no reason not to log the script.
    is_enough: bool,
}

impl Trial {
    pub(super) fn new(room: Room, slots: Slots) -> Self {
        Trial { room, slots, is_enough: false }
    }

    pub(super) fn was_enough(&self) -> bool {
        self.is_enough
    }

    /// A call that the script may not make ends the trial: where the script is applied nobody would stop it.
    fn admit(&mut self, call: Resolved, argv: &[&[u8]]) -> Result<(), ErrorReply> {
        if call.command.flags.has(Flags::DENYOOM)
            && let Some(refusal) = self.room.refusal()
        {
            return Err(refusal);
        }
        self.slots.admit(call, argv)
    }

    fn is_enough(&mut self, txn: &Txn<'_>) -> bool {
        self.is_enough |= txn.pending_bytes() > TRIAL_BYTES_MAX;
        self.is_enough
    }
}

impl TxnHost<'_, '_> {
    fn local(&mut self, in_script: InScript) -> Result<Reply> {
        Ok(match in_script {
            InScript::Reply(reply) => reply,
            InScript::Select(db) => {
                self.txn.select_in_script(db);
                Reply::Ok
            }
            InScript::Publish { .. } if self.is_read_only => return Err(ErrorReply::err(READ_ONLY).into()),
            InScript::Publish { channel, payload, is_sharded } => {
                self.txn.publish(&channel, &payload, is_sharded)?;
                // Each node has listeners of its own, and the reply must be the same on all.
                Reply::Int(0)
            }
        })
    }
}

impl Host for TxnHost<'_, '_> {
    fn call(&mut self, argv: &[&[u8]]) -> Result<Reply, Stop> {
        let call = match admitted(argv, self.txn.db(), self.txn.feature_level(), self.caller) {
            Ok(call) => call,
            Err(error) => return Ok(Reply::Error(error)),
        };
        if self.trial.is_none() {
            noted::note(self.txn.db(), call, argv);
        }
        if let Some(in_script) = call.command.in_script {
            let done = in_script(self.txn.now(), &mut Args::new(argv, call.names));
            return done.and_then(|done| self.local(done)).or_else(client_error);
        }
        if self.is_read_only && call.command.is_write() {
            return Ok(Reply::Error(ErrorReply::err(READ_ONLY)));
        }
        if let Some(trial) = &mut self.trial {
            trial.admit(call, argv).map_err(Stop::Refused)?;
            if trial.is_enough(self.txn) {
                return Err(Stop::Killed);
            }
        }
        let timed = self.trial.is_none().then(|| Timed::begin(call.index));
        let reply = invoke_for_script(table(), self.txn, argv).map_err(Stop::Store)?;
        if let Some(timed) = timed {
            timed.end(matches!(reply, Reply::Error(_)));
        }
        Ok(reply)
    }

    fn is_killed(&self) -> bool {
        self.running.look() && self.running.is_killed()
    }

    fn log(&mut self, level: LogLevel, text: &[u8]) {
        // Where it is applied it would be logged by every node, and again after each restart.
        if self.trial.is_some() {
            log(level, text);
        }
    }

    fn may_call(&self, argv: &[&[u8]]) -> Option<bool> {
        may_call(argv, self.txn.db(), self.caller)
    }
}

/// On a view.
pub(super) struct ViewHost<'a> {
    view: View<'a>,
    /// The script must not write; otherwise the run ends when it is about to, and belongs into the log.
    is_read_only: bool,
    running: RunOnNode<'a>,
    slots: Slots,
    caller: Option<&'a User>,
    /// Why the run ended early.
    ended: Cell<Option<Error>>,
    calls: CallsOfRun,
}

impl<'a> ViewHost<'a> {
    pub(super) fn new(
        view: View<'a>,
        dice: &'a Cell<u64>,
        is_read_only: bool,
        running: RunOnNode<'a>,
        slots: Slots,
        caller: Option<&'a User>,
    ) -> Self {
        let (view, ended) = (view.for_script(dice), Cell::new(None));
        let calls = CallsOfRun::default();
        ViewHost { view, is_read_only, running, slots, caller, ended, calls }
    }

    /// Why the run ended early, if it did. Then it may be made again, elsewhere, and its calls do not count.
    pub(super) fn ended(&self) -> Option<Error> {
        let ended = self.ended.take();
        if ended.is_none() {
            self.calls.count();
        }
        ended
    }

    fn end(&self, why: Error) -> Stop {
        self.ended.set(Some(why));
        Stop::Killed
    }

    fn writes(&self) -> Result<Reply, Stop> {
        match self.is_read_only {
            true => Ok(Reply::Error(ErrorReply::err(READ_ONLY))),
            false => Err(self.end(Error::Writes)),
        }
    }
}

impl Host for ViewHost<'_> {
    fn call(&mut self, argv: &[&[u8]]) -> Result<Reply, Stop> {
        let call = match admitted(argv, self.view.db(), self.view.feature_level(), self.caller) {
            Ok(call) => call,
            Err(error) => return Ok(Reply::Error(error)),
        };
        noted::note(self.view.db(), call, argv);
        if let Some(in_script) = call.command.in_script {
            return match in_script(self.view.now(), &mut Args::new(argv, call.names)) {
                Ok(InScript::Reply(reply)) => Ok(reply),
                Ok(InScript::Select(db)) => {
                    self.view = self.view.of_db(db);
                    Ok(Reply::Ok)
                }
                Ok(InScript::Publish { .. }) => self.writes(),
                Err(error) => client_error(error),
            };
        }
        if let Err(error) = self.slots.admit(call, argv) {
            return Ok(Reply::Error(error));
        }
        let Run::Read(handler) = call.command.run else { return self.writes() };
        call.command.keys_read(argv).for_each(|key| self.view.script_reads(key));
        let timed = Timed::begin(call.index);
        let outcome = guarded(|| handler(&self.view, &mut Args::new(argv, call.names)));
        timed.end_for(&mut self.calls, outcome.is_err());
        match outcome {
            Ok(reply) => Ok(reply),
            Err(Error::Client(error)) => Ok(Reply::Error(error)),
            Err(error) => Err(self.end(error)),
        }
    }

    fn is_killed(&self) -> bool {
        // A long run goes on on the pool, away from the thread that serves connections.
        if !self.running.look() {
            return false;
        }
        if let Err(error) = self.view.may_take_long() {
            self.ended.set(Some(error));
            return true;
        }
        self.running.is_killed()
    }

    fn log(&mut self, level: LogLevel, text: &[u8]) {
        log(level, text);
    }

    fn may_call(&self, argv: &[&[u8]]) -> Option<bool> {
        may_call(argv, self.view.db(), self.caller)
    }
}

/// A line of `redis.log`.
fn log(level: LogLevel, text: &[u8]) {
    let text = String::from_utf8_lossy(text.get(..text.len().min(1024)).unwrap_or_default());
    match level {
        LogLevel::Debug => tracing::debug!("a script says: {text}"),
        LogLevel::Verbose | LogLevel::Notice => tracing::info!("a script says: {text}"),
        LogLevel::Warning => tracing::warn!("a script says: {text}"),
    }
}
