//! SORT. What has no order (a set with `BY nosort`, equal weights of letters) is never stored nor cut.

use super::super::part::Part::{Key, Of, OneOf, Options, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::{Integers, List, Set, Sorted};
use super::super::pools::{INDEXES, NUMBERS};

const SOURCE: Part = OneOf(&[&[Key(List)], &[Key(Set)], &[Key(Integers)], &[Key(Sorted)]]);
const ORDER: &[Part] = &[OneOf(&[&[Word("ASC")], &[Word("DESC")], &[Word("desc")]])];
const LIMIT: &[Part] = &[Word("LIMIT"), Of(&INDEXES), Of(&INDEXES)];
const GET: &[Part] = &[
    Word("GET"),
    OneOf(&[
        &[Word("#")],
        &[Word("w_*")],
        &[Word("h*->a")],
        &[Word("nosuch")],
        &[Word("h1->*")],
        &[Word("")],
    ]),
];
const PLAIN: Part = Options(&[ORDER, LIMIT, GET, &[Word("ALPHA")], &[Word("ALPHA")]]);
const NUMERIC_BY: Part = Options(&[ORDER, LIMIT, GET]);
const STORE: Part =
    Options(&[&[Word("STORE"), Key(List)], &[Word("STORE"), Key(List)], &[Word("ALPHA")], ORDER, GET]);
/// SORT of the reference takes an error that an earlier command met while it read a number for one of its own; a cursor
/// that is read makes it forget.
const READ: &[&[&str]] = &[&["SSCAN", "nosuch", "0"]];

pub static TEMPLATES: &[Template] = &[
    Template::new("SORT", &[SOURCE, PLAIN]).weight(20).before(READ),
    Template::new("SORT_RO", &[SOURCE, PLAIN]).before(READ),
    Template::new("SORT", &[SOURCE, STORE]).before(READ),
    Template::new("SORT", &[Key(Integers), Options(&[ORDER, LIMIT, GET])]).weight(20).before(READ),
    Template::new(
        "SORT",
        &[SOURCE, Word("BY"), OneOf(&[&[Word("w_*")], &[Word("h1->*")], &[Word("h*->b")]]), NUMERIC_BY],
    )
    .before(READ),
    Template::new("SORT", &[SOURCE, Word("BY"), Word("w_*"), Word("ALPHA"), Options(&[GET])]).before(READ),
    Template::new("SORT", &[SOURCE, Word("BY"), Word("nosort"), Options(&[ORDER, GET])]).before(READ),
    Template::new("SORT", &[Key(List), Word("BY"), Word("nosort"), Options(&[ORDER, GET, LIMIT])])
        .before(READ),
    Template::new(
        "SET",
        &[OneOf(&[&[Word("w_1")], &[Word("w_2")], &[Word("w_a")], &[Word("w_10")]]), Of(&NUMBERS)],
    ),
    Template::new("RPUSH", &[Key(List), Of(&NUMBERS)]),
];
