//! Shared by the commands that let fields of hashes and members of sets expire one by one: what they answer, times and
//! conditions.

use crate::{
    command::{Args, parse_i64},
    error::Result,
    resp::ErrorReply,
    types::expiry::{Unit, absolute_ms},
};

pub(super) const NO_ELEMENT: i64 = -2;
pub(super) const NO_EXPIRY: i64 = -1;
pub(super) const NOT_ALLOWED: i64 = 0;
pub(super) const DONE: i64 = 1;
pub(super) const DELETED: i64 = 2;

/// Latest time at which an element may expire, ms since the epoch, as in Redis: 46 bits.
const EXPIRES_AT_MAX: u64 = (1 << 46) - 1;

const UNITS: [(&str, Unit); 4] =
    [("EX", Unit::Seconds), ("PX", Unit::Millis), ("EXAT", Unit::UnixSeconds), ("PXAT", Unit::UnixMillis)];

/// Reads EX, PX, EXAT or PXAT, if it comes next.
pub(super) fn take_unit(args: &mut Args<'_>) -> Option<Unit> {
    UNITS.into_iter().find(|(word, _)| args.take(word)).map(|(_, unit)| unit)
}

/// The expiry of an element, ms since the epoch; may be in the past.
pub(super) fn expires_at(amount: &[u8], unit: Unit, now: u64, command: &str) -> Result<u64> {
    let amount = parse_i64(amount).ok_or_else(ErrorReply::not_integer)?;
    if amount < 0 {
        return Err(ErrorReply::err("invalid expire time, must be >= 0").into());
    }
    let at = absolute_ms(amount, unit, now).and_then(|at| u64::try_from(at).ok());
    Ok(at.filter(|at| *at <= EXPIRES_AT_MAX).ok_or_else(|| ErrorReply::invalid_expire(command))?)
}

/// The change to the elements' expiry.
#[derive(Clone, Copy)]
pub(super) enum Expiry {
    Clear,
    Keep,
    At(u64),
}

/// The condition on an element's present expiry for setting a new one; no expiry counts as later than any.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    None,
    Some,
    Earlier,
    Later,
}

impl Condition {
    /// The one that comes next; `Always` if none does.
    pub(super) fn read(args: &mut Args<'_>) -> Self {
        let words = [
            ("NX", Condition::None),
            ("XX", Condition::Some),
            ("GT", Condition::Earlier),
            ("LT", Condition::Later),
        ];
        words
            .into_iter()
            .find(|(word, _)| args.take(word))
            .map_or(Condition::Always, |(_, condition)| condition)
    }

    pub(super) fn allows(self, old: u64, new: u64) -> bool {
        match self {
            Condition::Always => true,
            Condition::None => old == 0,
            Condition::Some => old != 0,
            Condition::Earlier => old != 0 && old < new,
            Condition::Later => old == 0 || old > new,
        }
    }
}

pub(super) fn only_one(words: &str) -> ErrorReply {
    ErrorReply::err(format!("Only one of {words} arguments can be specified"))
}

pub(super) fn unknown_argument(word: &[u8]) -> ErrorReply {
    ErrorReply::err(format!("unknown argument: {}", String::from_utf8_lossy(word)))
}

/// Whether it must exist, if one of these words is next.
pub(super) fn take_existence(args: &mut Args<'_>, must: &str, must_not: &str) -> Option<bool> {
    if args.take(must) {
        return Some(true);
    }
    args.take(must_not).then_some(false)
}
