//! CORE BACKUP: the backups of the node that is asked. `flotilla admin backup` sends it.

use crate::{
    command::Args,
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
};
use serde_json::json;

pub(super) fn backup(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let word = args.next_word()?;
    match args.is_empty() {
        true if word.eq_ignore_ascii_case(b"START") => start(context),
        true if word.eq_ignore_ascii_case(b"STATUS") => Ok(status(context)),
        _ => Err(ErrorReply::syntax().into()),
    }
}

fn start(context: &Context<'_>) -> Result<Reply> {
    match context.node.backups.ask() {
        Ok(()) => Ok(Reply::Simple("Backup started".into())),
        Err(why) => Err(ErrorReply::err(why).into()),
    }
}

fn status(context: &Context<'_>) -> Reply {
    let status = context.node.backups.status();
    let last = status.last.as_ref().map(|last| {
        json!({
            "name": last.name,
            "revision": last.index,
            "log_time_ms": last.log_time_ms,
            "taken_at_ms": last.taken_at_ms,
            "bytes": last.bytes,
            "bytes_sent": last.bytes_sent,
            "millis": last.millis,
        })
    });
    let running = status.running.map(|running| {
        json!({ "began_at_ms": running.began_at_ms, "bytes": running.bytes, "bytes_done": running.bytes_done })
    });
    let archived = status.archived.as_ref();
    let text = json!({
        "to": status.to,
        "running": running,
        "last": last,
        "error": status.error,
        "taken": status.taken,
        "failed": status.failed,
        "archived_revision": archived.map(|archived| archived.index),
        "restorable_to_ms": archived.map(|archived| archived.restorable_ms).filter(|at| *at > 0),
        "archive_error": status.archive_error,
    });
    Reply::bulk(text.to_string())
}
