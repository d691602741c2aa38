//! Iteration over the keys: keys are ordered, so a literal prefix is sought, and the cost follows the keys under it.

use crate::{
    command::{Args, Command, Flags, Group, Run},
    commands::scan_options::{ScanOptions, page},
    error::Result,
    resp::Reply,
    store::View,
    types::{
        cursor,
        glob::{literal_prefix, matches},
        random,
    },
};
use std::ops::ControlFlow;

/// Random positions that RANDOMKEY tries before it takes the first key.
const RANDOM_TRIES: usize = 16;

pub(super) const SCAN: Command = Command {
    name: "SCAN",
    tips: &["nondeterministic_output", "request_policy:special"],
    arity: -2,
    run: Run::Read(scan),
    flags: Flags::READONLY.with(Flags::KEYSPACE),
    group: Group::Generic,
    since: "2.8.0",
    complexity: "O(N) where N is COUNT; with a literal prefix in MATCH, only keys under the prefix are visited.",
    summary: "Iterates over the keys in pages, in key order.",
    syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
    ..Command::BASE
};

pub(super) const KEYS: Command = Command {
    name: "KEYS",
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    arity: 2,
    run: Run::Read(keys),
    flags: Flags::READONLY.with(Flags::KEYSPACE).with(Flags::DANGEROUS),
    group: Group::Generic,
    complexity: "O(N) where N is the number of keys under the pattern's literal prefix.",
    summary: "Returns all keys that match a pattern, in key order.",
    syntax: "pattern",
    ..Command::BASE
};

pub(super) const RANDOMKEY: Command = Command {
    name: "RANDOMKEY",
    tips: &["request_policy:all_shards", "nondeterministic_output"],
    arity: 1,
    run: Run::Read(randomkey),
    flags: Flags::READONLY.with(Flags::KEYSPACE),
    group: Group::Generic,
    summary: "Returns a random key; keys after a gap in the key order are likelier than others.",
    ..Command::BASE
};

fn scan(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let cursor_in = args.next_cursor()?;
    let mut kind = None;
    let options = ScanOptions::read(args, |args| {
        let taken = args.remaining() > 1 && args.take("TYPE");
        if taken {
            kind = Some(args.next_word()?);
        }
        Ok(taken)
    })?;
    let (next, found) = scan_page(view, cursor_in, &options, kind, |_| true)?;
    Ok(page(next, found))
}

/// A page of keys, and the next cursor. `also`: what else must hold of a key.
pub(in crate::commands) fn scan_page(
    view: &View<'_>,
    cursor_in: u64,
    options: &ScanOptions<'_>,
    kind: Option<&[u8]>,
    also: impl Fn(&[u8]) -> bool,
) -> Result<(u64, Vec<Reply>)> {
    let prefix = options.pattern.map(literal_prefix).unwrap_or_default();
    let mut left = options.count;
    let (mut found, mut next) = (Vec::new(), None);
    let start = match view.is_for_script() {
        true => cursor::start_for_script(&prefix, cursor_in),
        false => cursor::start(&prefix, cursor_in),
    };
    let mut last = None;
    view.scan(&prefix, &start, |key, row| {
        if left == 0 {
            let cursor = match view.is_for_script() {
                true => cursor::for_script(&prefix, key).filter(|cursor| Some(*cursor) != last),
                false => Some(cursor::give_out(&prefix, key)),
            };
            if cursor.is_some() {
                next = cursor;
                return Ok(ControlFlow::Break(()));
            }
        }
        left = left.saturating_sub(1);
        last = if view.is_for_script() { cursor::for_script(&prefix, key) } else { None };
        let wanted = options.wants(key)
            && also(key)
            && kind.is_none_or(|kind| kind.eq_ignore_ascii_case(row.kind.name().as_bytes()));
        if wanted {
            found.push(Reply::bulk(key));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((next.unwrap_or(0), found))
}

fn keys(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let pattern = args.next_word()?;
    let prefix = literal_prefix(pattern);
    let mut found = Vec::new();
    view.scan(&prefix, &prefix, |key, _| {
        if matches(pattern, key, false) {
            found.push(Reply::bulk(key));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Reply::Array(found))
}

fn randomkey(view: &View<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let Some((first, last)) = view.span()? else {
        return Ok(Reply::Nil);
    };
    let common = first.iter().zip(&last).take_while(|(a, b)| a == b).count();
    let number = |key: &[u8]| {
        let mut bytes = [0; 8];
        for (slot, byte) in bytes.iter_mut().zip(key.get(common..).unwrap_or_default()) {
            *slot = *byte;
        }
        u64::from_be_bytes(bytes)
    };
    let (low, high) = (number(&first), number(&last));
    let mut dice = random::dice(view);
    for attempt in 0..=RANDOM_TRIES {
        let start = if attempt == RANDOM_TRIES {
            Vec::new()
        } else {
            let offset = dice() % high.saturating_sub(low).saturating_add(1).max(1);
            let place = low.saturating_add(offset).to_be_bytes();
            [first.get(..common).unwrap_or_default(), &place].concat()
        };
        let mut chosen = None;
        view.scan(b"", &start, |key, _| {
            chosen = Some(Reply::bulk(key));
            Ok(ControlFlow::Break(()))
        })?;
        if let Some(key) = chosen {
            return Ok(key);
        }
    }
    Ok(Reply::Nil)
}
