//! Runs one call: the only way from its words to a handler that touches the data. Apply, EXEC and the reads of connections
//! use it; nothing else calls such a handler.
//!
//! Invariant: a call that fails, or whose handler panics, changes nothing, even if other calls of the same command ran
//! before it. Its error is its reply, the same on every replica.

use super::{Args, Flags, Resolved, Run, Table, passed_on};
use crate::{
    acl::User,
    error::{Error, Result, StoreError},
    resp::{ErrorReply, Reply},
    store::{Txn, View},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Who waits for the reply of a call inside a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Nobody,
    /// A client, at this node alone.
    Client,
    /// A script, on every replica: what it reads belongs to its budget.
    Script,
}

/// Runs a call inside a batch, as the running command or a part of it: looks it up, checks its arity, calls its handler. An
/// `Err` stops the node: the store failed. With nobody who waits for the reply (`is_awaited`) a call that only reads is
/// not run: it changes nothing, and its reply can be large (`Txn::begin_replies` bounds it).
pub fn invoke(
    table: &Table,
    txn: &mut Txn<'_>,
    argv: &[&[u8]],
    is_awaited: bool,
) -> Result<Reply, StoreError> {
    invoke_as(table, txn, None, argv, is_awaited)
}

/// As `invoke`, called by a user who may not do everything. The call itself was asked for where it was made; those of a script
/// are asked for here.
pub fn invoke_as(
    table: &Table,
    txn: &mut Txn<'_>,
    caller: Option<&User>,
    argv: &[&[u8]],
    is_awaited: bool,
) -> Result<Reply, StoreError> {
    run(table, txn, caller, argv, if is_awaited { Waits::Client } else { Waits::Nobody })
}

/// As `invoke`, for a script that runs as the running command.
pub fn invoke_for_script(table: &Table, txn: &mut Txn<'_>, argv: &[&[u8]]) -> Result<Reply, StoreError> {
    run(table, txn, None, argv, Waits::Script)
}

fn run(
    table: &Table,
    txn: &mut Txn<'_>,
    caller: Option<&User>,
    argv: &[&[u8]],
    waits: Waits,
) -> Result<Reply, StoreError> {
    let (savepoint, spent) = (txn.savepoint(), txn.spent());
    let outcome = guarded(|| {
        let resolved = table.resolve(argv)?;
        resolved.allowed_at(txn.feature_level())?;
        if resolved.command.flags.has(Flags::WRITE) {
            txn.may_write()?;
        }
        let mut args = Args::new(argv, resolved.names).called_by(caller);
        match resolved.command.run {
            Run::Write(handler) if txn.tells_of_calls() => {
                let recorded = txn.recorded();
                let reply = handler(txn, &mut args)?;
                passed_on::tell(txn, resolved, argv, &reply, recorded);
                Ok(reply)
            }
            Run::Write(handler) => handler(txn, &mut args),
            Run::Script(script) => (script.logged)(txn, &mut args),
            Run::Read(handler) => {
                if txn.tracks_reads() {
                    resolved.command.keys_read(argv).for_each(|key| txn.read_for_caller(key));
                }
                match waits {
                    Waits::Nobody => Ok(Reply::Nil),
                    Waits::Client => handler(&txn.replying_view(), &mut args),
                    Waits::Script => handler(&txn.view(), &mut args),
                }
            }
            Run::Local(_) | Run::Async(_) | Run::Container => {
                Err(ErrorReply::err("command cannot be applied from the log").into())
            }
        }
    });
    let outcome = match (outcome, txn.over_budget()) {
        // Whatever the handler made of it.
        (Ok(_) | Err(Error::Client(_)), Some(error)) => Err(error.into()),
        (outcome, _) => outcome,
    };
    match outcome {
        Ok(reply) => {
            txn.release(savepoint);
            Ok(reply)
        }
        Err(Error::Client(error)) => {
            txn.roll_back(savepoint);
            txn.refund(spent);
            Ok(Reply::Error(error))
        }
        Err(Error::Fatal(error)) => Err(error),
        Err(Error::WouldBlock | Error::NotLogged | Error::Writes) => {
            Err(StoreError::corrupt("apply", "a read refused to wait"))
        }
    }
}

/// Runs a call that only reads, at one point in time, or one that may: `Error::Writes` if it does not. `caller`: as of
/// `invoke_as`.
pub fn invoke_read(call: Resolved, view: &View<'_>, caller: Option<&User>, argv: &[&[u8]]) -> Result<Reply> {
    call.allowed_at(view.feature_level())?;
    match call.command.run {
        Run::Read(handler) => guarded(|| handler(view, &mut Args::new(argv, call.names).called_by(caller))),
        Run::Script(script) => {
            guarded(|| (script.on_view)(view, &mut Args::new(argv, call.names).called_by(caller)))
        }
        Run::Write(_) | Run::Local(_) | Run::Async(_) | Run::Container => {
            Err(ErrorReply::err("command does not read only").into())
        }
    }
}

/// Runs a handler and turns a panic into an error.
pub fn guarded<T>(handler: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(handler))
        .unwrap_or_else(|_panic| Err(ErrorReply::err("internal error").into()))
}
