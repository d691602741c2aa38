//! Strings.

use super::super::part::Part::{Key, Maybe, Of, OneOf, Options, Repeat, Value, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::{Number, String};
use super::super::pools::{FLOATS, MOMENTS, NUMBERS, OFFSETS, TIMES};

const S: Part = Key(String);
const N: Part = Key(Number);
const LIFETIMES: [&[Part]; 4] = [
    &[Word("EX"), Of(&TIMES)],
    &[Word("PX"), Of(&TIMES)],
    &[Word("EXAT"), Of(&MOMENTS)],
    &[Word("PXAT"), Of(&MOMENTS)],
];
const SET_OPTIONS: Part = Options(&[
    LIFETIMES[0],
    LIFETIMES[1],
    LIFETIMES[2],
    LIFETIMES[3],
    &[Word("NX")],
    &[Word("XX")],
    &[Word("GET")],
    &[Word("KEEPTTL")],
]);
const GETEX_OPTIONS: Part =
    Options(&[LIFETIMES[0], LIFETIMES[1], LIFETIMES[2], LIFETIMES[3], &[Word("PERSIST")]]);

pub static TEMPLATES: &[Template] = &[
    Template::new("GET", &[S]),
    Template::new("SET", &[S, Value, SET_OPTIONS]),
    Template::new("SET", &[S, Value]),
    Template::new("SET", &[N, Of(&NUMBERS)]),
    Template::new("APPEND", &[S, Value]),
    Template::new("STRLEN", &[S]),
    Template::new("GETRANGE", &[S, Of(&NUMBERS), Of(&NUMBERS)]),
    Template::new("SUBSTR", &[S, Of(&NUMBERS), Of(&NUMBERS)]).weight(4),
    Template::new("SETRANGE", &[S, Of(&OFFSETS), Value]),
    Template::new("GETSET", &[S, Value]),
    Template::new("GETDEL", &[S]).weight(4),
    Template::new("GETEX", &[S, GETEX_OPTIONS]),
    Template::new("INCR", &[N]),
    Template::new("DECR", &[N]),
    Template::new("INCRBY", &[N, Of(&NUMBERS)]),
    Template::new("DECRBY", &[N, Of(&NUMBERS)]),
    Template::new("INCRBYFLOAT", &[N, Of(&FLOATS)]).before(&[&["GET", "$1"]]).weight(5),
    Template::new("SETEX", &[S, Of(&TIMES), Value]).weight(5),
    Template::new("PSETEX", &[S, Of(&TIMES), Value]).weight(5),
    Template::new("SETNX", &[S, Value]).weight(5),
    Template::new("MGET", &[Repeat(&[S])]),
    Template::new("MSET", &[Repeat(&[S, Value])]),
    Template::new("MSETNX", &[Repeat(&[S, Value])]).weight(5),
    Template::new(
        "LCS",
        &[
            S,
            S,
            Options(&[
                &[Word("LEN")],
                &[Word("IDX")],
                &[Word("WITHMATCHLEN")],
                &[Word("MINMATCHLEN"), Of(&NUMBERS)],
            ]),
        ],
    )
    .weight(1),
    Template::new("GETRANGE", &[N, OneOf(&[&[Word("0")], &[Word("-3")]]), Word("-1"), Maybe(&[])]).weight(3),
];
