//! What arguments are drawn from: small pools, so that keys, members and numbers meet again and again.
//!
//! Invariants: no number here makes a server store or send more than some kilobytes; no lifetime ends within years,
//! unless it ended before it began.

/// Byte strings to draw from.
#[derive(Debug)]
pub struct Pool {
    pub items: &'static [&'static [u8]],
    /// Another word must never take the place of one of these: it could be a lifetime that ends, or a number too big.
    pub is_fixed: bool,
}

const fn free(items: &'static [&'static [u8]]) -> Pool {
    Pool { items, is_fixed: false }
}

const fn fixed(items: &'static [&'static [u8]]) -> Pool {
    Pool { items, is_fixed: true }
}

/// What commands of a group mostly find at their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Any,
    String,
    Number,
    Bits,
    Sketch,
    Hash,
    List,
    Set,
    Integers,
    Sorted,
    /// Sorted sets whose members have one score, mostly: ranges of members have a meaning for no others.
    Lexical,
    Geo,
    Stream,
}

impl Kind {
    /// The keys of their own.
    pub fn keys(self) -> &'static [&'static [u8]] {
        match self {
            Kind::Any => &[b"", b"a\0b", b"\xff", b"aa", b"b"],
            Kind::String => &[b"v1", b"v2", b"a"],
            Kind::Number => &[b"n1", b"n2"],
            Kind::Bits => &[b"b1", b"b2", b"b3"],
            Kind::Sketch => &[b"p1", b"p2", b"p3"],
            Kind::Hash => &[b"h1", b"h2", b"h\0"],
            Kind::List => &[b"l1", b"l2", b"l3"],
            Kind::Set => &[b"s1", b"s2", b"s3"],
            Kind::Integers => &[b"i1", b"i2"],
            Kind::Sorted => &[b"z1", b"z2", b"z3"],
            Kind::Lexical => &[b"y1", b"y2"],
            Kind::Geo => &[b"g1", b"g2"],
            Kind::Stream => &[b"x1", b"x2"],
        }
    }

    pub const ALL: [Kind; 13] = [
        Kind::Any,
        Kind::String,
        Kind::Number,
        Kind::Bits,
        Kind::Sketch,
        Kind::Hash,
        Kind::List,
        Kind::Set,
        Kind::Integers,
        Kind::Sorted,
        Kind::Lexical,
        Kind::Geo,
        Kind::Stream,
    ];
}

/// No `*`: at another place it would be the id of a new entry, taken from a clock.
pub static VALUES: Pool = free(&[
    b"",
    b"0",
    b"1",
    b"-1",
    b"10",
    b"abc",
    b"Hello World",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b" 1",
    b"1 ",
    b"007",
    b"+5",
    b"1.5",
    b"-0",
    b"0x10",
    b"3.0e3",
    b"inf",
    b"nan",
    b"1e308",
    b"\0\xff\r\n",
    b"mynewtext",
    b"ohmytext",
    b"\xc3\xa9\xe2\x82\xac",
]);

/// Fields, members and elements.
pub static MEMBERS: Pool = free(&[
    b"a",
    b"b",
    b"c",
    b"d",
    b"e",
    b"",
    b"1",
    b"2",
    b"-3",
    b"10",
    b"9223372036854775807",
    b"01",
    b"\0\xff",
    b"f\r\ng",
    b"ab",
    b"abc",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    b"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
]);

pub static WHOLE_MEMBERS: Pool = free(&[
    b"0",
    b"1",
    b"2",
    b"-1",
    b"3",
    b"100",
    b"32767",
    b"32768",
    b"-32769",
    b"2147483647",
    b"-2147483649",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"00",
    b"a",
]);

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

/// Where in a string to write: what lies between is allocated.
pub static OFFSETS: Pool = fixed(&[
    b"0",
    b"1",
    b"5",
    b"7",
    b"8",
    b"20",
    b"100",
    b"1000",
    b"-1",
    b"abc",
    b"",
    b"536870912",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
]);

/// Which bit to write: one of eight in a byte.
pub static BIT_PLACES: Pool = fixed(&[
    b"0",
    b"1",
    b"5",
    b"7",
    b"8",
    b"20",
    b"100",
    b"8000",
    b"-1",
    b"abc",
    b"",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
]);

/// To add to numbers; sums of most of them are exact in every arithmetic.
pub static FLOATS: Pool = free(&[
    b"0.5", b"-0.25", b"3", b"1e2", b"0", b"-1.5", b"nan", b"inf", b"-inf", b"abc", b"", b" 1", b"1 ",
    b"1e5000", b"-0", b"0x1p3", b"1.5e", b".5", b"5.", b"+1", b"1e-3", b"0.1",
]);

/// Scores of members of sorted sets.
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
    b"4.9e-324",
]);

/// Ends of ranges of scores.
pub static SCORE_ENDS: Pool = free(&[
    b"-inf", b"+inf", b"inf", b"(1", b"(-1", b"0", b"1", b"2", b"3", b"(3", b"1.5", b"(inf", b"(-inf", b"-1",
    b"1e308", b"(", b"((1", b"abc", b"", b"nan", b"(nan", b" 1", b"1 ", b"-0",
]);

/// Ends of ranges of members.
pub static LEX_ENDS: Pool = free(&[
    b"-", b"+", b"[a", b"(a", b"[c", b"(c", b"[", b"(", b"[ab", b"(\xff", b"[\0", b"[zzz", b"a", b"", b"--",
    b"+a", b"-a", b"[1", b"(1",
]);

pub static WEIGHTS: Pool =
    free(&[b"1", b"2", b"-1", b"0", b"0.5", b"inf", b"-inf", b"nan", b"abc", b"", b"1e300"]);

/// Lifetimes, as seconds or as milliseconds.
pub static TIMES: Pool = fixed(&[
    b"500000000",
    b"800000000",
    b"33177117420000",
    b"0",
    b"-1",
    b"-9223372036854775808",
    b"9223372036854775807",
    b"9223372036854775",
    b"9223372036854775808",
    b"abc",
    b"",
    b"500000000",
    b"800000000",
    b"900000000.5",
]);

/// Points in time, none of them past: the reference keeps what SET puts into the past until it comes across it, and
/// counts it meanwhile.
pub static MOMENTS: Pool = fixed(&[
    b"33177117420000",
    b"33177117420123",
    b"0",
    b"-1",
    b"9223372036854775807",
    b"9223372036854775808",
    b"abc",
    b"",
]);

/// How long to wait inside a transaction, where nothing waits.
pub static TIMEOUTS: Pool =
    fixed(&[b"0.01", b"0", b"0.01", b"-1", b"abc", b"", b"inf", b"nan", b"1e400", b"0.001"]);

/// How long to wait for what is there already. Never long, should it not be.
pub static WAITS: Pool = fixed(&[b"0.01", b"0.02", b"-1", b"abc", b"", b"nan", b"inf"]);

pub static PATTERNS: Pool = free(&[
    b"*", b"a*", b"?", b"[a-c]", b"[^a]*", b"a\\*", b"", b"*\0*", b"[", b"a[b", b"*1", b"h*", b"\\",
    b"[z-a]", b"**", b"*[0-9]", b"\xff*",
]);

pub static DATABASES: Pool = free(&[b"0", b"1", b"0", b"2", b"16", b"-1", b"abc", b"15", b""]);

pub static TYPES: Pool =
    free(&[b"string", b"hash", b"list", b"set", b"zset", b"stream", b"STRING", b"nosuch", b"", b"Hash"]);

/// Whole ids of entries.
pub static ENTRY_IDS: Pool = free(&[
    b"1-1",
    b"1-2",
    b"2-0",
    b"2-1",
    b"3-0",
    b"5-5",
    b"7",
    b"10-0",
    b"10-1",
    b"100-1",
    b"0-0",
    b"0-1",
    b"0",
    b"18446744073709551615-18446744073709551614",
    b"18446744073709551615-18446744073709551615",
    b"18446744073709551616-0",
    b"1-18446744073709551615",
    b"1-18446744073709551616",
    b"abc",
    b"",
    b"-",
    b"1-",
    b"-1",
    b"1-1-1",
    b"01-1",
    b" 1-1",
]);

/// Ids of new entries: no clock in them.
pub static NEW_IDS: Pool = free(&[
    b"1-1",
    b"1-*",
    b"2-*",
    b"3-*",
    b"5-*",
    b"5-5",
    b"10-*",
    b"10-1",
    b"20-*",
    b"50-*",
    b"100-*",
    b"100-7",
    b"0-*",
    b"0-0",
    b"0-1",
    b"*-1",
    b"1-**",
    b"abc",
    b"",
    b"1000-*",
    b"18446744073709551615-*",
    b"-1-*",
    b"+",
    b"-",
    b"7",
]);

pub static ID_ENDS: Pool = free(&[
    b"-",
    b"+",
    b"0",
    b"1",
    b"2",
    b"5",
    b"(1-1",
    b"(2",
    b"1-1",
    b"5-5",
    b"10",
    b"(10-0",
    b"100",
    b"(",
    b"(-",
    b"(+",
    b"abc",
    b"",
    b"18446744073709551615",
    b"(18446744073709551615-18446744073709551615",
    b"(0-0",
    b"0-0",
    b"9-",
    b"+1",
]);

pub static GROUP_NAMES: Pool = free(&[b"g", b"g", b"h", b"", b"\0g"]);
pub static CONSUMERS: Pool = free(&[b"c", b"d", b"c", b"", b"e\0"]);

/// Milliseconds that something must have been idle: no time at all, or more than any test takes.
pub static IDLE: Pool =
    fixed(&[b"0", b"0", b"0", b"-1", b"100000000000", b"9223372036854775807", b"abc", b""]);

/// Milliseconds that something is told to have been idle.
pub static IDLE_SET: Pool = fixed(&[b"0", b"500000000000", b"-1", b"abc"]);

pub static UNITS: Pool = free(&[b"m", b"km", b"ft", b"mi", b"KM", b"M", b"x", b""]);

pub static RADII: Pool =
    free(&[b"100", b"1000", b"200.5", b"5000", b"20000", b"0", b"-1", b"abc", b"", b"1e10", b"inf", b"nan"]);

pub static LONGITUDES: Pool =
    free(&[b"13.361389", b"15.087269", b"0", b"-122.4", b"179.9", b"-180", b"180.1", b"abc", b"", b"nan"]);

pub static LATITUDES: Pool =
    free(&[b"38.115556", b"37.502669", b"0", b"37.7", b"-85", b"85.05112878", b"86", b"abc", b"", b"inf"]);

/// Types of numbers among bits.
pub static BIT_TYPES: Pool = fixed(&[
    b"u8", b"i8", b"u1", b"i1", b"u16", b"i5", b"u63", b"i64", b"u64", b"i65", b"u0", b"x8", b"", b"u",
    b"i08",
]);

pub static BIT_OFFSETS: Pool = fixed(&[
    b"0",
    b"1",
    b"7",
    b"8",
    b"100",
    b"#0",
    b"#1",
    b"#10",
    b"-1",
    b"#-1",
    b"abc",
    b"#",
    b"",
    b"4294967296",
    b"9223372036854775807",
    b"#9223372036854775807",
]);

pub static BITS: Pool = free(&[b"0", b"1", b"0", b"1", b"2", b"-1", b"abc", b""]);

/// Words that belong to some command, for where they do not.
pub static STRAYS: Pool = free(&[
    b"NX",
    b"XX",
    b"GT",
    b"LT",
    b"GET",
    b"REPLACE",
    b"what",
    b"",
    b"COUNT",
    b"LIMIT",
    b"MATCH",
    b"STORE",
    b"0",
    b"1",
    b"-1",
    b"WITHSCORES",
    b"WITHVALUES",
    b"BYSCORE",
    b"REV",
    b"LEFT",
    b"RIGHT",
    b"\0\xff",
    b"9223372036854775807",
    b"1e308",
    b"nan",
    b"a",
    b"b",
]);
