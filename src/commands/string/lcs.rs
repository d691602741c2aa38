//! LCS: the longest common subsequence of two strings.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Row, Type, View},
    types::{
        lcs::{Lcs, is_too_large, lcs},
        string::StoredString,
    },
    value::Value,
};

pub(super) const LCS: Command = Command {
    name: "LCS",
    arity: -3,
    keys: KeyRange::new(1, 2, 1),
    run: Run::Read(run),
    flags: Flags::READONLY,
    group: Group::String,
    since: "7.0.0",
    complexity: "O(N*M) where N and M are the lengths of the two strings.",
    summary: "Finds the longest common subsequence of two strings.",
    syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
    ..Command::BASE
};

#[derive(Default)]
struct Options {
    length_only: bool,
    indexes: bool,
    match_len_min: i64,
    with_match_len: bool,
}

fn run(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (first, second) = (args.next_word()?, args.next_word()?);
    let rows = (view.get(first)?, view.get(second)?);
    if [&rows.0, &rows.1].into_iter().flatten().any(|row| row.kind != Type::String) {
        return Err(ErrorReply::err("The specified keys must contain string values").into());
    }
    let options = options(args)?;
    let open = |row: Option<Row>| row.map(|row| StoredString::of_row(view, row)).transpose();
    let (a, b) = (open(rows.0)?, open(rows.1)?);
    let len = |string: &Option<StoredString>| string.as_ref().map_or(0, StoredString::len);
    let too_large =
        || ErrorReply::err("Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    if is_too_large(len(&a), len(&b)) {
        return Err(too_large().into());
    }
    let text =
        |string: Option<StoredString>| string.map_or(Ok(Value::default()), |string| string.value(view));
    let (a, b) = (text(a)?, text(b)?);
    // The table is large; a connection's thread must not compute it.
    if a.len().saturating_mul(b.len()) > 64 * 1024 {
        view.may_take_long()?;
    }
    let found = lcs(&a, &b).ok_or_else(too_large)?;
    Ok(if options.indexes {
        indexes(&found, &options)
    } else if options.length_only {
        Reply::count(found.bytes.len())
    } else {
        Reply::bulk(found.bytes)
    })
}

fn options(args: &mut Args<'_>) -> Result<Options> {
    let mut options = Options::default();
    while !args.is_empty() {
        if args.take("LEN") {
            options.length_only = true;
        } else if args.take("IDX") {
            options.indexes = true;
        } else if args.take("WITHMATCHLEN") {
            options.with_match_len = true;
        } else if args.remaining() > 1 && args.take("MINMATCHLEN") {
            options.match_len_min = args.next_i64()?.max(0);
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    if options.length_only && options.indexes {
        return Err(ErrorReply::err("If you want both the length and indexes, please just use IDX.").into());
    }
    Ok(options)
}

fn indexes(found: &Lcs, options: &Options) -> Reply {
    let least = usize::try_from(options.match_len_min).unwrap_or(usize::MAX);
    let span = |start: usize, len: usize| {
        Reply::Array(vec![Reply::count(start), Reply::count(start.saturating_add(len).saturating_sub(1))])
    };
    let matches = found
        .matches
        .iter()
        .filter(|run| run.len >= least)
        .map(|run| {
            let mut parts = vec![span(run.a, run.len), span(run.b, run.len)];
            if options.with_match_len {
                parts.push(Reply::count(run.len));
            }
            Reply::Array(parts)
        })
        .collect();
    Reply::Map(vec![
        (Reply::bulk("matches"), Reply::Array(matches)),
        (Reply::bulk("len"), Reply::count(found.bytes.len())),
    ])
}
