//! SSCAN. A cursor is the hash of the first member not returned yet, so any node can go on with it at any time.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::View,
    types::{glob::matches, set::Set},
};

/// Members that one call visits at most, whatever COUNT says.
const COUNT_MAX: u64 = 1_000_000;

pub(super) const SSCAN: Command = Command {
    name: "SSCAN",
    tips: &["nondeterministic_output"],
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Read(sscan),
    flags: Flags::READONLY,
    group: Group::Set,
    since: "2.8.0",
    complexity: "O(N) where N is COUNT; a small set is returned at once.",
    summary: "Walks the members of a set in pieces; a cursor holds on every node.",
    syntax: "key cursor [MATCH pattern] [COUNT count]",
    ..Command::BASE
};

fn sscan(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, cursor) = (args.next_word()?, args.next_cursor()?);
    // As Redis, options are not looked at if there is no set.
    let Some(set) = Set::open(view, key)? else { return Ok(page(0, Vec::new())) };
    let (mut pattern, mut count) = (None, 10);
    while !args.is_empty() {
        if args.remaining() > 1 && args.take("MATCH") {
            pattern = Some(args.next_word()?);
        } else if args.remaining() > 1 && args.take("COUNT") {
            count = args.next_i64()?;
            if count < 1 {
                return Err(ErrorReply::syntax().into());
            }
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    let count = u64::try_from(count).unwrap_or(1).min(COUNT_MAX);
    let mut found = Vec::new();
    let next = set.page(view, cursor, count, |member| {
        if pattern.is_none_or(|pattern| matches(pattern, member, false)) {
            found.push(Reply::bulk(member));
        }
    })?;
    Ok(page(next, found))
}

fn page(cursor: u64, members: Vec<Reply>) -> Reply {
    Reply::Array(vec![Reply::bulk(cursor.to_string()), Reply::Array(members)])
}
