//! Lifetimes and waiting times: over at once, or not while anybody looks.

use super::{Pool, fixed};

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

/// Milliseconds that something must have been idle: no time at all, or more than any test takes.
pub static IDLE: Pool =
    fixed(&[b"0", b"0", b"0", b"-1", b"100000000000", b"9223372036854775807", b"abc", b""]);

/// Milliseconds that something is told to have been idle.
pub static IDLE_SET: Pool = fixed(&[b"0", b"500000000000", b"-1", b"abc"]);
