//! CORE SOURCE: a Redis or Valkey that the data follow. `flotilla admin replicate-from` sends it.

use crate::{
    command::{Args, Effect},
    error::Result,
    resp::{ErrorReply, Reply},
    session::{Context, SourceOrder, SourceRequest},
    store::SourceRecord,
};
use serde_json::json;

/// Certificates and all.
const ORDER_BYTES_MAX: usize = 256 * 1024;
/// Longest pause of the source's clients at the cut-over, ms.
const PAUSE_MS_MAX: u64 = 3_600_000;
const PAUSE_MS_MIN: u64 = 1000;
const HOST_BYTES_MAX: usize = 255;

/// The order of a call carries a password.
pub(super) fn secrets(argv: &[&[u8]]) -> Vec<usize> {
    (3..argv.len()).collect()
}

pub(super) fn source(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let word = args.next_word()?;
    let asks = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let effect = if asks("START") {
        Effect::Source(SourceRequest::Start(Box::new(order(args.next_word()?)?)))
    } else if asks("STOP") {
        Effect::Source(SourceRequest::Stop)
    } else if asks("CUTOVER") {
        Effect::Source(SourceRequest::CutOver)
    } else if asks("STATUS") {
        Effect::Reply(status(context))
    } else {
        return Err(ErrorReply::syntax().into());
    };
    if args.is_empty() { Ok(effect) } else { Err(ErrorReply::syntax().into()) }
}

fn order(word: &[u8]) -> Result<SourceOrder> {
    let wrong = |text: &'static str| ErrorReply::err(text);
    if word.len() > ORDER_BYTES_MAX {
        return Err(wrong("the order is too long").into());
    }
    // What is wrong with it could show a part of the password.
    let order: SourceOrder =
        serde_json::from_slice(word).map_err(|_| wrong("the order is not the JSON that was expected"))?;
    let host = &order.settings.host;
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("the order has no valid host").into());
    }
    if order.settings.port == 0 {
        return Err(wrong("the order has no port").into());
    }
    if !(PAUSE_MS_MIN..=PAUSE_MS_MAX).contains(&order.pause_ms) {
        return Err(wrong("the pause must be from a second to an hour").into());
    }
    Ok(order)
}

fn status(context: &Context<'_>) -> Reply {
    let group = &context.node.group;
    let now = group.state.clock.now_ms();
    let text = match group.store.latest().source() {
        None => json!({ "phase": "none" }),
        Some(record) => shown(record, now),
    };
    Reply::bulk(text.to_string())
}

fn shown(record: &SourceRecord, now: u64) -> serde_json::Value {
    json!({
        "phase": record.phase.name(),
        "source": record.address,
        "refuses_writes": record.refuses_writes(),
        "replication_id": record.replid,
        "offset": if record.is_loading() { 0 } else { record.position },
        "source_offset": record.source_offset,
        "lag_bytes": record.lag_bytes(),
        "lag_ms": record.lag_ms(now),
        "keys": record.keys,
        "keys_total": record.keys_total,
        "bytes": record.bytes,
        "bytes_total": record.bytes_total,
        "loading_ms": if record.is_loading() { now.saturating_sub(record.loading_at) } else { 0 },
        "commands": record.commands,
        "full_syncs": record.full_syncs,
        "partial_syncs": record.partial_syncs,
        "error": record.error,
    })
}
