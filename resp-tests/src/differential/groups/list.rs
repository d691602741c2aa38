//! Lists.

use super::super::part::Part::{Counted, Key, Maybe, Of, OneOf, Options, Repeat, Row, Value, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::List;
use super::super::pools::{COUNTS, INDEXES, MEMBERS};

const L: Part = Key(List);
const E: Part = OneOf(&[&[Of(&MEMBERS)], &[Value]]);
const END: Part = OneOf(&[&[Word("LEFT")], &[Word("RIGHT")], &[Word("left")], &[Word("RIGHT")]]);

pub static TEMPLATES: &[Template] = &[
    Template::new("LPUSH", &[L, Repeat(&[E])]).weight(14),
    Template::new("RPUSH", &[L, Repeat(&[E])]).weight(14),
    Template::new("LPUSHX", &[L, Repeat(&[E])]).weight(5),
    Template::new("RPUSHX", &[L, Repeat(&[E])]).weight(5),
    Template::new("RPUSH", &[L, Row(&[Word("element-#-of-a-long-list")])]).weight(1),
    Template::new("LPOP", &[L, Maybe(&[Of(&COUNTS)])]),
    Template::new("RPOP", &[L, Maybe(&[Of(&COUNTS)])]),
    Template::new("LLEN", &[L]),
    Template::new("LRANGE", &[L, Of(&INDEXES), Of(&INDEXES)]).weight(12),
    Template::new("LINDEX", &[L, Of(&INDEXES)]),
    Template::new("LSET", &[L, Of(&INDEXES), E]),
    Template::new(
        "LINSERT",
        &[L, OneOf(&[&[Word("BEFORE")], &[Word("AFTER")], &[Word("after")], &[Word("IN")]]), E, E],
    ),
    Template::new("LREM", &[L, Of(&INDEXES), E]),
    Template::new("LTRIM", &[L, Of(&INDEXES), Of(&INDEXES)]).weight(6),
    Template::new(
        "LPOS",
        &[
            L,
            E,
            Options(&[
                &[Word("RANK"), Of(&INDEXES)],
                &[Word("COUNT"), Of(&COUNTS)],
                &[Word("MAXLEN"), Of(&COUNTS)],
            ]),
        ],
    ),
    Template::new("LMOVE", &[L, L, END, END]),
    Template::new("RPOPLPUSH", &[L, L]),
    Template::new("LMPOP", &[Counted(&[L]), END, Maybe(&[Word("COUNT"), Of(&COUNTS)])]),
];
