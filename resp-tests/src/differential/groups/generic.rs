//! Keys of any type.

use super::super::part::Part::{Key, Of, Options, Repeat, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::{Any, Hash, List, Set, Sorted, Stream, String};
use super::super::pools::{DATABASES, PATTERNS, TIMES, TYPES};

/// Any key, most of them with something in it.
const K: Part = Part::OneOf(&[
    &[Key(Any)],
    &[Key(String)],
    &[Key(Hash)],
    &[Key(List)],
    &[Key(Set)],
    &[Key(Sorted)],
    &[Key(Stream)],
]);
const CONDITIONS: Part = Options(&[&[Word("NX")], &[Word("XX")], &[Word("GT")], &[Word("LT")]]);
/// No GT and LT with lifetimes: the same lifetime a millisecond later is a longer one.
const RELATIVE_CONDITIONS: Part = Options(&[&[Word("NX")], &[Word("XX")], &[Word("NX"), Word("XX")]]);
const ALL_AT_ONCE: Part = Word("1000000");

pub static TEMPLATES: &[Template] = &[
    Template::new("DEL", &[Repeat(&[K])]),
    Template::new("UNLINK", &[Repeat(&[K])]).weight(5),
    Template::new("EXISTS", &[Repeat(&[K])]),
    Template::new("TOUCH", &[Repeat(&[K])]).weight(3),
    Template::new("TYPE", &[K]),
    Template::new("EXPIRE", &[K, Of(&TIMES), RELATIVE_CONDITIONS]),
    Template::new("PEXPIRE", &[K, Of(&TIMES), RELATIVE_CONDITIONS]),
    Template::new("EXPIREAT", &[K, Of(&TIMES), CONDITIONS]),
    Template::new("PEXPIREAT", &[K, Of(&TIMES), CONDITIONS]),
    Template::new("TTL", &[K]),
    Template::new("PTTL", &[K]),
    Template::new("EXPIRETIME", &[K]),
    Template::new("PEXPIRETIME", &[K]),
    Template::new("PERSIST", &[K]),
    Template::new("RENAME", &[K, K]).weight(14),
    Template::new("RENAMENX", &[K, K]),
    Template::new("COPY", &[K, K, Options(&[&[Word("DB"), Of(&DATABASES)], &[Word("REPLACE")]])]).weight(14),
    Template::new("MOVE", &[K, Of(&DATABASES)]).weight(8),
    Template::new("KEYS", &[Of(&PATTERNS)]).weight(4),
    Template::new(
        "SCAN",
        &[
            Word("0"),
            Options(&[&[Word("MATCH"), Of(&PATTERNS)], &[Word("TYPE"), Of(&TYPES)]]),
            Word("COUNT"),
            ALL_AT_ONCE,
        ],
    )
    .weight(5),
    Template::new("RANDOMKEY", &[]).before(&[&["KEYS", "*"]]).weight(3),
    Template::new("OBJECT ENCODING", &[K]),
    Template::new("OBJECT REFCOUNT", &[Key(Any)]).weight(1),
    Template::new("DBSIZE", &[]).weight(5),
    Template::new("SELECT", &[Of(&DATABASES)]).weight(4),
    Template::new("SELECT", &[Word("0")]).weight(12),
    Template::new("SWAPDB", &[Of(&DATABASES), Of(&DATABASES)]).weight(2),
    Template::new("FLUSHDB", &[Options(&[&[Word("ASYNC")], &[Word("SYNC")], &[Word("what")]])]).weight(1),
    Template::new("FLUSHALL", &[Options(&[&[Word("ASYNC")], &[Word("SYNC")], &[Word("what")]])]).weight(1),
    Template::new("DUMP", &[K]).weight(3),
];
