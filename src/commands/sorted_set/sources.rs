//! The inputs of ZUNION, ZINTER and ZDIFF: sorted sets, and sets, whose members all have the score 1.

use super::number_from;
use crate::{
    command::{Args, require_level},
    error::Result,
    feature_level,
    resp::ErrorReply,
    store::{Direction, Type, View},
    types::{
        collection::{Collection, element_of},
        set::Set,
        sorted_set::{self, Scored, SortedSet, Span},
    },
};
use std::{collections::BTreeMap, ops::ControlFlow};

/// Inputs with more members than this count as long.
const SHORT_MAX: u64 = 500;

/// One input.
enum Source {
    Absent,
    Sorted(SortedSet),
    Plain(Set),
}

impl Source {
    fn open(view: &View<'_>, key: &[u8]) -> Result<Self> {
        let Some(row) = view.get(key)? else { return Ok(Source::Absent) };
        if row.kind == Type::Set {
            return Ok(Source::Plain(Set::of(Collection::of_row(view, &row, Type::Set)?)?));
        }
        Ok(Source::Sorted(SortedSet::of_row(view, &row)?))
    }

    fn len(&self) -> u64 {
        match self {
            Source::Absent => 0,
            Source::Sorted(set) => set.len(),
            Source::Plain(set) => set.stored_len(),
        }
    }

    fn score_of(&self, view: &View<'_>, member: &[u8]) -> Result<Option<f64>> {
        match self {
            Source::Absent => Ok(None),
            Source::Sorted(set) => set.score_of(view, member),
            Source::Plain(set) => Ok(set.contains(view, member)?.then_some(1.0)),
        }
    }

    fn visit(
        &self,
        view: &View<'_>,
        mut visit: impl FnMut(&[u8], f64) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        match self {
            Source::Absent => Ok(()),
            Source::Sorted(set) => set.scan_span(view, &Span::ALL, Direction::Forward, visit),
            Source::Plain(set) => set.visit_filed(view, |sub| visit(element_of(sub), 1.0)),
        }
    }
}

/// Combines the scores of one member.
#[derive(Debug, Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
    /// Adds up the weights of the inputs that have it.
    Count,
}

impl Aggregate {
    /// What an input with this weight contributes, in which the member has this score.
    fn part(self, weight: f64, score: f64) -> f64 {
        match self {
            Aggregate::Sum | Aggregate::Min | Aggregate::Max => weight * score,
            Aggregate::Count => weight,
        }
    }

    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // Infinities of both signs are nothing.
            Aggregate::Sum | Aggregate::Count => no_nan(a + b),
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

fn no_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// The set operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Union,
    Inter,
    Diff,
}

/// The options that a command accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The members are the reply.
    Reply,
    /// They are stored.
    Store,
    /// They are counted.
    Count,
}

/// Inputs and their operation.
pub(super) struct Combination {
    operation: Operation,
    sources: Vec<(Source, f64)>,
    aggregate: Aggregate,
    pub(super) with_scores: bool,
    /// For counts; 0 = no limit.
    limit: u64,
}

impl Combination {
    /// Reads the number of keys, the keys and the options of the command called `name`.
    pub(super) fn take(
        view: &View<'_>,
        args: &mut Args<'_>,
        operation: Operation,
        form: Form,
        name: &str,
    ) -> Result<Self> {
        let numkeys = args.next_i64()?;
        if numkeys < 1 {
            return Err(
                ErrorReply::err(format!("at least 1 input key is needed for '{name}' command")).into()
            );
        }
        let numkeys = usize::try_from(numkeys).unwrap_or(usize::MAX);
        let keys = args.next_words(numkeys)?;
        let sources = keys.iter().map(|key| Ok((Source::open(view, key)?, 1.0)));
        let sources = sources.collect::<Result<_>>()?;
        let mut all =
            Combination { operation, sources, aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        while !args.is_empty() {
            all.option(args, form, view.feature_level())?;
        }
        if operation != Operation::Diff {
            // The smallest first, as Redis adds them up.
            all.sources.sort_by_key(|(source, _)| source.len());
        }
        Ok(all)
    }

    fn option(&mut self, args: &mut Args<'_>, form: Form, level: u32) -> Result<()> {
        let weighs = self.operation != Operation::Diff && form != Form::Count;
        if weighs && args.remaining() > self.sources.len() && args.take("WEIGHTS") {
            for (_, weight) in &mut self.sources {
                let word = args.next_word()?;
                *weight =
                    sorted_set::parse(word).ok_or_else(|| ErrorReply::err("weight value is not a float"))?;
            }
        } else if weighs && args.remaining() > 1 && args.take("AGGREGATE") {
            self.aggregate = if args.take("SUM") {
                Aggregate::Sum
            } else if args.take("MIN") {
                Aggregate::Min
            } else if args.take("MAX") {
                Aggregate::Max
            } else if args.take("COUNT") {
                require_level("AGGREGATE COUNT", feature_level::REDIS_8_MORE, level)?;
                Aggregate::Count
            } else {
                return Err(ErrorReply::syntax().into());
            };
        } else if form == Form::Reply && args.take("WITHSCORES") {
            self.with_scores = true;
        } else if form == Form::Count && args.remaining() > 1 && args.take("LIMIT") {
            let limit = number_from(args.next_word()?, 0, "LIMIT can't be negative")?;
            self.limit = u64::try_from(limit).unwrap_or(0);
        } else {
            return Err(ErrorReply::syntax().into());
        }
        Ok(())
    }

    /// The members with their scores, in order.
    pub(super) fn run(&self, view: &View<'_>) -> Result<Vec<Scored>> {
        let mut found = Vec::new();
        match self.operation {
            Operation::Union => {
                for (member, score) in self.union(view)? {
                    found.push(Scored { member, score });
                }
            }
            Operation::Inter | Operation::Diff => self.of_the_first(view, |member, score| {
                view.keep(1, member.len())?;
                found.push(Scored { member: member.to_vec(), score });
                Ok(ControlFlow::Continue(()))
            })?,
        }
        Scored::sort(&mut found);
        Ok(found)
    }

    /// The number of results, up to the limit.
    pub(super) fn count(&self, view: &View<'_>) -> Result<u64> {
        let mut count = 0_u64;
        self.of_the_first(view, |_, _| {
            count = count.saturating_add(1);
            Ok(if count == self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(count)
    }

    fn union(&self, view: &View<'_>) -> Result<BTreeMap<Vec<u8>, f64>> {
        let mut all: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
        for (source, weight) in &self.sources {
            source.visit(&view.in_passing(), |member, score| {
                let score = no_nan(self.aggregate.part(*weight, score));
                match all.get_mut(member) {
                    Some(sum) => *sum = self.aggregate.of(*sum, score),
                    None => {
                        view.keep(1, member.len())?;
                        all.insert(member.to_vec(), score);
                    }
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(all)
    }

    /// Visits members of the first input that all others have too, or that no other has.
    fn of_the_first(
        &self,
        view: &View<'_>,
        mut visit: impl FnMut(&[u8], f64) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let view = &view.in_passing();
        let Some(((first, weight), others)) = self.sources.split_first() else { return Ok(()) };
        if first.len() > SHORT_MAX {
            view.may_take_long()?;
        }
        first.visit(view, |member, score| {
            let mut sum = no_nan(self.aggregate.part(*weight, score));
            for (other, weight) in others {
                match (self.operation, other.score_of(view, member)?) {
                    (Operation::Diff, None) => {}
                    (Operation::Diff, Some(_)) | (_, None) => return Ok(ControlFlow::Continue(())),
                    // As in Redis, a product that is not a number makes the whole sum NaN.
                    (_, Some(score)) => sum = self.aggregate.of(sum, self.aggregate.part(*weight, score)),
                }
            }
            visit(member, sum)
        })
    }
}
