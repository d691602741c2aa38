//! The prefixes of clients that track by prefix.

use crate::{
    limits::{TRACKED_PREFIXES_BYTES_MAX, TRACKED_PREFIXES_MAX},
    resp::{ErrorReply, excerpt},
};
use bytes::Bytes;
use std::{collections::BTreeMap, ops::Bound};

/// Prefixes, each with the numbers of those who track it.
#[derive(Debug, Default)]
pub(super) struct Prefixes(BTreeMap<Bytes, Vec<u64>>);

impl Prefixes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, prefix: Bytes, number: u64) {
        self.0.entry(prefix).or_default().push(number);
    }

    pub(super) fn of(&self, prefix: &Bytes) -> &[u64] {
        self.0.get(prefix).map_or(&[], Vec::as_slice)
    }

    /// Forgets those who track no more; returns the number of prefixes that it forgot with them.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(u64) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|_, numbers| {
            numbers.retain(|number| stays(*number));
            !numbers.is_empty()
        });
        before.saturating_sub(self.0.len())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Visits those that a key begins with, longest first. The steps follow the prefixes that match and the length of the key, not
    /// the number of prefixes.
    ///
    /// All that are left to find are no longer than `rest`, so they sort at or before it. The last one there either is one of
    /// them, or shares fewer bytes with the key than it has; then those that are left share no more.
    pub(super) fn matching<'p>(&'p self, key: &[u8], mut visit: impl FnMut(&'p Bytes)) {
        let mut rest = key;
        while let Some((prefix, _)) =
            self.0.range::<[u8], _>((Bound::Unbounded, Bound::Included(rest))).next_back()
        {
            let common = prefix.iter().zip(key).take_while(|(a, b)| a == b).count();
            let left = if common == prefix.len() {
                visit(prefix);
                common.checked_sub(1)
            } else {
                Some(common)
            };
            let Some(left) = left.and_then(|left| key.get(..left)) else { return };
            rest = left;
        }
    }
}

/// Why a client may not track these prefixes beside those that it has: as in Redis, its own must not overlap.
pub fn overlapping<'a>(
    existing: impl ExactSizeIterator<Item = &'a Bytes> + Clone,
    provided: &[Bytes],
) -> Result<(), ErrorReply> {
    let bytes = |sum: usize, prefix: &Bytes| sum.saturating_add(prefix.len());
    let all = existing.clone().fold(0, bytes).saturating_add(provided.iter().fold(0, bytes));
    if existing.len().saturating_add(provided.len()) > TRACKED_PREFIXES_MAX
        || all > TRACKED_PREFIXES_BYTES_MAX
    {
        return Err(ErrorReply::err(format!(
            "a client may track {TRACKED_PREFIXES_MAX} prefixes of {TRACKED_PREFIXES_BYTES_MAX} bytes in all"
        )));
    }
    let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
    let refusal = |one: &[u8], which: &str, other: &[u8]| {
        let (one, other) = (excerpt(one), excerpt(other));
        let text = format!(
            "Prefix '{one}' overlaps with {which} prefix '{other}'. Prefixes for a single client must not overlap."
        );
        Err(ErrorReply::err(text))
    };
    for (at, prefix) in provided.iter().enumerate() {
        if let Some(other) = existing.clone().find(|other| overlap(prefix, other)) {
            return refusal(prefix, "an existing", other);
        }
        if let Some(other) = provided.iter().skip(at.saturating_add(1)).find(|other| overlap(prefix, other)) {
            return refusal(prefix, "another provided", other);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn exactly_the_prefixes_of_a_key_match(
            prefixes in proptest::collection::btree_set("[ab]{0,4}", 0..12), key in "[abc]{0,6}",
        ) {
            let mut all = Prefixes::default();
            for (number, prefix) in prefixes.iter().enumerate() {
                all.add(Bytes::copy_from_slice(prefix.as_bytes()), number as u64);
            }
            let mut found = Vec::new();
            all.matching(key.as_bytes(), |prefix| found.push(String::from_utf8_lossy(prefix).into_owned()));
            let mut expected: Vec<String> = prefixes.into_iter().filter(|prefix| key.starts_with(prefix)).collect();
            expected.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn prefixes_of_one_client_must_not_overlap_and_have_a_bound() {
        let bytes = |words: &[&'static str]| {
            words.iter().map(|word| Bytes::from_static(word.as_bytes())).collect::<Vec<_>>()
        };
        let say = |existing: &[&'static str], provided: &[&'static str]| {
            overlapping(bytes(existing).iter(), &bytes(provided)).err().map(|error| error.to_string())
        };
        assert_eq!(say(&["a"], &["b", "c"]), None);
        assert!(
            say(&["a"], &["b", "ab"]).unwrap().contains("Prefix 'ab' overlaps with an existing prefix 'a'")
        );
        assert!(
            say(&[], &["x", "ab", "a"]).unwrap().contains("'ab' overlaps with another provided prefix 'a'")
        );
        assert!(say(&[""], &["x"]).is_some() && say(&["a"], &["a"]).is_some());
        let many: Vec<Bytes> = (0..=TRACKED_PREFIXES_MAX).map(|at| Bytes::from(format!("{at:05}"))).collect();
        assert!(overlapping([].iter(), &many).is_err() && overlapping(many[..1].iter(), &many[1..]).is_err());
        assert!(overlapping([].iter(), &[Bytes::from(vec![b'x'; TRACKED_PREFIXES_BYTES_MAX + 1])]).is_err());
    }
}
