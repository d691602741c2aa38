//! Commands on strings.

mod compare;
mod counter;
mod digest;
mod get;
mod increx;
mod lcs;
mod many;
mod range;
mod set;

pub(super) use set::replace;

use crate::{command::Command, error::Result, resp::Reply, store::View, types::string::StoredString};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    counter::INCR,
    counter::DECR,
    counter::INCRBY,
    counter::DECRBY,
    counter::INCRBYFLOAT,
    digest::DELEX,
    digest::DIGEST,
    get::GET,
    get::GETDEL,
    get::GETEX,
    get::GETSET,
    get::STRLEN,
    increx::INCREX,
    lcs::LCS,
    many::MGET,
    many::MSET,
    many::MSETEX,
    many::MSETNX,
    range::APPEND,
    range::GETRANGE,
    range::SETRANGE,
    range::SUBSTR,
    set::SET,
    set::SETEX,
    set::SETNX,
    set::PSETEX,
    set::DELIFEQ,
];

/// The value of a string as a reply.
fn value_reply(view: &View<'_>, string: Option<&StoredString>) -> Result<Reply> {
    string.map_or(Ok(Reply::Nil), |string| string.reply(view, 0..string.len()))
}
