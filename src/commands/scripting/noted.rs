//! Calls of a running script, noted for those who monitor the node (MONITOR). Nothing is noted unless somebody does.
//!
//! Bounded: of a run the first calls are noted, as many as take a megabyte; the run goes on all the same.

use crate::command::{Resolved, without_secrets};
use std::cell::RefCell;

/// Bytes of words that are noted of one run.
const NOTED_BYTES_MAX: usize = 1 << 20;

/// A call that a script has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InnerCall {
    pub db: u32,
    /// Without secrets.
    pub words: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Noted {
    calls: Vec<InnerCall>,
    bytes: usize,
}

thread_local! {
    /// Of the script that runs on this thread; `None`: nobody wants to know.
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// Runs a call; returns the calls of its script as well, if they are wanted.
pub fn noting<T>(are_wanted: bool, run: impl FnOnce() -> T) -> (T, Vec<InnerCall>) {
    if !are_wanted {
        return (run(), Vec::new());
    }
    NOTED.set(Some(Noted::default()));
    let outcome = run();
    (outcome, NOTED.take().unwrap_or_default().calls)
}

/// A script makes a call.
pub(super) fn note(db: u32, call: Resolved, argv: &[&[u8]]) {
    NOTED.with_borrow_mut(|noted| {
        let Some(noted) = noted else { return };
        let bytes =
            argv.iter().fold(32, |sum: usize, word| sum.saturating_add(word.len()).saturating_add(32));
        noted.bytes = noted.bytes.saturating_add(bytes);
        if noted.bytes <= NOTED_BYTES_MAX {
            let words = without_secrets(call, argv).into_iter().map(<[u8]>::to_vec).collect();
            noted.calls.push(InnerCall { db, words });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::table;

    fn get() {
        let argv: &[&[u8]] = &[b"GET", &[b'k'; 1000]];
        note(3, table().resolve(argv).unwrap(), argv);
    }

    #[test]
    fn calls_are_noted_while_somebody_wants_to_know_and_only_so_many() {
        get();
        assert!(noting(false, get).1.is_empty());
        let ((), calls) = noting(true, || (0..10).for_each(|_| get()));
        assert_eq!((calls.len(), calls[0].db, calls[0].words[0].as_slice()), (10, 3, b"GET".as_slice()));
        let ((), calls) = noting(true, || (0..10_000).for_each(|_| get()));
        assert!((500..1100).contains(&calls.len()), "{}", calls.len());
        assert!(noting(false, get).1.is_empty());
    }
}
