//! Ids of entries of streams, and who reads them.

use super::{Pool, free};

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

/// How many entries there were; sums of these stay numbers of 64 bits.
pub static ENTRY_COUNTS: Pool = free(&[
    b"0",
    b"1",
    b"2",
    b"5",
    b"100",
    b"4611686018427387904",
    b"-1",
    b"-2",
    b"abc",
    b"",
    b"9223372036854775808",
]);
