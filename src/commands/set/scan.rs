//! SSCAN. A cursor is the hash of the first member not returned yet, so any node can continue from it at any time.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    commands::scan_options::{ScanOptions, page},
    error::Result,
    resp::Reply,
    store::View,
    types::set::Set,
};

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
    summary: "Iterates over the members of a set in pages; a cursor is valid on every node.",
    syntax: "key cursor [MATCH pattern] [COUNT count]",
    ..Command::BASE
};

fn sscan(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, cursor) = (args.next_word()?, args.next_cursor()?);
    // As Redis, options are not looked at if there is no set.
    let Some(set) = Set::open(view, key)? else { return Ok(page(0, Vec::new())) };
    let options = ScanOptions::read(args, |_| Ok(false))?;
    let mut found = Vec::new();
    let next = set.page(view, cursor, options.count, |member| {
        if options.wants(member) {
            found.push(Reply::bulk(member));
        }
    })?;
    Ok(page(next, found))
}
