//! How what a call does reaches servers that follow by PSYNC (`psync`).
//!
//! **Invariant.** What is told decides nothing that is stored: it follows from the call and its outcome, on each node for
//! itself. A row that says more than `Value` claims that the same words have the same effect on a server of Redis 7.0 whose key
//! holds the same, whatever the time; `resp-tests/tests/moving_out` puts that to the test.

use super::{OfCall, Resolved};
use crate::{
    error::Result,
    resp::Reply,
    store::{Passed, PassedCommand, Txn, View},
};

/// Commands of one key each that have the effect of a call; `None`: the values of its keys are to be sent.
pub type PassedAs = fn(&View<'_>, &[&[u8]], &Reply) -> Result<Option<Vec<PassedCommand>>>;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub enum PassedOn {
    /// The values of the keys that it changed.
    Value,
    /// The values of its keys, whether they were changed or not: what it changes may stand beside their rows.
    Keys,
    /// The call, if it has changed its one key.
    AsCalled,
    /// The call, whether its one key was changed or not, as `Keys`.
    Always,
    /// When its keys expire.
    Expiry,
    /// Other commands.
    As(PassedAs),
    /// A consumer group of a stream: key and group are the words at these places.
    StreamGroup(OfCall<Option<(usize, usize)>>),
    /// The call, which is about no key.
    Words,
}

/// Words of a command, the second of which is its key.
pub fn passed(words: &[&[u8]]) -> PassedCommand {
    let key = words.get(1).copied().unwrap_or_default().to_vec();
    PassedCommand { key, words: owned(words) }
}

fn owned(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

/// Tells of a call that went through, and whose changes are those behind `recorded`.
pub(super) fn tell(txn: &mut Txn<'_>, call: Resolved, argv: &[&[u8]], reply: &Reply, recorded: usize) {
    let command = call.command;
    let keys = || command.key_names(argv).map(<[u8]>::to_vec);
    let has_changed = txn.has_changed_since(recorded);
    let of_its_key = || {
        let key = keys().next()?;
        Some(Passed::Commands(vec![PassedCommand { key, words: owned(argv) }]))
    };
    let all_keys = || Some(Passed::Keys(keys().collect()));
    let told = match command.passed_on {
        PassedOn::Value => None,
        PassedOn::Keys => all_keys(),
        PassedOn::AsCalled | PassedOn::As(_) | PassedOn::Expiry if !has_changed => None,
        PassedOn::AsCalled | PassedOn::Always => of_its_key(),
        PassedOn::Expiry => Some(Passed::Expiry),
        // An error is none of the call's: the values are sent.
        PassedOn::As(passed_as) => {
            passed_as(&txn.view().uncounted(), argv, reply).ok().flatten().map(Passed::Commands)
        }
        PassedOn::StreamGroup(places) => match places(argv) {
            Some((key, group)) => {
                let name = |at: usize| argv.get(at).copied().unwrap_or_default().to_vec();
                Some(Passed::StreamGroup { key: name(key), group: name(group) })
            }
            None => all_keys(),
        },
        PassedOn::Words => Some(Passed::Words(owned(argv))),
    };
    if let Some(told) = told {
        txn.call_passed(recorded, told);
    }
}
