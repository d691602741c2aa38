//! Sorted sets.

use super::super::part::Part::{Counted, Key, Maybe, Of, OneOf, Options, Repeat, Row, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::{Lexical, Set, Sorted};
use super::super::pools::{COUNTS, DRAWS, INDEXES, LEX_ENDS, MEMBERS, PATTERNS, SCORE_ENDS, SCORES, WEIGHTS};

const Z: Part = Key(Sorted);
const Y: Part = Key(Lexical);
/// Sets have their place among the sources, too.
const SOURCE: Part = OneOf(&[&[Z], &[Z], &[Z], &[Key(Set)]]);
const M: Part = Of(&MEMBERS);
const SCORE: Part = Of(&SCORES);
const ADD_OPTIONS: Part =
    Options(&[&[Word("NX")], &[Word("XX")], &[Word("GT")], &[Word("LT")], &[Word("CH")], &[Word("INCR")]]);
const LIMIT: Part = Maybe(&[Word("LIMIT"), Of(&INDEXES), Of(&INDEXES)]);
const WITH_SCORES: Part = Maybe(&[Word("WITHSCORES")]);
const WAYS: Part = Options(&[
    &[Word("WEIGHTS"), Of(&WEIGHTS), Of(&WEIGHTS)],
    &[Word("WEIGHTS"), Of(&WEIGHTS)],
    &[Word("AGGREGATE"), Word("MIN")],
    &[Word("AGGREGATE"), Word("MAX")],
    &[Word("AGGREGATE"), Word("sum")],
    &[Word("AGGREGATE"), Word("AVG")],
]);
const WAYS_WITH_SCORES: Part = Options(&[
    &[Word("WEIGHTS"), Of(&WEIGHTS), Of(&WEIGHTS)],
    &[Word("WEIGHTS"), Of(&WEIGHTS)],
    &[Word("AGGREGATE"), Word("MIN")],
    &[Word("AGGREGATE"), Word("MAX")],
    &[Word("WITHSCORES")],
    &[Word("WITHSCORES")],
]);
const RANGE: Part = OneOf(&[
    &[Of(&INDEXES), Of(&INDEXES), Maybe(&[Word("REV")])],
    &[Of(&SCORE_ENDS), Of(&SCORE_ENDS), Word("BYSCORE"), Maybe(&[Word("REV")]), LIMIT],
    &[Of(&INDEXES), Of(&INDEXES), LIMIT],
]);
const LEX: Part = Of(&LEX_ENDS);
const SIDE: Part = OneOf(&[&[Word("MIN")], &[Word("MAX")], &[Word("min")], &[Word("MIN")]]);
const WHOLE: &[&[&str]] = &[&["ZRANGE", "$1", "0", "-1", "WITHSCORES"]];
const WHOLE_SOURCE: &[&[&str]] = &[&["ZRANGE", "$2", "0", "-1", "WITHSCORES"]];

pub static TEMPLATES: &[Template] = &[
    Template::new("ZADD", &[Z, Repeat(&[SCORE, M])]).weight(20),
    Template::new("ZADD", &[Z, ADD_OPTIONS, SCORE, M]).weight(14),
    Template::new("ZADD", &[Z, ADD_OPTIONS, Repeat(&[SCORE, M])]),
    Template::new("ZADD", &[Z, Row(&[Word("#.5"), Word("member:#")])]).weight(1),
    Template::new("ZREM", &[Z, Row(&[Word("member:#")])]).weight(1),
    Template::new("ZINCRBY", &[Z, SCORE, M]),
    Template::new("ZREM", &[Z, Repeat(&[M])]),
    Template::new("ZCARD", &[Z]),
    Template::new("ZSCORE", &[Z, M]),
    Template::new("ZMSCORE", &[Z, Repeat(&[M])]),
    // One more word is an option of 7.2.
    Template::new("ZRANK", &[Z, M]).rigid(),
    Template::new("ZREVRANK", &[Z, M]).rigid(),
    Template::new("ZCOUNT", &[Z, Of(&SCORE_ENDS), Of(&SCORE_ENDS)]),
    Template::new("ZRANGE", &[Z, RANGE, WITH_SCORES]).weight(20),
    Template::new("ZRANGESTORE", &[Z, Z, RANGE]),
    Template::new("ZRANGEBYSCORE", &[Z, Of(&SCORE_ENDS), Of(&SCORE_ENDS), WITH_SCORES, LIMIT]),
    Template::new("ZREVRANGEBYSCORE", &[Z, Of(&SCORE_ENDS), Of(&SCORE_ENDS), LIMIT, WITH_SCORES]),
    Template::new("ZREVRANGE", &[Z, Of(&INDEXES), Of(&INDEXES), WITH_SCORES]),
    Template::new("ZREMRANGEBYSCORE", &[Z, Of(&SCORE_ENDS), Of(&SCORE_ENDS)]).weight(4),
    Template::new("ZREMRANGEBYRANK", &[Z, Of(&INDEXES), Of(&INDEXES)]).weight(4),
    Template::new("ZPOPMIN", &[Z, Maybe(&[Of(&COUNTS)])]).weight(6),
    Template::new("ZPOPMAX", &[Z, Maybe(&[Of(&COUNTS)])]).weight(6),
    Template::new("ZMPOP", &[Counted(&[Z]), SIDE, Maybe(&[Word("COUNT"), Of(&COUNTS)])]).weight(6),
    Template::new("ZRANDMEMBER", &[Z]).before(WHOLE).weight(3),
    Template::new("ZRANDMEMBER", &[Z, Of(&DRAWS), WITH_SCORES]).before(WHOLE).weight(6),
    Template::new("ZUNION", &[Counted(&[SOURCE]), WAYS_WITH_SCORES]),
    Template::new("ZINTER", &[Counted(&[SOURCE]), WAYS_WITH_SCORES]),
    Template::new("ZDIFF", &[Counted(&[SOURCE]), WITH_SCORES]),
    Template::new("ZUNIONSTORE", &[Z, Counted(&[SOURCE]), WAYS]),
    Template::new("ZINTERSTORE", &[Z, Counted(&[SOURCE]), WAYS]),
    Template::new("ZDIFFSTORE", &[Z, Counted(&[SOURCE])]),
    Template::new("ZINTERCARD", &[Counted(&[SOURCE]), Maybe(&[Word("LIMIT"), Of(&COUNTS)])]),
    Template::new(
        "ZSCAN",
        &[Z, Word("0"), Options(&[&[Word("MATCH"), Of(&PATTERNS)]]), Word("COUNT"), Word("1000000")],
    )
    .weight(4),
    Template::new("ZADD", &[Y, Repeat(&[Word("0"), M])]).weight(14),
    Template::new("ZADD", &[Y, Row(&[Word("0"), Word("member:#")])]).weight(1),
    Template::new("ZREM", &[Y, Repeat(&[M])]).weight(5),
    Template::new("ZLEXCOUNT", &[Y, LEX, LEX]).before(WHOLE),
    Template::new("ZRANGE", &[Y, LEX, LEX, Word("BYLEX"), Maybe(&[Word("REV")]), LIMIT]).before(WHOLE),
    Template::new("ZRANGESTORE", &[Z, Y, LEX, LEX, Word("BYLEX"), Maybe(&[Word("REV")]), LIMIT])
        .before(WHOLE_SOURCE)
        .weight(5),
    Template::new("ZRANGEBYLEX", &[Y, LEX, LEX, LIMIT]).before(WHOLE),
    Template::new("ZREVRANGEBYLEX", &[Y, LEX, LEX, LIMIT]).before(WHOLE),
    Template::new("ZREMRANGEBYLEX", &[Y, LEX, LEX]).before(WHOLE).weight(5),
];
