//! Numbers, well and badly written.

use super::{Pool, fixed, free};

/// Whole numbers, well and badly written.
pub static NUMBERS: Pool = free(&[
    b"0",
    b"1",
    b"-1",
    b"2",
    b"3",
    b"5",
    b"-5",
    b"100",
    b"-100",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"-9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"99999999999999999999999",
    b"4294967296",
    b"2147483648",
    b"abc",
    b"",
    b" 1",
    b"1 ",
    b"+1",
    b"01",
    b"-0",
    b"1.0",
    b"0x1",
    b"1e2",
]);

/// Positions in something short, mostly sensible.
pub static INDEXES: Pool = free(&[
    b"0",
    b"1",
    b"2",
    b"3",
    b"-1",
    b"-2",
    b"-3",
    b"5",
    b"-6",
    b"10",
    b"200",
    b"-200",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"x",
    b"",
    b"01",
]);

/// How many, where many cost nothing.
pub static COUNTS: Pool = free(&[
    b"1",
    b"2",
    b"3",
    b"10",
    b"0",
    b"-1",
    b"1000",
    b"9223372036854775807",
    b"9223372036854775808",
    b"abc",
    b"",
    b"1.5",
]);

/// How many to draw by lot: a negative number is a number of replies.
pub static DRAWS: Pool = fixed(&[
    b"0",
    b"1",
    b"2",
    b"3",
    b"5",
    b"1000",
    b"-1",
    b"-3",
    b"-20",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"abc",
    b"",
]);

/// To add to numbers; sums of most of them are exact in every arithmetic.
pub static FLOATS: Pool = free(&[
    b"0.5", b"-0.25", b"3", b"1e2", b"0", b"-1.5", b"nan", b"inf", b"-inf", b"abc", b"", b" 1", b"1 ",
    b"1e5000", b"-0", b"0x1p3", b"1.5e", b".5", b"5.", b"+1", b"1e-3", b"0.1",
]);

/// Scores of members of sorted sets. None smaller than the normal ones: SORT of the reference fails on those.
pub static SCORES: Pool = free(&[
    b"0",
    b"1",
    b"2",
    b"3",
    b"-1",
    b"1.5",
    b"-2.5",
    b"0.1",
    b"3.1",
    b"1e308",
    b"-1e308",
    b"1e-300",
    b"inf",
    b"-inf",
    b"+inf",
    b"Infinity",
    b"nan",
    b"-0",
    b"9007199254740993",
    b"9223372036854775807",
    b"1e20",
    b"123456789.123456789",
    b"0x1F",
    b"01",
    b"abc",
    b"",
    b" 1",
    b"1 ",
    b"+1",
    b"1e400",
    b"2.2250738585072014e-308",
]);

/// Ends of ranges of scores.
pub static SCORE_ENDS: Pool = free(&[
    b"-inf", b"+inf", b"inf", b"(1", b"(-1", b"0", b"1", b"2", b"3", b"(3", b"1.5", b"(inf", b"(-inf", b"-1",
    b"1e308", b"(", b"((1", b"abc", b"", b"nan", b"(nan", b" 1", b"1 ", b"-0",
]);

pub static WEIGHTS: Pool =
    free(&[b"1", b"2", b"-1", b"0", b"0.5", b"inf", b"-inf", b"nan", b"abc", b"", b"1e300"]);
