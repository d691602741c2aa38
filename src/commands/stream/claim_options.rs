//! The options of XCLAIM.

use crate::{
    command::{Args, parse_i64},
    error::Result,
    resp::ErrorReply,
    types::stream::StreamId,
};

/// The options of one XCLAIM.
#[derive(Debug)]
pub(super) struct ClaimOptions {
    pub ids: Vec<StreamId>,
    /// Entries delivered less than this many milliseconds ago stay with their consumer.
    pub min_idle_ms: u64,
    /// When the entries count as delivered, ms since the epoch.
    pub delivered_at: u64,
    pub retry_count: Option<u64>,
    pub force: bool,
    pub just_id: bool,
    pub last_id: StreamId,
}

/// Reads the words behind key, group and consumer.
pub(super) fn claim_options(args: &mut Args<'_>, now: u64) -> Result<ClaimOptions> {
    let number = |word: &[u8], what: &str, command: &str| {
        let text = || ErrorReply::err(format!("Invalid {what} argument for {command}"));
        parse_i64(word).ok_or_else(text)
    };
    let min_idle_ms = min_idle(args.next_word()?, "XCLAIM")?;
    let mut ids = Vec::new();
    while let Some(id) = args.peek().and_then(|word| StreamId::parse(word, 0).ok()) {
        args.next_opt();
        ids.push(id);
    }
    let signed_now = i64::try_from(now).unwrap_or(i64::MAX);
    let (mut delivered_at, mut retry_count) = (-1_i64, -1_i64);
    let (mut force, mut just_id, mut last_id) = (false, false, StreamId::MIN);
    while !args.is_empty() {
        let has_more = args.remaining() > 1;
        if args.take("FORCE") {
            force = true;
        } else if args.take("JUSTID") {
            just_id = true;
        } else if has_more && args.take("IDLE") {
            delivered_at = signed_now.saturating_sub(number(args.next_word()?, "IDLE option", "XCLAIM")?);
        } else if has_more && args.take("TIME") {
            delivered_at = number(args.next_word()?, "TIME option", "XCLAIM")?;
        } else if has_more && args.take("RETRYCOUNT") {
            retry_count = number(args.next_word()?, "RETRYCOUNT option", "XCLAIM")?;
        } else if has_more && args.take("LASTID") {
            last_id = StreamId::parse(args.next_word()?, 0)?;
        } else {
            let option = String::from_utf8_lossy(args.peek().unwrap_or_default());
            return Err(ErrorReply::err(format!("Unrecognized XCLAIM option '{option}'")).into());
        }
    }
    Ok(ClaimOptions {
        ids,
        min_idle_ms,
        // A time that cannot be is taken for now: clients reckon it from clocks of their own.
        delivered_at: u64::try_from(delivered_at).ok().filter(|at| *at <= now).unwrap_or(now),
        retry_count: u64::try_from(retry_count).ok(),
        force,
        just_id,
        last_id,
    })
}

/// The least idle time, ms.
pub(super) fn min_idle(word: &[u8], command: &str) -> Result<u64, ErrorReply> {
    let text = || ErrorReply::err(format!("Invalid min-idle-time argument for {command}"));
    Ok(u64::try_from(parse_i64(word).ok_or_else(text)?).unwrap_or(0))
}
