//! The names that have the largest sums, of any number of names, in little memory: Space-Saving (Metwally, Agrawal and El Abbadi,
//! "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005).
//!
//! A name that is not counted takes the place of the one with the least sum, and begins with that sum; how much of a sum may be
//! another's is its error. Every name whose sum is more than 1/n of all, of n places, is counted.

use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};

/// Longer names are not counted.
const NAME_BYTES_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct HeavyNames {
    places: usize,
    by_name: HashMap<Bytes, Sum>,
    /// The least first.
    in_order: BTreeSet<(u64, Bytes)>,
    /// All that was added.
    pub(super) total: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sum {
    value: u64,
    error: u64,
}

impl HeavyNames {
    pub(super) fn new(places: usize) -> Self {
        HeavyNames { places, by_name: HashMap::new(), in_order: BTreeSet::new(), total: 0 }
    }

    pub(super) fn add(&mut self, name: &[u8], value: u64) {
        if value == 0 || name.len() > NAME_BYTES_MAX {
            return;
        }
        self.total = self.total.saturating_add(value);
        if let Some((name, sum)) = self.by_name.get_key_value(name) {
            let (name, mut sum) = (name.clone(), *sum);
            self.in_order.remove(&(sum.value, name.clone()));
            sum.value = sum.value.saturating_add(value);
            self.put(name, sum);
            return;
        }
        let mut error = 0;
        if self.by_name.len() >= self.places
            && let Some((least, name)) = self.in_order.pop_first()
        {
            self.by_name.remove(&name);
            error = least;
        }
        self.put(Bytes::copy_from_slice(name), Sum { value: error.saturating_add(value), error });
    }

    fn put(&mut self, name: Bytes, sum: Sum) {
        self.in_order.insert((sum.value, name.clone()));
        self.by_name.insert(name, sum);
    }

    /// The names with the largest sums, with what is certainly theirs.
    pub(super) fn first(&self, count: usize) -> Vec<(Bytes, u64)> {
        let certain = |(name, sum): (&Bytes, &Sum)| (name.clone(), sum.value.saturating_sub(sum.error));
        let mut all: Vec<(Bytes, u64)> = self.by_name.iter().map(certain).collect();
        all.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_with_the_largest_sums_are_found_among_many() {
        let mut heavy = HeavyNames::new(100);
        for round in 0..1000_u64 {
            for name in 0..5 {
                heavy.add(format!("hot{name}").as_bytes(), 10 + name);
            }
            heavy.add(format!("cold{round}").as_bytes(), 1);
            heavy.add(&[b'x'; NAME_BYTES_MAX + 1], 1000);
        }
        assert_eq!(heavy.by_name.len(), 100);
        let first = heavy.first(5);
        let expected: Vec<(Bytes, u64)> =
            (0..5).rev().map(|name| (Bytes::from(format!("hot{name}")), (10 + name) * 1000)).collect();
        assert_eq!(first, expected);
        assert_eq!(heavy.total, 1000 * (60 + 1));
        assert!(heavy.first(100).iter().skip(5).all(|(_, value)| *value == 1), "no more than is certain");
    }
}
