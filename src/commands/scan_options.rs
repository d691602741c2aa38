//! Shared by SCAN, HSCAN, SSCAN and ZSCAN: MATCH, COUNT, and a page with the next cursor.

use crate::{
    command::Args,
    error::Result,
    resp::{ErrorReply, Reply},
    types::glob::matches,
};

/// Most elements that one call visits, whatever COUNT is.
const COUNT_MAX: u64 = 1_000_000;

/// The options of one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanOptions<'a> {
    pub(super) pattern: Option<&'a [u8]>,
    /// Elements to visit, at least one.
    pub(super) count: u64,
}

impl<'a> ScanOptions<'a> {
    /// Reads all remaining words. `other` reads an option that only its command has, and returns whether it did.
    pub(super) fn read(
        args: &mut Args<'a>,
        mut other: impl FnMut(&mut Args<'a>) -> Result<bool>,
    ) -> Result<Self> {
        let mut options = ScanOptions { pattern: None, count: 10 };
        while !args.is_empty() {
            if args.remaining() > 1 && args.take("MATCH") {
                options.pattern = Some(args.next_word()?);
            } else if args.remaining() > 1 && args.take("COUNT") {
                let count = u64::try_from(args.next_i64()?).ok().filter(|count| *count > 0);
                options.count = count.ok_or_else(ErrorReply::syntax)?.min(COUNT_MAX);
            } else if !other(args)? {
                return Err(ErrorReply::syntax().into());
            }
        }
        Ok(options)
    }

    /// Whether an element is asked for.
    pub(super) fn wants(&self, element: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| matches(pattern, element, false))
    }
}

/// The next cursor, 0 = done, and the elements found.
pub(super) fn page(next: u64, found: Vec<Reply>) -> Reply {
    Reply::Array(vec![Reply::bulk(next.to_string()), Reply::Array(found)])
}
