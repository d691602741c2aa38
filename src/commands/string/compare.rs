//! Comparisons of a string with a value or a digest, as SET and DELEX take them: IFEQ, IFNE, IFDEQ, IFDNE.

use crate::{
    command::{Args, require_level},
    error::Result,
    feature_level,
    resp::ErrorReply,
    store::View,
    types::string::StoredString,
};

/// Hexadecimal digits of a digest.
const DIGEST_DIGITS: usize = 16;

/// What must hold of the string under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison<'a> {
    Equal(&'a [u8]),
    NotEqual(&'a [u8]),
    DigestEqual(&'a [u8]),
    DigestNotEqual(&'a [u8]),
}

/// A digest as clients see it.
pub(super) fn digits(digest: u64) -> String {
    format!("{digest:016x}")
}

impl<'a> Comparison<'a> {
    /// That of a word and the argument behind it.
    pub(super) fn of(word: &[u8], with: &'a [u8]) -> Option<Self> {
        let all = [
            ("IFEQ", Comparison::Equal(with)),
            ("IFNE", Comparison::NotEqual(with)),
            ("IFDEQ", Comparison::DigestEqual(with)),
            ("IFDNE", Comparison::DigestNotEqual(with)),
        ];
        let found = all.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, comparison)| comparison)
    }

    /// Whether a word begins one.
    pub(super) fn is_word(word: &[u8]) -> bool {
        Self::of(word, b"").is_some()
    }

    /// Reads one if it is next.
    pub(super) fn take(args: &mut Args<'a>, level: u32) -> Result<Option<Self>> {
        let found = match args.rest() {
            [word, with, ..] => Self::of(word, with),
            _ => None,
        };
        match found {
            None => return Ok(None),
            Some(Comparison::Equal(_)) => {}
            Some(Comparison::NotEqual(_) | Comparison::DigestEqual(_) | Comparison::DigestNotEqual(_)) => {
                require_level("this condition", feature_level::REDIS_8, level)?;
            }
        }
        args.next_words(2)?;
        Ok(found)
    }

    /// Whether it holds where there is no key: what is not there differs from everything.
    pub(super) fn allows_absent(self) -> bool {
        matches!(self, Comparison::NotEqual(_) | Comparison::DigestNotEqual(_))
    }

    /// Whether it holds of a string.
    pub(super) fn allows(self, view: &View<'_>, string: &StoredString) -> Result<bool> {
        match self {
            Comparison::Equal(value) => string.equals(view, value),
            Comparison::NotEqual(value) => Ok(!string.equals(view, value)?),
            Comparison::DigestEqual(digest) => has_digest(view, string, digest),
            Comparison::DigestNotEqual(digest) => Ok(!has_digest(view, string, digest)?),
        }
    }
}

/// As Redis, only the length of the given digest is judged; the case of its digits does not matter.
fn has_digest(view: &View<'_>, string: &StoredString, digest: &[u8]) -> Result<bool> {
    if digest.len() != DIGEST_DIGITS {
        let text = format!("must be exactly {DIGEST_DIGITS} hexadecimal characters");
        return Err(ErrorReply::err(text).into());
    }
    Ok(digits(string.digest(view)?).as_bytes().eq_ignore_ascii_case(digest))
}
