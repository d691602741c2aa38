//! The options of XREAD and XREADGROUP.

use super::allowance::Allowance;
use crate::{
    command::{Args, require_level},
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::View,
};

/// The options of one call.
#[derive(Debug)]
pub(super) struct ReadOptions<'a> {
    /// Most entries per stream; `None` = all.
    pub count: Option<u64>,
    /// Most entries of all streams together; `None` = all.
    max_count: Option<u64>,
    /// Bytes of the reply after which it ends; `None` = no matter how many.
    max_size: Option<u64>,
    /// Longest wait, ms; 0 = for ever, `None` = do not wait.
    pub block_ms: Option<u64>,
    pub noack: bool,
    /// Claim entries that have been pending for so long, ms.
    pub claim_ms: Option<u64>,
    /// Group and consumer.
    pub group: Option<(&'a [u8], &'a [u8])>,
    pub keys: &'a [&'a [u8]],
    pub ids: &'a [&'a [u8]],
}

/// XREAD or XREADGROUP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Anyone,
    Group,
}

impl ReadOptions<'_> {
    /// What the call may return.
    pub(super) fn allowance(&self) -> Allowance {
        Allowance::new(self.max_count, self.max_size)
    }
}

/// Reads the options. Timeouts count from now.
pub(super) fn read_options<'a>(
    args: &mut Args<'a>,
    reader: Reader,
    view: &View<'_>,
) -> Result<ReadOptions<'a>> {
    let only_in_groups = |option: &str| {
        let text = format!("The {option} option is only supported by XREADGROUP. You called XREAD instead.");
        ErrorReply::err(text)
    };
    let (mut count, mut block_ms, mut noack, mut claim_ms, mut group) = (None, None, false, None, None);
    let (mut max_count, mut max_size) = (None, None);
    let words = loop {
        let more = args.remaining().saturating_sub(1);
        if more > 0 && args.take("BLOCK") {
            block_ms = Some(timeout(args.next_word()?, view.now())?);
        } else if more > 0 && args.take("COUNT") {
            count = u64::try_from(args.next_i64()?).ok().filter(|count| *count > 0);
        } else if more > 0 && args.take("MAXCOUNT") {
            max_count = Some(positive(args.next_word()?, "MAXCOUNT", view)?);
        } else if more > 0 && args.take("MAXSIZE") {
            max_size = Some(positive(args.next_word()?, "MAXSIZE", view)?);
        } else if more > 0 && args.take("STREAMS") {
            break args.rest();
        } else if more > 1 && args.take("GROUP") {
            if reader == Reader::Anyone {
                return Err(only_in_groups("GROUP").into());
            }
            group = Some((args.next_word()?, args.next_word()?));
        } else if more > 0 && args.take("CLAIM") {
            if reader == Reader::Anyone {
                return Err(only_in_groups("CLAIM").into());
            }
            claim_ms = Some(min_idle(args.next_word()?)?);
        } else if args.take("NOACK") {
            if reader == Reader::Anyone {
                return Err(only_in_groups("NOACK").into());
            }
            noack = true;
        } else {
            return Err(ErrorReply::syntax().into());
        }
    };
    if max_count.is_some_and(|max_count| count.is_some_and(|count| count > max_count)) {
        return Err(ErrorReply::err("MAXCOUNT must be greater than or equal to COUNT").into());
    }
    if !words.len().is_multiple_of(2) {
        let (name, sign) = if reader == Reader::Group { ("xreadgroup", '>') } else { ("xread", '$') };
        let text = format!(
            "Unbalanced '{name}' list of streams: for each stream key an ID or '{sign}' must be specified."
        );
        return Err(ErrorReply::err(text).into());
    }
    if reader == Reader::Group && group.is_none() {
        return Err(ErrorReply::err("Missing GROUP option for XREADGROUP").into());
    }
    let (keys, ids) = words.split_at_checked(words.len() / 2).unwrap_or_default();
    Ok(ReadOptions { count, max_count, max_size, block_ms, noack, claim_ms, group, keys, ids })
}

fn positive(word: &[u8], option: &str, view: &View<'_>) -> Result<u64, ErrorReply> {
    require_level(option, feature_level::REDIS_8_MORE, view.feature_level())?;
    let number = crate::command::parse_i64(word).and_then(|number| u64::try_from(number).ok());
    let number = number.filter(|number| *number > 0);
    number.ok_or_else(|| ErrorReply::err(format!("{option} must be a positive integer")))
}

fn min_idle(word: &[u8]) -> Result<u64, ErrorReply> {
    let number = crate::command::parse_i64(word);
    let number = number.ok_or_else(|| ErrorReply::err("min-idle-time is not an integer or out of range"))?;
    u64::try_from(number).map_err(|_| ErrorReply::err("min-idle-time must be a positive integer"))
}

fn timeout(word: &[u8], now: u64) -> Result<u64, ErrorReply> {
    let number = crate::command::parse_i64(word);
    let number = number.ok_or_else(|| ErrorReply::err("timeout is not an integer or out of range"))?;
    let ms = u64::try_from(number).map_err(|_| ErrorReply::err("timeout is negative"))?;
    let is_a_time = ms.checked_add(now).is_some_and(|end| i64::try_from(end).is_ok());
    if ms > 0 && !is_a_time {
        return Err(ErrorReply::err("timeout is out of range"));
    }
    Ok(ms)
}

/// The entries found in each stream, or the reply of a timeout if there are none.
pub(super) fn found_reply(found: Vec<(Reply, Reply)>) -> Reply {
    if found.is_empty() { Reply::NilArray } else { Reply::Keyed(found) }
}
