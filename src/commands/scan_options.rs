//! What SCAN, HSCAN, SSCAN and ZSCAN have in common: MATCH, COUNT, and a page with the next cursor.

use crate::{
    command::Args,
    error::Result,
    resp::{ErrorReply, Reply},
    types::glob::matches,
};

/// Elements that one call visits at most, whatever COUNT says.
const COUNT_MAX: u64 = 1_000_000;

/// The options of one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanOptions<'a> {
    pub(super) pattern: Option<&'a [u8]>,
    /// Elements to visit, at least one.
    pub(super) count: u64,
}

impl<'a> ScanOptions<'a> {
    /// Reads all words that are left. `other` takes an option that only its command has, and says whether it did.
    pub(super) fn read(
        args: &mut Args<'a>,
        mut other: impl FnMut(&mut Args<'a>) -> Result<bool>,
    ) -> Result<Self> {
        let mut walk = ScanOptions { pattern: None, count: 10 };
        while !args.is_empty() {
            if args.remaining() > 1 && args.take("MATCH") {
                walk.pattern = Some(args.next_word()?);
            } else if args.remaining() > 1 && args.take("COUNT") {
                let count = u64::try_from(args.next_i64()?).ok().filter(|count| *count > 0);
                walk.count = count.ok_or_else(ErrorReply::syntax)?.min(COUNT_MAX);
            } else if !other(args)? {
                return Err(ErrorReply::syntax().into());
            }
        }
        Ok(walk)
    }

    /// Whether an element is asked for.
    pub(super) fn wants(&self, element: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| matches(pattern, element, false))
    }
}

/// The cursor to go on with, 0 = done, and what was found.
pub(super) fn page(next: u64, found: Vec<Reply>) -> Reply {
    Reply::Array(vec![Reply::bulk(next.to_string()), Reply::Array(found)])
}
