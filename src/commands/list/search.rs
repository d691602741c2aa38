//! LPOS: the positions of an element.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Direction, View},
    types::list::List,
};
use std::ops::ControlFlow;

pub(super) const LPOS: Command = Command {
    name: "LPOS",
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Read(lpos),
    flags: Flags::READONLY,
    group: Group::List,
    since: "6.0.6",
    complexity: "O(N) where N is the number of elements compared.",
    summary: "Returns the indexes of an element in a list.",
    syntax: "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
    ..Command::BASE
};

struct Options {
    direction: Direction,
    /// Matches to skip.
    passed_over: u64,
    /// COUNT; `None` = one match, not answered as an array. 0 = all.
    count: Option<u64>,
    /// Most comparisons; 0 = no limit.
    compared_max: u64,
}

fn lpos(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, element) = (args.next_word()?, args.next_word()?);
    let options = options(args)?;
    let mut found = Vec::new();
    if let Some(list) = List::open(view, key)? {
        let len = list.len();
        let compared = if options.compared_max == 0 { len } else { options.compared_max.min(len) };
        let range = match options.direction {
            Direction::Forward => 0..compared,
            Direction::Backward => len.saturating_sub(compared)..len,
        };
        let wanted = match options.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
        };
        let mut passed_over = options.passed_over;
        list.scan(view, range, options.direction, |at, other| {
            if other == element {
                match passed_over.checked_sub(1) {
                    Some(left) => passed_over = left,
                    None => found.push(Reply::count(at)),
                }
            }
            let is_done = found.len() >= wanted;
            Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    Ok(match options.count {
        Some(_) => Reply::Array(found),
        None => found.pop().unwrap_or(Reply::Nil),
    })
}

fn options(args: &mut Args<'_>) -> Result<Options> {
    let mut options = Options { direction: Direction::Forward, passed_over: 0, count: None, compared_max: 0 };
    while !args.is_empty() {
        if args.remaining() < 2 {
            return Err(ErrorReply::syntax().into());
        }
        if args.take("RANK") {
            let rank = args.next_i64()?;
            (options.direction, options.passed_over) = ranked(rank)?;
        } else if args.take("COUNT") {
            options.count = Some(not_negative(args.next_word()?, "COUNT")?);
        } else if args.take("MAXLEN") {
            options.compared_max = not_negative(args.next_word()?, "MAXLEN")?;
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    Ok(options)
}

/// A rank's direction and the matches before it.
fn ranked(rank: i64) -> Result<(Direction, u64)> {
    let text = match rank {
        0 => {
            "RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list"
        }
        i64::MIN => "value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        _ => {
            let direction = if rank < 0 { Direction::Backward } else { Direction::Forward };
            return Ok((direction, rank.unsigned_abs().saturating_sub(1)));
        }
    };
    Err(ErrorReply::err(text).into())
}

fn not_negative(word: &[u8], what: &str) -> Result<u64> {
    let number = parse_i64(word).and_then(|number| u64::try_from(number).ok());
    Ok(number.ok_or_else(|| ErrorReply::err(format!("{what} can't be negative")))?)
}
