//! Shared by the commands on fields' expiries: `FIELDS numfields field …`.

use crate::{
    command::{Args, parse_i64},
    error::Result,
    resp::ErrorReply,
};

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
