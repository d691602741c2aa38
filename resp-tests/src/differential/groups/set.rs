//! Sets. What SPOP takes by lot is checked, then the set is deleted: the two servers need not take the same.

use super::super::part::Part::{Counted, Key, Maybe, Of, OneOf, Options, Repeat, Row, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::{Integers, Set};
use super::super::pools::{COUNTS, DRAWS, MEMBERS, PATTERNS, WHOLE_MEMBERS};

const S: Part = OneOf(&[&[Key(Set)], &[Key(Set)], &[Key(Integers)]]);
const M: Part = OneOf(&[&[Of(&MEMBERS)], &[Of(&MEMBERS)], &[Of(&WHOLE_MEMBERS)]]);
const TAKEN: &[&[&str]] = &[&["SMEMBERS", "$1"], &["DEL", "$1"]];
const WHOLE: &[&[&str]] = &[&["SMEMBERS", "$1"]];

/// What says whether the elements just shown have an order.
const ENCODING: &[&[&str]] = &[&["OBJECT", "ENCODING", "$1"]];

pub static TEMPLATES: &[Template] = &[
    Template::new("SADD", &[Key(Set), Repeat(&[M])]).weight(20),
    Template::new("SADD", &[Key(Integers), Repeat(&[Of(&WHOLE_MEMBERS)])]).weight(8),
    Template::new("SADD", &[Key(Set), Row(&[Word("member:#")])]).weight(1),
    Template::new("SADD", &[Key(Integers), Row(&[Word("#")])]).weight(1),
    Template::new("SREM", &[Key(Set), Row(&[Word("member:#")])]).weight(1),
    Template::new("SREM", &[S, Repeat(&[M])]),
    Template::new("SCARD", &[S]),
    Template::new("SISMEMBER", &[S, M]),
    Template::new("SMISMEMBER", &[S, Repeat(&[M])]),
    Template::new("SMEMBERS", &[S]).after(ENCODING),
    Template::new("SMOVE", &[S, S, M]),
    Template::new("SPOP", &[S]).before(WHOLE).after(TAKEN).weight(2),
    Template::new("SPOP", &[S, Of(&DRAWS)]).before(WHOLE).after(TAKEN).weight(3),
    Template::new("SRANDMEMBER", &[S, Maybe(&[Of(&DRAWS)])]).before(WHOLE).weight(6),
    Template::new("SINTER", &[Repeat(&[S])]),
    Template::new("SUNION", &[Repeat(&[S])]),
    Template::new("SDIFF", &[Repeat(&[S])]),
    Template::new("SINTERSTORE", &[S, Repeat(&[S])]),
    Template::new("SUNIONSTORE", &[S, Repeat(&[S])]),
    Template::new("SDIFFSTORE", &[S, Repeat(&[S])]),
    Template::new("SINTERCARD", &[Counted(&[S]), Maybe(&[Word("LIMIT"), Of(&COUNTS)])]),
    Template::new(
        "SSCAN",
        &[S, Word("0"), Options(&[&[Word("MATCH"), Of(&PATTERNS)]]), Word("COUNT"), Word("1000000")],
    )
    .after(ENCODING)
    .weight(4),
];
