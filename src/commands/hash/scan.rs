//! HSCAN.
//!
//! A cursor is the hash of the first field not returned yet, so any node can go on with it at any time. A field that is
//! there from the first call to the last is returned, and not twice.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::View,
    types::{glob::matches, hash::Hash},
};
use std::ops::ControlFlow;

/// Fields that one call visits at most, whatever COUNT says.
const COUNT_MAX: i64 = 1_000_000;

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
    summary: "Walks the fields of a hash in pieces.",
    syntax: "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
    ..Command::BASE
};

#[derive(Clone, Copy)]
struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: i64,
    values: bool,
}

impl<'a> Options<'a> {
    fn read(args: &mut Args<'a>) -> Result<Self> {
        let mut options = Options { pattern: None, count: 10, values: true };
        while !args.is_empty() {
            if args.remaining() > 1 && args.take("MATCH") {
                options.pattern = Some(args.next_word()?);
            } else if args.remaining() > 1 && args.take("COUNT") {
                options.count = args.next_i64()?;
                if options.count < 1 {
                    return Err(ErrorReply::syntax().into());
                }
            } else if args.take("NOVALUES") {
                options.values = false;
            } else {
                return Err(ErrorReply::syntax().into());
            }
        }
        Ok(options)
    }
}

fn hscan(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, cursor) = (args.next_word()?, args.next_cursor()?);
    // As Redis, options are not looked at if there is no hash.
    let Some(hash) = Hash::open(view, key)? else { return Ok(page(None, Vec::new())) };
    let options = Options::read(args)?;
    let mut left = if hash.is_small() { i64::MAX } else { options.count.min(COUNT_MAX) };
    let (mut found, mut last, mut next) = (Vec::new(), None, None);
    hash.visit(view, cursor, |seen| {
        // Fields of one hash are never parted: a cursor could not say which of them it means.
        if left == 0 && last != Some(seen.hash) {
            next = Some(seen.hash);
            return Ok(ControlFlow::Break(()));
        }
        left = left.saturating_sub(1).max(0);
        last = Some(seen.hash);
        if options.pattern.is_none_or(|pattern| matches(pattern, seen.field, false)) {
            found.push(Reply::bulk(seen.field));
            if options.values {
                found.push(Reply::bulk(seen.value));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(page(next, found))
}

fn page(next: Option<u64>, found: Vec<Reply>) -> Reply {
    Reply::Array(vec![Reply::bulk(next.unwrap_or(0).to_string()), Reply::Array(found)])
}
