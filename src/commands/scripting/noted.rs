//! What a running script does that others want to know: its calls, for those who monitor the node (MONITOR), and what its caller
//! was refused in it, for ACL LOG. Nothing is noted unless somebody wants it.
//!
//! Bounded: of a run the first calls are noted, as many as take a megabyte, and the first refusals; the run goes on all the same.

use crate::{
    acl::User,
    command::{Denied, Resolved, without_secrets},
    session::DeniedReason,
};
use std::cell::RefCell;

/// Bytes of words that are noted of one run.
const NOTED_BYTES_MAX: usize = 1 << 20;
/// Refusals that are noted of one run. A script that is refused may try again and again.
const DENIED_MAX: usize = 8;
/// Of a key or channel that was refused.
const OBJECT_BYTES_MAX: usize = 256;

/// A call that a script has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InnerCall {
    pub db: u32,
    /// Without secrets.
    pub words: Vec<Vec<u8>>,
}

/// What a script's caller was refused in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InnerDenial {
    pub user: String,
    pub reason: DeniedReason,
    /// The command, key, channel or database.
    pub object: Vec<u8>,
}

/// What is wanted of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    pub calls: bool,
    pub denied: bool,
}

/// What a run has done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inner {
    pub calls: Vec<InnerCall>,
    pub denied: Vec<InnerDenial>,
}

impl Inner {
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.denied.is_empty()
    }
}

#[derive(Default)]
struct Noted {
    wanted: Wanted,
    inner: Inner,
    bytes: usize,
}

thread_local! {
    /// Of the script that runs on this thread; `None`: nobody wants to know.
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// Runs a call; returns what of its script is wanted as well.
pub fn noting<T>(wanted: Wanted, run: impl FnOnce() -> T) -> (T, Inner) {
    if wanted == Wanted::default() {
        return (run(), Inner::default());
    }
    NOTED.set(Some(Noted { wanted, ..Noted::default() }));
    let outcome = run();
    (outcome, NOTED.take().unwrap_or_default().inner)
}

/// A script makes a call.
pub(super) fn note(db: u32, call: Resolved, argv: &[&[u8]]) {
    NOTED.with_borrow_mut(|noted| {
        let Some(noted) = noted.as_mut().filter(|noted| noted.wanted.calls) else { return };
        let bytes =
            argv.iter().fold(32, |sum: usize, word| sum.saturating_add(word.len()).saturating_add(32));
        noted.bytes = noted.bytes.saturating_add(bytes);
        if noted.bytes <= NOTED_BYTES_MAX {
            let words = without_secrets(call, argv).into_iter().map(<[u8]>::to_vec).collect();
            noted.inner.calls.push(InnerCall { db, words });
        }
    });
}

/// A script's caller may not make a call.
pub(super) fn deny(user: &User, denied: Denied, call: Resolved, argv: &[&[u8]]) {
    NOTED.with_borrow_mut(|noted| {
        let Some(noted) = noted.as_mut().filter(|noted| noted.wanted.denied) else { return };
        if noted.inner.denied.len() < DENIED_MAX {
            let (reason, mut object) = denied.logged(call, argv);
            object.truncate(OBJECT_BYTES_MAX);
            noted.inner.denied.push(InnerDenial { user: user.name().to_owned(), reason, object });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        acl::Definition,
        commands::{acl, table},
    };

    fn get() {
        let argv: &[&[u8]] = &[b"GET", &[b'k'; 1000]];
        note(3, table().resolve(argv).unwrap(), argv);
    }

    fn refused() {
        let argv: &[&[u8]] = &[b"GET", &[b'k'; 1000]];
        let user = User::new("u", 1, Definition::new(), acl::commands());
        deny(&user, Denied::Key(1), table().resolve(argv).unwrap(), argv);
    }

    #[test]
    fn calls_are_noted_while_somebody_wants_to_know_and_only_so_many() {
        let (nothing, calls) = (Wanted::default(), Wanted { calls: true, denied: false });
        get();
        assert!(noting(nothing, get).1.is_empty());
        let ((), Inner { calls: noted, .. }) = noting(calls, || (0..10).for_each(|_| get()));
        assert_eq!((noted.len(), noted[0].db, noted[0].words[0].as_slice()), (10, 3, b"GET".as_slice()));
        let ((), Inner { calls: noted, .. }) = noting(calls, || (0..10_000).for_each(|_| get()));
        assert!((500..1100).contains(&noted.len()), "{}", noted.len());
        assert!(noting(nothing, get).1.is_empty());
    }

    #[test]
    fn refusals_are_noted_apart_from_calls() {
        let denied = Wanted { calls: false, denied: true };
        let ((), inner) = noting(denied, || {
            get();
            (0..100).for_each(|_| refused());
        });
        assert_eq!((inner.calls.len(), inner.denied.len()), (0, DENIED_MAX));
        let first = &inner.denied[0];
        assert_eq!((first.user.as_str(), first.reason), ("u", DeniedReason::Key));
        assert_eq!(first.object.len(), OBJECT_BYTES_MAX);
        assert!(noting(Wanted { calls: true, denied: false }, refused).1.is_empty());
    }
}
