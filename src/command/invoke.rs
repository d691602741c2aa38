//! Runs one call: the one way from its words to a handler that touches the data. Apply, EXEC, the reads of connections, and
//! whatever runs calls for others go this way; nothing else calls such a handler.
//!
//! Invariant: a call that fails, or whose handler panics, leaves nothing behind, whatever ran before it in the same command.
//! Its error is its reply, on every replica alike.

use super::{Args, Resolved, Run, Table};
use crate::{
    error::{Error, Result, StoreError},
    resp::{ErrorReply, Reply},
    store::{Txn, View},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a call inside a batch, as the running command or a part of it: looks it up, checks its arity, calls its handler. An
/// `Err` stops the node: the store failed.
pub fn invoke(table: &Table, txn: &mut Txn<'_>, argv: &[&[u8]]) -> Result<Reply, StoreError> {
    let savepoint = txn.savepoint();
    let outcome = guarded(|| {
        let resolved = table.resolve(argv)?;
        let mut args = Args::new(argv, resolved.names);
        match resolved.command.run {
            Run::Write(handler) => handler(txn, &mut args),
            Run::Read(handler) => handler(&txn.view(), &mut args),
            Run::Local(_) | Run::Async(_) | Run::Container => {
                Err(ErrorReply::err("command cannot be applied from the log").into())
            }
        }
    });
    match outcome {
        Ok(reply) => Ok(reply),
        Err(Error::Client(error)) => {
            txn.roll_back(savepoint);
            Ok(Reply::Error(error))
        }
        Err(Error::Fatal(error)) => Err(error),
        Err(Error::WouldBlock | Error::NotLogged) => {
            Err(StoreError::corrupt("apply", "a read refused to wait"))
        }
    }
}

/// Runs a call that only reads, at one point in time.
pub fn invoke_read(call: Resolved, view: &View<'_>, argv: &[&[u8]]) -> Result<Reply> {
    match call.command.run {
        Run::Read(handler) => guarded(|| handler(view, &mut Args::new(argv, call.names))),
        Run::Write(_) | Run::Local(_) | Run::Async(_) | Run::Container => {
            Err(ErrorReply::err("command does not read only").into())
        }
    }
}

/// What a handler answers; a panic is an error like any other.
pub fn guarded<T>(handler: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(handler))
        .unwrap_or_else(|_panic| Err(ErrorReply::err("internal error").into()))
}
