//! HSCAN.
//!
//! A small hash is returned at once, in its order. For others, a cursor is the hash of the first field not returned yet, so
//! any node can continue from it at any time. A field that exists throughout the scan is returned exactly once (unless a
//! small hash replaced the hash meanwhile).

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    commands::scan_options::{ScanOptions, page},
    error::Result,
    resp::Reply,
    store::View,
    types::hash::{Hash, Seen},
};
use std::ops::ControlFlow;

pub(super) const HSCAN: Command = Command {
    name: "HSCAN",
    tips: &["nondeterministic_output"],
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Read(hscan),
    flags: Flags::READONLY,
    group: Group::Hash,
    since: "2.8.0",
    complexity: "O(N) where N is COUNT; a small hash is returned at once.",
    summary: "Iterates over the fields of a hash in pages.",
    syntax: "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
    ..Command::BASE
};

fn hscan(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, cursor) = (args.next_word()?, args.next_cursor()?);
    // As Redis, options are not looked at if there is no hash.
    let Some(hash) = Hash::open(view, key)? else { return Ok(page(0, Vec::new())) };
    let mut values = true;
    let options = ScanOptions::read(args, |args| {
        let taken = args.take("NOVALUES");
        values &= !taken;
        Ok(taken)
    })?;
    let mut found = Vec::new();
    let mut show = |seen: Seen<'_>| {
        if options.wants(seen.field) {
            found.push(Reply::bulk(seen.field));
            if values {
                found.push(Reply::bulk(seen.value));
            }
        }
    };
    if hash.is_small() {
        // As in Redis, for any cursor.
        hash.visit(view, |seen| {
            show(seen);
            Ok(ControlFlow::Continue(()))
        })?;
        return Ok(page(0, found));
    }
    let (mut left, mut last, mut next) = (options.count, None, 0);
    hash.visit_from(view, cursor, |seen| {
        // Fields with the same hash stay on one page: a cursor could not tell them apart.
        if left == 0 && last != Some(seen.hash) {
            next = seen.hash;
            return Ok(ControlFlow::Break(()));
        }
        left = left.saturating_sub(1);
        last = Some(seen.hash);
        show(seen);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(page(next, found))
}
