//! Texts: values, members, patterns, names.

use super::{Pool, free};

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

pub static PATTERNS: Pool = free(&[
    b"*", b"a*", b"?", b"[a-c]", b"[^a]*", b"a\\*", b"", b"*\0*", b"[", b"a[b", b"*1", b"h*", b"\\",
    b"[z-a]", b"**", b"*[0-9]", b"\xff*",
]);

pub static TYPES: Pool =
    free(&[b"string", b"hash", b"list", b"set", b"zset", b"stream", b"STRING", b"nosuch", b"", b"Hash"]);

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

/// Ends of ranges of members.
pub static LEX_ENDS: Pool = free(&[
    b"-", b"+", b"[a", b"(a", b"[c", b"(c", b"[", b"(", b"[ab", b"(\xff", b"[\0", b"[zzz", b"a", b"", b"--",
    b"+a", b"-a", b"[1", b"(1",
]);

pub static DATABASES: Pool = free(&[b"0", b"1", b"0", b"2", b"16", b"-1", b"abc", b"15", b""]);
