//! HRANDFIELD.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::View,
    types::{hash::Hash, random},
};

/// Fields that a negative count may ask for: a small hash does not bound the reply.
const REPEATED_MAX: u64 = 1024 * 1024;

pub(super) const HRANDFIELD: Command = Command {
    name: "HRANDFIELD",
    tips: &["nondeterministic_output"],
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Read(hrandfield),
    flags: Flags::READONLY,
    group: Group::Hash,
    since: "6.2.0",
    complexity: "O(N) where N is the number of fields returned.",
    summary: "Returns random fields of a hash.",
    syntax: "key [count [WITHVALUES]]",
    ..Command::BASE
};

fn hrandfield(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let mut dice = random::dice(view);
    if args.is_empty() {
        let Some(hash) = Hash::open(view, key)? else { return Ok(Reply::Nil) };
        let chosen = random::one(&hash, view, &mut dice)?;
        return Ok(chosen.map_or(Reply::Nil, |(field, _)| Reply::Bulk(field.into())));
    }
    let count = count(args.next_word()?)?;
    let with_values = args.take("WITHVALUES");
    args.finish()?;
    if with_values && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(ErrorReply::err("value is out of range").into());
    }
    let Some(hash) = Hash::open(view, key)? else { return Ok(Reply::Array(Vec::new())) };
    let chosen = match u64::try_from(count) {
        Ok(count) => random::some(&hash, view, count, &mut dice)?,
        Err(_) if count.unsigned_abs() > REPEATED_MAX => {
            return Err(ErrorReply::err("value is out of range").into());
        }
        Err(_) => {
            let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            random::repeated(&hash, view, count, &mut dice)?
        }
    };
    let pairs =
        chosen.into_iter().map(|(field, value)| (Reply::Bulk(field.into()), Reply::Bulk(value.into())));
    Ok(match with_values {
        true => Reply::Pairs(pairs.collect()),
        false => Reply::Array(pairs.map(|(field, _)| field).collect()),
    })
}

fn count(word: &[u8]) -> Result<i64> {
    let count = parse_i64(word).ok_or_else(ErrorReply::not_integer)?;
    if count == i64::MIN {
        let text = "value is out of range, value must between -9223372036854775807 and 9223372036854775807";
        return Err(ErrorReply::err(text).into());
    }
    Ok(count)
}
