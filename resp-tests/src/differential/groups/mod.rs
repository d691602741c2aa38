//! The commands that are drawn, group by group: tables, no logic.

mod bitmap;
mod blocking;
mod connection;
mod function;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod script;
mod set;
mod sort;
mod sorted_set;
mod stream;
mod string;
mod transactions;

use super::part::Template;

/// Commands that belong together.
#[derive(Debug)]
pub struct Group {
    pub name: &'static str,
    pub weight: u32,
    pub templates: &'static [Template],
}

/// All of them. The place of a group must not change what a seed gives for another: new ones go to the end.
pub static GROUPS: [Group; 16] = [
    Group { name: "string", weight: 16, templates: string::TEMPLATES },
    Group { name: "generic", weight: 14, templates: generic::TEMPLATES },
    Group { name: "hash", weight: 14, templates: hash::TEMPLATES },
    Group { name: "list", weight: 14, templates: list::TEMPLATES },
    Group { name: "set", weight: 14, templates: set::TEMPLATES },
    Group { name: "sorted-set", weight: 18, templates: sorted_set::TEMPLATES },
    Group { name: "stream", weight: 16, templates: stream::TEMPLATES },
    Group { name: "geo", weight: 5, templates: geo::TEMPLATES },
    Group { name: "bitmap", weight: 6, templates: bitmap::TEMPLATES },
    Group { name: "hyperloglog", weight: 3, templates: hyperloglog::TEMPLATES },
    Group { name: "sort", weight: 3, templates: sort::TEMPLATES },
    Group { name: "transactions", weight: 6, templates: transactions::TEMPLATES },
    Group { name: "blocking", weight: 4, templates: blocking::TEMPLATES },
    Group { name: "connection", weight: 3, templates: connection::TEMPLATES },
    Group { name: "script", weight: 10, templates: script::TEMPLATES },
    Group { name: "function", weight: 4, templates: function::TEMPLATES },
];
