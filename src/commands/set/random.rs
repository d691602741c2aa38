//! Random members, taken or only shown.

use super::save;
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, PassedOn, Run, parse_i64},
    commands::passing,
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Txn, View},
    types::{random, set::Set},
};

/// Members that a negative count may ask for: a small set does not bound the reply.
const REPEATED_MAX: u64 = 16 * 1024 * 1024;

pub(super) const SPOP: Command = Command {
    name: "SPOP",
    passed_on: PassedOn::As(passing::taken_members),
    access: &[Access::Take],
    tips: &["nondeterministic_output"],
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Write(spop),
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N) where N is the number of members returned.",
    summary: "Removes random members from a set and returns them.",
    syntax: "key [count]",
    ..Command::BASE
};

pub(super) const SRANDMEMBER: Command = Command {
    name: "SRANDMEMBER",
    tips: &["nondeterministic_output"],
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Read(srandmember),
    flags: Flags::READONLY,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N) where N is the number of members returned.",
    summary: "Returns random members of a set.",
    syntax: "key [count]",
    ..Command::BASE
};

fn spop(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, count) = (args.next_word()?, args.next_opt());
    args.finish()?;
    let wanted = match count {
        Some(count) => parse_i64(count).and_then(|count| u64::try_from(count).ok()),
        None => Some(1),
    };
    let wanted = wanted.ok_or_else(ErrorReply::not_positive)?;
    let nothing = if count.is_some() { Reply::Set(Vec::new()) } else { Reply::Nil };
    let Some(mut set) = Set::open(&txn.view(), key)? else { return Ok(nothing) };
    if wanted == 0 {
        return Ok(nothing);
    }
    set.will_be_drawn_from(txn, wanted)?;
    let mut dice = random::seeded(txn.random());
    let drawn = random::some(&set, &txn.view(), wanted, &mut dice)?;
    let members: Vec<Vec<u8>> = drawn.into_iter().map(|(member, _)| member).collect();
    set.remove_all(txn, &members)?;
    save(txn, key, set, &["spop"])?;
    let mut replies = members.into_iter().map(|member| Reply::Bulk(member.into()));
    Ok(match count {
        Some(_) => Reply::Set(replies.collect()),
        None => replies.next().unwrap_or(Reply::Nil),
    })
}

fn srandmember(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, count) = (args.next_word()?, args.next_opt());
    args.finish()?;
    let mut dice = random::dice(view);
    let Some(word) = count else {
        let Some(set) = Set::open(view, key)? else { return Ok(Reply::Nil) };
        let chosen = random::one(&set, view, &mut dice)?;
        return Ok(chosen.map_or(Reply::Nil, |(member, _)| Reply::Bulk(member.into())));
    };
    let count = parse_i64(word).ok_or_else(ErrorReply::not_integer)?;
    if count == i64::MIN {
        let why = format!("value is out of range, value must between {} and {}", -i64::MAX, i64::MAX);
        return Err(ErrorReply::err(why).into());
    }
    let Some(set) = Set::open(view, key)? else { return Ok(Reply::Array(Vec::new())) };
    let chosen = match u64::try_from(count) {
        Ok(count) => random::some(&set, view, count, &mut dice)?,
        Err(_) if count.unsigned_abs() > REPEATED_MAX => {
            return Err(ErrorReply::err("value is out of range").into());
        }
        Err(_) => {
            let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            random::repeated(&set, view, count, &mut dice)?
        }
    };
    Ok(Reply::Array(chosen.into_iter().map(|(member, _)| Reply::Bulk(member.into())).collect()))
}
