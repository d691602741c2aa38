//! Commands on strings.

mod counter;
mod get;
mod lcs;
mod many;
mod range;
mod set;

pub(super) use set::replace;

use crate::command::Command;

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    counter::INCR,
    counter::DECR,
    counter::INCRBY,
    counter::DECRBY,
    counter::INCRBYFLOAT,
    get::GET,
    get::GETDEL,
    get::GETEX,
    get::GETSET,
    get::STRLEN,
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
fn value_reply(row: Option<crate::store::Row>) -> crate::resp::Reply {
    row.map_or(crate::resp::Reply::Nil, |row| crate::resp::Reply::Bulk(row.body))
}
