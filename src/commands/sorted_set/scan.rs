//! ZSCAN.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    commands::scan_options::{ScanOptions, page},
    error::Result,
    resp::{Reply, format_double},
    store::View,
    types::sorted_set::SortedSet,
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
    summary: "Iterates over members and scores in pages; a cursor is valid on every node.",
    syntax: "key cursor [MATCH pattern] [COUNT count]",
    ..Command::BASE
};

fn zscan(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, cursor) = (args.next_word()?, args.next_cursor()?);
    let Some(set) = SortedSet::open(view, key)? else { return Ok(page(0, Vec::new())) };
    let options = ScanOptions::read(args, |_| Ok(false))?;
    let (members, next) = set.scan(view, cursor, options.count)?;
    let wanted = members.into_iter().filter(|scored| options.wants(&scored.member));
    let words = wanted
        .flat_map(|scored| [Reply::Bulk(scored.member.into()), Reply::bulk(format_double(scored.score))]);
    Ok(page(next, words.collect()))
}
