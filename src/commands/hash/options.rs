//! Shared by the commands on fields' expiries: `FIELDS numfields field …`, and times.

use crate::{
    command::{Args, parse_i64},
    error::Result,
    resp::ErrorReply,
    types::expiry::{Unit, absolute_ms},
};

/// Latest time at which a field may expire, ms since the epoch, as in Redis: 46 bits.
const EXPIRES_AT_MAX: u64 = (1 << 46) - 1;

/// Reads `FIELDS numfields field …`, to the end.
pub(super) fn fields<'a>(args: &mut Args<'a>, command: &str) -> Result<&'a [&'a [u8]]> {
    counted(args, command, "Number of fields must be a positive integer")
}

/// As `fields`, with an error text for a number that is none.
pub(super) fn counted<'a>(
    args: &mut Args<'a>,
    command: &str,
    not_a_count: &'static str,
) -> Result<&'a [&'a [u8]]> {
    if !args.take("FIELDS") {
        let text = "Mandatory argument FIELDS is missing or not at the right position";
        return Err(ErrorReply::err(text).into());
    }
    let count = args.next_opt().ok_or_else(|| ErrorReply::wrong_arity(command))?;
    let count = parse_i64(count).and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    if count.ok_or_else(|| ErrorReply::err(not_a_count))? != args.remaining() {
        let text = "The `numfields` parameter must match the number of arguments";
        return Err(ErrorReply::err(text).into());
    }
    Ok(args.rest())
}

/// The expiry of a field, ms since the epoch; may be in the past.
pub(super) fn expires_at(amount: &[u8], unit: Unit, now: u64, command: &str) -> Result<u64> {
    let amount = parse_i64(amount).ok_or_else(ErrorReply::not_integer)?;
    if amount < 0 {
        return Err(ErrorReply::err("invalid expire time, must be >= 0").into());
    }
    let at = absolute_ms(amount, unit, now).and_then(|at| u64::try_from(at).ok());
    Ok(at.filter(|at| *at <= EXPIRES_AT_MAX).ok_or_else(|| ErrorReply::invalid_expire(command))?)
}
