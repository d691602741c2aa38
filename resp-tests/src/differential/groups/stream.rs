//! Streams. Ids of new entries are given, or their counter is left to the server; what an id made from a clock is put
//! into is deleted at once. In 7.2 whoever reads or claims becomes a consumer, in 7.0 only who gets something: here they
//! are made consumers before.

use super::super::part::Part::{Key, Maybe, Of, OneOf, Options, Repeat, Row, Value, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::Stream;
use super::super::pools::{
    CONSUMERS, COUNTS, ENTRY_IDS, GROUP_NAMES, ID_ENDS, IDLE, IDLE_SET, MEMBERS, MOMENTS, NEW_IDS, NUMBERS,
};

const X: Part = Key(Stream);
const G: Part = Of(&GROUP_NAMES);
const C: Part = Of(&CONSUMERS);
const ID: Part = Of(&ENTRY_IDS);
const FIELDS: Part = Repeat(&[Of(&MEMBERS), Value]);
const COUNT: Part = Maybe(&[Word("COUNT"), Of(&COUNTS)]);
/// `~` may keep more, and how much more is not promised: with LIMIT 0 as little as the server likes, so none of that.
const TRIM: Part = OneOf(&[
    &[Word("MAXLEN"), Maybe(&[Word("=")]), Of(&COUNTS)],
    &[Word("MINID"), Maybe(&[Word("=")]), ID],
    &[Word("MAXLEN"), Word("="), Of(&COUNTS), Word("LIMIT"), Of(&COUNTS)],
]);
const ADD_OPTIONS: Part = Options(&[&[Word("NOMKSTREAM")], &[TRIM]]);
/// No `+`, which is of 7.4.
const AFTER: Part = OneOf(&[&[ID], &[Word("0")], &[Word("$")], &[Word("(1-1")], &[Word("5")]]);
const GROUP_AFTER: Part = OneOf(&[&[Word(">")], &[Word(">")], &[Word(">")], &[Word("0")], &[ID]]);
const READ: Part = OneOf(&[&[X, AFTER], &[X, X, AFTER, AFTER], &[X, X, AFTER]]);
const GROUP_READ: Part = OneOf(&[&[X, GROUP_AFTER], &[X, GROUP_AFTER], &[X, X, GROUP_AFTER, GROUP_AFTER]]);

pub static TEMPLATES: &[Template] = &[
    Template::new("XADD", &[X, ADD_OPTIONS, Of(&NEW_IDS), FIELDS]).weight(30),
    Template::new("XADD", &[X, OneOf(&[&[Word("20-*")], &[Word("50-*")], &[Word("200-*")]]), FIELDS])
        .weight(30),
    Template::new("XADD", &[X, Word("*"), FIELDS]).after(&[&["XLEN", "$1"], &["DEL", "$1"]]).weight(2),
    Template::new("XADD", &[X, Word("MAXLEN"), Word("~"), Word("1000"), Word("30-*"), FIELDS]).weight(3),
    Template::new("XLEN", &[X]),
    Template::new("XRANGE", &[X, Of(&ID_ENDS), Of(&ID_ENDS), COUNT]),
    Template::new("XREVRANGE", &[X, Of(&ID_ENDS), Of(&ID_ENDS), COUNT]),
    Template::new("XREAD", &[COUNT, Word("STREAMS"), READ]),
    Template::new("XDEL", &[X, Repeat(&[ID])]).weight(12),
    Template::new("XTRIM", &[X, TRIM]).weight(6),
    Template::new(
        "XSETID",
        &[X, ID, Options(&[&[Word("ENTRIESADDED"), Of(&NUMBERS)], &[Word("MAXDELETEDID"), ID]])],
    )
    .weight(4),
    Template::new(
        "XGROUP CREATE",
        &[
            X,
            G,
            OneOf(&[&[Word("$")], &[Word("0")], &[ID]]),
            Options(&[&[Word("MKSTREAM")], &[Word("ENTRIESREAD"), Of(&NUMBERS)]]),
        ],
    )
    .weight(14),
    Template::new("XGROUP CREATE", &[X, Word("g"), Word("0"), Word("MKSTREAM")]).weight(10),
    Template::new(
        "XGROUP SETID",
        &[X, G, OneOf(&[&[Word("$")], &[ID]]), Maybe(&[Word("ENTRIESREAD"), Of(&NUMBERS)])],
    )
    .weight(6),
    Template::new("XGROUP DESTROY", &[X, G]).weight(3),
    Template::new("XGROUP CREATECONSUMER", &[X, G, C]).weight(5),
    Template::new("XGROUP DELCONSUMER", &[X, G, C]).weight(4),
    // Wrongly written, or of no group.
    Template::new("XREADGROUP", &[Word("GROUP"), Word("nosuch"), C, COUNT, Word("STREAMS"), GROUP_READ])
        .weight(3),
    Template::new("XREADGROUP", &[Word("GROUP"), Word("nosuch"), C, Word("STREAMS"), X, X, GROUP_AFTER])
        .weight(2),
    Template::new("XREADGROUP", &[Word("GROUP"), G, C, Word("STREAMS"), X, GROUP_AFTER])
        .before(&[&["XGROUP", "CREATECONSUMER", "$5", "$2", "$3"]])
        .rigid()
        .weight(14),
    Template::new(
        "XREADGROUP",
        &[Word("GROUP"), G, C, Word("COUNT"), Of(&COUNTS), Word("STREAMS"), X, GROUP_AFTER],
    )
    .before(&[&["XGROUP", "CREATECONSUMER", "$7", "$2", "$3"]])
    .rigid()
    .weight(14),
    Template::new(
        "XREADGROUP",
        &[Word("GROUP"), G, C, Word("NOACK"), Word("STREAMS"), X, X, GROUP_AFTER, GROUP_AFTER],
    )
    .before(&[
        &["XGROUP", "CREATECONSUMER", "$6", "$2", "$3"],
        &["XGROUP", "CREATECONSUMER", "$7", "$2", "$3"],
    ])
    .rigid()
    .weight(5),
    Template::new("XACK", &[X, G, Repeat(&[ID])]).weight(8),
    Template::new("XPENDING", &[X, G]).weight(8),
    Template::new(
        "XPENDING",
        &[X, G, Maybe(&[Word("IDLE"), Of(&IDLE)]), Of(&ID_ENDS), Of(&ID_ENDS), Of(&COUNTS), Maybe(&[C])],
    ),
    Template::new(
        "XCLAIM",
        &[
            X,
            G,
            C,
            Of(&IDLE),
            Repeat(&[ID]),
            Options(&[
                &[Word("IDLE"), Of(&IDLE_SET)],
                &[Word("TIME"), Of(&MOMENTS)],
                &[Word("RETRYCOUNT"), Of(&COUNTS)],
                &[Word("FORCE")],
                &[Word("JUSTID")],
                &[Word("LASTID"), ID],
            ]),
        ],
    )
    .before(&[&["XGROUP", "CREATECONSUMER", "$1", "$2", "$3"]])
    .rigid()
    .weight(12),
    Template::new("XAUTOCLAIM", &[X, G, C, Of(&IDLE), Of(&ID_ENDS), COUNT, Maybe(&[Word("JUSTID")])])
        .before(&[&["XGROUP", "CREATECONSUMER", "$1", "$2", "$3"]])
        .rigid()
        .weight(8),
    Template::new("XINFO STREAM", &[X]).weight(6),
    Template::new("XINFO STREAM", &[X, Word("FULL"), COUNT]).weight(5),
    Template::new("XINFO GROUPS", &[X]).weight(6),
    Template::new("XINFO CONSUMERS", &[X, G]).weight(6),
    Template::new("RPUSH", &[X, Row(&[Word("not-a-stream-#")])]).after(&[&["DEL", "$1"]]).weight(1),
];
