//! The positions of members, and the distances between them.

use super::{distance, shown, unit};
use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::View,
    types::{
        geo::{Point, Unit, distance_m, geohash_text},
        sorted_set::SortedSet,
    },
};

pub(super) const GEODIST: Command = Command {
    name: "GEODIST",
    arity: -4,
    keys: KeyRange::ONE,
    run: Run::Read(geodist),
    flags: Flags::READONLY,
    group: Group::Geo,
    since: "3.2.0",
    summary: "Returns the distance between two members.",
    syntax: "key member1 member2 [M | KM | FT | MI]",
    ..Command::BASE
};

pub(super) const GEOHASH: Command = Command {
    name: "GEOHASH",
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Read(geohash),
    flags: Flags::READONLY,
    group: Group::Geo,
    since: "3.2.0",
    complexity: "O(1) for each member.",
    summary: "Returns the geohashes of members.",
    syntax: "key [member [member ...]]",
    ..Command::BASE
};

pub(super) const GEOPOS: Command = Command {
    name: "GEOPOS",
    run: Run::Read(geopos),
    summary: "Returns longitude and latitude of members.",
    ..GEOHASH
};

fn geodist(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, a, b) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let unit = match args.rest() {
        [] => Unit::Metre,
        [word] => unit(word)?,
        _ => return Err(ErrorReply::syntax().into()),
    };
    let Some(set) = SortedSet::open(view, key)? else { return Ok(Reply::Nil) };
    let (Some(a), Some(b)) = (set.score_of(view, a)?, set.score_of(view, b)?) else {
        return Ok(Reply::Nil);
    };
    Ok(distance(distance_m(Point::of_score(a), Point::of_score(b)), unit))
}

fn geohash(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    each(view, args, &Reply::Nil, |point| Reply::bulk(geohash_text(point)))
}

fn geopos(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    each(view, args, &Reply::NilArray, shown)
}

/// Says something of each member, or `absent`.
fn each(
    view: &View<'_>,
    args: &mut Args<'_>,
    absent: &Reply,
    show: impl Fn(Point) -> Reply,
) -> Result<Reply> {
    let set = SortedSet::open(view, args.next_word()?)?;
    let mut replies = Vec::with_capacity(args.remaining());
    for member in args.rest() {
        let score = match &set {
            Some(set) => set.score_of(view, member)?,
            None => None,
        };
        replies.push(score.map_or_else(|| absent.clone(), |score| show(Point::of_score(score))));
    }
    Ok(Reply::Array(replies))
}
