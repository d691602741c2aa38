//! BY's and GET's patterns: the element itself, a key derived from it, or a field of such a key.

use crate::{
    error::Result,
    store::{Type, View},
    types::{hash::Hash, string::StoredString},
    value::Value,
};
use memchr::memmem;

/// A pattern of BY or GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern<'a> {
    /// `#`.
    Element,
    /// Without `*`: no key, so nothing is found.
    Constant,
    /// The parts before and behind the `*`; a string, or a field of a hash (`key->field`).
    Key { before: &'a [u8], behind: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    pub(super) fn new(word: &'a [u8]) -> Self {
        if word == b"#" {
            return Pattern::Element;
        }
        let Some((before, rest)) = split_at(word, b"*") else { return Pattern::Constant };
        match split_at(rest, b"->") {
            Some((behind, field)) if !field.is_empty() => Pattern::Key { before, behind, field: Some(field) },
            _ => Pattern::Key { before, behind: rest, field: None },
        }
    }

    /// Whether it gives the same key for every element.
    pub(super) fn is_constant(&self) -> bool {
        !matches!(self, Pattern::Key { .. })
    }

    /// The value for an element. A key of another type counts as missing.
    pub(super) fn look_up(&self, view: &View<'_>, element: &[u8]) -> Result<Option<Value>> {
        let Pattern::Key { before, behind, field } = self else { return Ok(None) };
        let key = [before, element, behind].concat();
        let Some(row) = view.get(&key)? else { return Ok(None) };
        match (row.kind, field) {
            (Type::String, None) => StoredString::of_row(view, row)?.value(view).map(Some),
            (Type::Hash, Some(field)) => {
                let found = Hash::open(view, &key)?.map(|hash| hash.get(view, field)).transpose()?;
                Ok(found.flatten().map(|found| found.value))
            }
            _ => Ok(None),
        }
    }
}

/// The parts of the text before and behind the first occurrence of `word`.
fn split_at<'a>(text: &'a [u8], word: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(text, word)?;
    Some((text.get(..at)?, text.get(at.checked_add(word.len())?..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_taken_apart() {
        let key = |before: &'static str, behind: &'static str, field: Option<&'static str>| Pattern::Key {
            before: before.as_bytes(),
            behind: behind.as_bytes(),
            field: field.map(str::as_bytes),
        };
        for (word, pattern) in [
            ("#", Pattern::Element),
            ("", Pattern::Constant),
            ("nosort", Pattern::Constant),
            ("a->b", Pattern::Constant),
            ("w_*", key("w_", "", None)),
            ("*", key("", "", None)),
            ("a*b*c", key("a", "b*c", None)),
            ("o:*->f", key("o:", "", Some("f"))),
            ("o:*:x->f->g", key("o:", ":x", Some("f->g"))),
            ("o:*->", key("o:", "->", None)),
            ("a->*", key("a->", "", None)),
        ] {
            assert_eq!(Pattern::new(word.as_bytes()), pattern, "{word}");
        }
    }
}
