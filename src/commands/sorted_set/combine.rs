//! ZUNION, ZINTER, ZDIFF and ZINTERCARD.

use super::{
    members_reply,
    sources::{Combination, Form, Operation},
};
use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::Reply,
    store::View,
};

pub(super) const ZUNION: Command = Command {
    name: "ZUNION",
    arity: -3,
    keys: KeyRange::counted(1),
    run: Run::Read(zunion),
    flags: Flags::READONLY.with(Flags::MOVABLEKEYS),
    group: Group::SortedSet,
    since: "6.2.0",
    complexity: "O(N)+O(M*log(M)) where N is the number of members of all inputs and M of the result.",
    summary: "Returns the union of sorted sets.",
    syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>] [WITHSCORES]",
    ..Command::BASE
};

pub(super) const ZINTER: Command = Command {
    name: "ZINTER",
    run: Run::Read(zinter),
    complexity: "O(N*K)+O(M*log(M)) where N is the size of the smallest input, K the number of inputs and M the size of the result.",
    summary: "Returns the intersection of sorted sets.",
    ..ZUNION
};

pub(super) const ZDIFF: Command = Command {
    name: "ZDIFF",
    run: Run::Read(zdiff),
    complexity: "O(N*K)+O(M*log(M)) where N is the size of the first input, K the number of inputs and M the size of the result.",
    summary: "Returns the difference between the first sorted set and the others.",
    syntax: "numkeys key [key ...] [WITHSCORES]",
    ..ZUNION
};

pub(super) const ZINTERCARD: Command = Command {
    name: "ZINTERCARD",
    run: Run::Read(zintercard),
    since: "7.0.0",
    complexity: "O(N*K) where N is the size of the smallest input and K the number of inputs.",
    summary: "Counts the members of the intersection of sorted sets.",
    syntax: "numkeys key [key ...] [LIMIT limit]",
    ..ZUNION
};

fn zunion(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    combine(view, args, Operation::Union, "zunion")
}

fn zinter(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    combine(view, args, Operation::Inter, "zinter")
}

fn zdiff(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    combine(view, args, Operation::Diff, "zdiff")
}

fn combine(view: &View<'_>, args: &mut Args<'_>, operation: Operation, name: &str) -> Result<Reply> {
    let all = Combination::take(view, args, operation, Form::Reply, name)?;
    Ok(members_reply(all.run(view)?, all.with_scores))
}

fn zintercard(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let all = Combination::take(view, args, Operation::Inter, Form::Count, "zintercard")?;
    Ok(Reply::count(all.count(view)?))
}
