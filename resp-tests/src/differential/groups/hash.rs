//! Hashes.

use super::super::part::Part::{Key, Maybe, Of, OneOf, Options, Repeat, Row, Value, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::Hash;
use super::super::pools::{DRAWS, FLOATS, MEMBERS, NUMBERS, PATTERNS};

const H: Part = Key(Hash);
const F: Part = Of(&MEMBERS);

/// What says whether the elements just shown have an order.
const ENCODING: &[&[&str]] = &[&["OBJECT", "ENCODING", "$1"]];

pub static TEMPLATES: &[Template] = &[
    Template::new("HSET", &[H, Repeat(&[F, Value])]).weight(20),
    Template::new("HMSET", &[H, Repeat(&[F, Value])]).weight(6),
    Template::new("HSET", &[H, Row(&[Word("field:#"), Word("value-#")])]).weight(1),
    Template::new("HDEL", &[H, Row(&[Word("field:#")])]).weight(1),
    Template::new("HSETNX", &[H, F, Value]),
    Template::new("HGET", &[H, F]),
    Template::new("HMGET", &[H, Repeat(&[F])]),
    Template::new("HDEL", &[H, Repeat(&[F])]),
    Template::new("HEXISTS", &[H, F]),
    Template::new("HLEN", &[H]),
    Template::new("HSTRLEN", &[H, F]),
    Template::new("HGETALL", &[H]).after(ENCODING),
    Template::new("HKEYS", &[H]).after(ENCODING),
    Template::new("HVALS", &[H]).after(ENCODING),
    Template::new("HINCRBY", &[H, F, Of(&NUMBERS)]),
    Template::new("HSET", &[H, F, Of(&NUMBERS)]),
    Template::new("HINCRBYFLOAT", &[H, F, Of(&FLOATS)]).before(&[&["HGET", "$1", "$2"]]).weight(5),
    Template::new("HRANDFIELD", &[H]).before(&[&["HGETALL", "$1"]]).weight(3),
    Template::new("HRANDFIELD", &[H, Of(&DRAWS), Maybe(&[Word("WITHVALUES")])])
        .before(&[&["HGETALL", "$1"]])
        .weight(6),
    Template::new(
        "HSCAN",
        &[H, Word("0"), Options(&[&[Word("MATCH"), Of(&PATTERNS)]]), Word("COUNT"), Word("1000000")],
    )
    .after(ENCODING)
    .weight(4),
    Template::new(
        "HSCAN",
        &[H, OneOf(&[&[Word("abc")], &[Word("-1")], &[Word("")]]), Word("COUNT"), Of(&NUMBERS)],
    )
    .weight(1),
];
