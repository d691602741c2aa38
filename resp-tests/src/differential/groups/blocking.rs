//! Commands that wait, where they need not: inside a transaction, and where what they wait for is there.
//! Those that do wait are probes of their own.

use super::super::part::Part::{Counted, Key, Maybe, Of, OneOf, Repeat, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::{List, Sorted, Stream};
use super::super::pools::{COUNTS, ENTRY_IDS, TIMEOUTS, WAITS};

const L: Part = Key(List);
const Z: Part = Key(Sorted);
const END: Part = OneOf(&[&[Word("LEFT")], &[Word("RIGHT")]]);
const SIDE: Part = OneOf(&[&[Word("MIN")], &[Word("MAX")]]);
const COUNT: Part = Maybe(&[Word("COUNT"), Of(&COUNTS)]);
const MULTI: &[&[&str]] = &[&["MULTI"]];
const EXEC: &[&[&str]] = &[&["EXEC"]];
const PUSHED: &[&[&str]] = &[&["RPUSH", "$1", "w1"]];
const ADDED: &[&[&str]] = &[&["ZADD", "$1", "5", "w1"]];

pub static TEMPLATES: &[Template] = &[
    Template::new("BLPOP", &[Repeat(&[L]), Of(&TIMEOUTS)]).before(MULTI).after(EXEC),
    Template::new("BRPOP", &[Repeat(&[L]), Of(&TIMEOUTS)]).before(MULTI).after(EXEC),
    Template::new("BLMOVE", &[L, L, END, END, Of(&TIMEOUTS)]).before(MULTI).after(EXEC),
    Template::new("BRPOPLPUSH", &[L, L, Of(&TIMEOUTS)]).before(MULTI).after(EXEC),
    Template::new("BLMPOP", &[Of(&TIMEOUTS), Counted(&[L]), END, COUNT]).before(MULTI).after(EXEC),
    Template::new("BZPOPMIN", &[Repeat(&[Z]), Of(&TIMEOUTS)]).before(MULTI).after(EXEC),
    Template::new("BZPOPMAX", &[Repeat(&[Z]), Of(&TIMEOUTS)]).before(MULTI).after(EXEC),
    Template::new("BZMPOP", &[Of(&TIMEOUTS), Counted(&[Z]), SIDE, COUNT]).before(MULTI).after(EXEC),
    Template::new(
        "XREAD",
        &[
            Word("BLOCK"),
            OneOf(&[&[Word("0")], &[Word("10")], &[Word("x")]]),
            Word("STREAMS"),
            Key(Stream),
            OneOf(&[&[Word("$")], &[Word("0")], &[Of(&ENTRY_IDS)]]),
        ],
    )
    .before(MULTI)
    .after(EXEC),
    Template::new(
        "XREADGROUP",
        &[
            Word("GROUP"),
            Word("g"),
            Word("c"),
            Word("BLOCK"),
            OneOf(&[&[Word("0")], &[Word("10")], &[Word("-1")]]),
            Word("STREAMS"),
            Key(Stream),
            Word(">"),
        ],
    )
    .before(&[&["XGROUP", "CREATECONSUMER", "$7", "g", "c"], &["MULTI"]])
    .rigid()
    .after(EXEC),
    Template::new("BLPOP", &[L, Maybe(&[L]), Of(&WAITS)]).before(PUSHED).weight(6),
    Template::new("BRPOP", &[L, Maybe(&[L]), Of(&WAITS)]).before(PUSHED).weight(6),
    Template::new("BLMOVE", &[L, L, END, END, Of(&WAITS)]).before(PUSHED).weight(6),
    Template::new("BRPOPLPUSH", &[L, L, Of(&WAITS)]).before(PUSHED).weight(6),
    Template::new("BLMPOP", &[Of(&WAITS), Word("1"), L, END, COUNT])
        .before(&[&["RPUSH", "$3", "w1"]])
        .weight(6),
    Template::new("BZPOPMIN", &[Z, Maybe(&[Z]), Of(&WAITS)]).before(ADDED).weight(6),
    Template::new("BZPOPMAX", &[Z, Maybe(&[Z]), Of(&WAITS)]).before(ADDED).weight(6),
    Template::new("BZMPOP", &[Of(&WAITS), Word("1"), Z, SIDE, COUNT])
        .before(&[&["ZADD", "$3", "5", "w1"]])
        .weight(6),
];
