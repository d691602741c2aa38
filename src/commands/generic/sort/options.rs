//! The options of SORT.

use super::pattern::Pattern;
use crate::{command::Args, error::Result, resp::ErrorReply};

/// The parsed options.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    /// The source of the weights; without it, an element is its own weight.
    pub(super) by: Option<Pattern<'a>>,
    pub(super) gets: Vec<Pattern<'a>>,
    pub(super) descending: bool,
    /// Weights are texts, not numbers.
    pub(super) texts: bool,
    limit: Option<(i64, i64)>,
    /// Some BY named no key: the elements stay in the order that they have.
    pub(super) keeps_order: bool,
    pub(super) store: Option<&'a [u8]>,
}

/// Reads all options.
pub(super) fn read<'a>(args: &mut Args<'a>, may_store: bool) -> Result<Options<'a>> {
    let mut options = Options::default();
    while !args.is_empty() {
        let left = args.remaining();
        if args.take("ASC") {
            options.descending = false;
        } else if args.take("DESC") {
            options.descending = true;
        } else if args.take("ALPHA") {
            options.texts = true;
        } else if left > 2 && args.take("LIMIT") {
            options.limit = Some((args.next_i64()?, args.next_i64()?));
        } else if may_store && left > 1 && args.take("STORE") {
            options.store = Some(args.next_word()?);
        } else if left > 1 && args.take("BY") {
            let pattern = Pattern::new(args.next_word()?);
            options.keeps_order |= pattern.is_constant();
            options.by = Some(pattern);
        } else if left > 1 && args.take("GET") {
            options.gets.push(Pattern::new(args.next_word()?));
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    Ok(options)
}

/// Whether a call reads keys that follow from the data, and why it is refused to a user who may not read all keys.
pub(super) fn untold_keys(argv: &[&[u8]]) -> Option<&'static str> {
    let mut words = argv.iter().skip(2);
    while let Some(word) = words.next() {
        let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
        if is("BY") {
            let pattern = words.next()?;
            if pattern.contains(&b'*') {
                return Some("BY option of SORT denied due to insufficient ACL permissions.");
            }
        } else if is("GET") {
            words.next()?;
            return Some("GET option of SORT denied due to insufficient ACL permissions.");
        } else if is("LIMIT") {
            words.next()?;
            words.next()?;
        } else if is("STORE") {
            words.next()?;
        }
    }
    None
}

impl Options<'_> {
    /// The range of wanted elements, out of `len`.
    pub(super) fn wanted(&self, len: u64) -> std::ops::Range<u64> {
        let Some((offset, count)) = self.limit else { return 0..len };
        let start = u64::try_from(offset).unwrap_or(0).min(len);
        let end = match u64::try_from(count) {
            Ok(count) => start.saturating_add(count).min(len),
            // A negative count: all.
            Err(_) => len,
        };
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        for (limit, wanted) in [
            (None, 0..4),
            (Some((1, 2)), 1..3),
            (Some((1, 100)), 1..4),
            (Some((-5, 2)), 0..2),
            (Some((2, -1)), 2..4),
            (Some((4, 1)), 4..4),
            (Some((9, -1)), 4..4),
            (Some((0, 0)), 0..0),
            (Some((i64::MAX, i64::MAX)), 4..4),
            (Some((i64::MIN, i64::MIN)), 0..4),
        ] {
            assert_eq!(Options { limit, ..Options::default() }.wanted(4), wanted, "{limit:?}");
        }
    }
}
