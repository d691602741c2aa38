//! ZADD and ZINCRBY.

use super::tell;
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, PassedOn, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::Txn,
    types::sorted_set::{self, SortedSet},
};

const FLAGS: Flags = Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST);

pub(super) const ZADD: Command = Command {
    name: "ZADD",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Update],
    arity: -4,
    keys: KeyRange::ONE,
    run: Run::Write(zadd),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(log(N)) for each member, where N is the number of members in the sorted set.",
    summary: "Adds members or updates their scores; conditions are optional.",
    syntax: "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
    ..Command::BASE
};

pub(super) const ZINCRBY: Command = Command {
    name: "ZINCRBY",
    passed_on: PassedOn::AsCalled,
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Write(zincrby),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(log(N)) where N is the number of members in the sorted set.",
    summary: "Adds to a member's score; an absent member has 0.",
    syntax: "key increment member",
    ..Command::BASE
};

#[derive(Default)]
struct Options {
    absent_only: bool,
    present_only: bool,
    greater_only: bool,
    less_only: bool,
    count_changed: bool,
    increment: bool,
}

impl Options {
    fn take(args: &mut Args<'_>) -> Self {
        let mut options = Options::default();
        loop {
            let option = if args.take("NX") {
                &mut options.absent_only
            } else if args.take("XX") {
                &mut options.present_only
            } else if args.take("GT") {
                &mut options.greater_only
            } else if args.take("LT") {
                &mut options.less_only
            } else if args.take("CH") {
                &mut options.count_changed
            } else if args.take("INCR") {
                &mut options.increment
            } else {
                return options;
            };
            *option = true;
        }
    }

    fn check(&self, words: usize) -> Result<()> {
        if words == 0 || !words.is_multiple_of(2) {
            return Err(ErrorReply::syntax().into());
        }
        let refuse = |why: &'static str| Err(ErrorReply::err(why).into());
        if self.absent_only && self.present_only {
            return refuse("XX and NX options at the same time are not compatible");
        }
        if (self.greater_only || self.less_only) && self.absent_only || self.greater_only && self.less_only {
            return refuse("GT, LT, and/or NX options at the same time are not compatible");
        }
        if self.increment && words > 2 {
            return refuse("INCR option supports a single increment-element pair");
        }
        Ok(())
    }

    /// The new score of a member; `None` = leave it unchanged, or do not add it.
    fn score(&self, before: Option<f64>, given: f64) -> Result<Option<f64>> {
        let Some(before) = before else { return Ok((!self.present_only).then_some(given)) };
        if self.absent_only {
            return Ok(None);
        }
        let score = if self.increment { before + given } else { given };
        if score.is_nan() {
            return Err(ErrorReply::err("resulting score is not a number (NaN)").into());
        }
        let allowed = (!self.greater_only || score > before) && (!self.less_only || score < before);
        Ok(allowed.then_some(score))
    }
}

fn zadd(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let options = Options::take(args);
    options.check(args.remaining())?;
    add(txn, key, &options, args.rest())
}

fn zincrby(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    // Redis accepts the options of ZADD here, too; if one is given, too few words are left for a valid call.
    let is_option = |word: &&[u8]| {
        ["NX", "XX", "GT", "LT", "CH", "INCR"]
            .iter()
            .any(|option| word.eq_ignore_ascii_case(option.as_bytes()))
    };
    if args.peek().as_ref().is_some_and(is_option) {
        return Err(ErrorReply::syntax().into());
    }
    add(txn, key, &Options { increment: true, ..Options::default() }, args.rest())
}

fn add(txn: &mut Txn<'_>, key: &[u8], options: &Options, words: &[&[u8]]) -> Result<Reply> {
    let pairs = words.as_chunks::<2>().0.iter();
    let scores = pairs.map(|[score, member]| {
        let score = sorted_set::parse(score).ok_or_else(ErrorReply::not_float)?;
        Ok((score, *member))
    });
    let scores: Vec<(f64, &[u8])> = scores.collect::<Result<_>>()?;
    let mut set = SortedSet::open_or_create(txn, key)?;
    let (mut added, mut changed, mut result) = (0_i64, 0_i64, Reply::Nil);
    for (given, member) in scores {
        let before = set.score_of(&txn.view(), member)?;
        let Some(score) = options.score(before, given)? else { continue };
        set.put(txn, member, before, score)?;
        added = added.saturating_add(i64::from(before.is_none()));
        changed = changed.saturating_add(i64::from(before != Some(score)));
        result = Reply::Double(score);
    }
    if changed > 0 {
        set.save(txn, key)?;
        tell(txn, if options.increment { "zincr" } else { "zadd" }, key, false);
    }
    if options.increment {
        return Ok(result);
    }
    Ok(Reply::Int(if options.count_changed { changed } else { added }))
}
