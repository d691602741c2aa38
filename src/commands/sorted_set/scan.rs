//! ZSCAN.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply, format_double},
    store::View,
    types::{glob::matches, sorted_set::SortedSet},
};

pub(super) const ZSCAN: Command = Command {
    name: "ZSCAN",
    tips: &["nondeterministic_output"],
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Read(zscan),
    flags: Flags::READONLY,
    group: Group::SortedSet,
    since: "2.8.0",
    complexity: "O(N) where N is COUNT.",
    summary: "Walks members and scores in pieces; a cursor holds on every node.",
    syntax: "key cursor [MATCH pattern] [COUNT count]",
    ..Command::BASE
};

fn zscan(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, cursor) = (args.next_word()?, args.next_cursor()?);
    let Some(set) = SortedSet::open(view, key)? else { return Ok(page(0, Vec::new())) };
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
    let (members, next) = set.scan(view, cursor, u64::try_from(count).unwrap_or(1))?;
    let wanted = members
        .into_iter()
        .filter(|scored| pattern.is_none_or(|pattern| matches(pattern, &scored.member, false)));
    let words = wanted
        .flat_map(|scored| [Reply::Bulk(scored.member.into()), Reply::bulk(format_double(scored.score))]);
    Ok(page(next, words.collect()))
}

fn page(cursor: u64, words: Vec<Reply>) -> Reply {
    Reply::Array(vec![Reply::bulk(cursor.to_string()), Reply::Array(words)])
}
