//! How much work a call can be.

use super::OfCall;

/// What bounds the rows that a call reads and writes. Values are not counted one by one: a row can be large.
#[derive(Clone, Copy)]
pub enum Cost {
    /// The data: a call of thirty bytes may touch a million rows, or return a gigabyte.
    Data,
    /// The call's own words: a constant number of rows for each, and nothing of the values is returned.
    Words,
    /// Depends on the words.
    OfCall(OfCall<bool>),
}

impl Cost {
    /// Whether this call's words bound its work.
    pub fn is_of_words(self, argv: &[&[u8]]) -> bool {
        match self {
            Cost::Data => false,
            Cost::Words => true,
            Cost::OfCall(tell) => tell(argv),
        }
    }
}

/// Whether none of these words stands behind the first `from` words of a call.
pub fn has_none_of(argv: &[&[u8]], from: usize, words: &[&[u8]]) -> bool {
    !argv.iter().skip(from).any(|word| words.iter().any(|other| word.eq_ignore_ascii_case(other)))
}
