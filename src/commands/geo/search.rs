//! GEOSEARCH and GEOSEARCHSTORE.

use super::{
    find::{answer, answer_or_store},
    query::{Form, Query, Target},
};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::Reply,
    store::{Txn, View},
    types::sorted_set::SortedSet,
};

const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of members in the cells around the shape, times the vertices of a polygon, and M of those within it.";

pub(super) const GEOSEARCH: Command = Command {
    name: "GEOSEARCH",
    arity: -7,
    keys: KeyRange::ONE,
    run: Run::Read(geosearch),
    flags: Flags::READONLY,
    group: Group::Geo,
    since: "6.2.0",
    complexity: COMPLEXITY,
    summary: "Finds members within a circle, a box or a polygon.",
    syntax: "key [FROMMEMBER member | FROMLONLAT longitude latitude] <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI> | BYPOLYGON num-vertices longitude latitude [longitude latitude ...]> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
    ..Command::BASE
};

pub(super) const GEOSEARCHSTORE: Command = Command {
    name: "GEOSEARCHSTORE",
    access: &[Access::Overwrite, Access::Read],
    arity: -8,
    keys: KeyRange::new(1, 2, 1),
    run: Run::Write(geosearchstore),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::Geo,
    since: "6.2.0",
    complexity: COMPLEXITY,
    summary: "Finds members within a circle, a box or a polygon and stores them as a sorted set.",
    syntax: "destination source [FROMMEMBER member | FROMLONLAT longitude latitude] <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI> | BYPOLYGON num-vertices longitude latitude [longitude latitude ...]> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]",
    ..Command::BASE
};

fn geosearch(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let set = SortedSet::open(view, args.next_word()?)?;
    let mut query = Query::new(Form::Search);
    query.take_options(args, view, set.as_ref())?;
    answer(view, set.as_ref(), &query)
}

fn geosearchstore(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let set = SortedSet::open(&txn.view(), args.next_word()?)?;
    let mut query = Query::new(Form::SearchStore);
    query.target = Some(Target { key, distances: false });
    query.take_options(args, &txn.view(), set.as_ref())?;
    answer_or_store(txn, set.as_ref(), &query, Form::SearchStore)
}
