//! Places: on the globe, and in strings.

use super::{Pool, fixed, free};

pub static UNITS: Pool = free(&[b"m", b"km", b"ft", b"mi", b"KM", b"M", b"x", b""]);

pub static RADII: Pool =
    free(&[b"100", b"1000", b"200.5", b"5000", b"20000", b"0", b"-1", b"abc", b"", b"1e10", b"inf", b"nan"]);

pub static LONGITUDES: Pool =
    free(&[b"13.361389", b"15.087269", b"0", b"-122.4", b"179.9", b"-180", b"180.1", b"abc", b"", b"nan"]);

pub static LATITUDES: Pool =
    free(&[b"38.115556", b"37.502669", b"0", b"37.7", b"-85", b"85.05112878", b"86", b"abc", b"", b"inf"]);

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
    b"#4611686018427387904",
]);

pub static BITS: Pool = free(&[b"0", b"1", b"0", b"1", b"2", b"-1", b"abc", b""]);
