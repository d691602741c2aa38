//! Calls that may wait for keys: what a call waits for. The server does the waiting (`server/park.rs`).

use super::Args;
use crate::{
    error::Result,
    resp::Reply,
    store::{Type, View},
};
use std::time::Duration;

/// Checks a call's arguments as its handler does, and says what the call waits for if there is nothing for it; `None`: the
/// call does not wait.
pub type WaitFor = fn(&View<'_>, &mut Args<'_>) -> Result<Option<Wait>>;

/// What a call waits for. Its handler makes one attempt at a time and never waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    pub keys: Vec<Vec<u8>>,
    /// `None` = for ever.
    pub within: Option<Duration>,
    /// What the handler answers when there is nothing. When time is up the answer is no array, whatever this is.
    pub nothing: Reply,
    pub finds: Finds,
    /// Keys that hold something else: an error when the call comes, passed over while it waits.
    pub others: Vec<Vec<u8>>,
    /// The call with everything in it that means "now" put in words (XREAD's `$`).
    pub argv: Option<Vec<Vec<u8>>>,
    /// For entries that a consumer group has not had (XREADGROUP): another group may want what this one has had, and a group
    /// that is gone ends the wait.
    pub of_group: bool,
}

/// What there is, as far as a look at the data can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finds {
    /// None of the keys has anything for the call.
    Nothing,
    /// Nor that, but there is something that another waiting call may want.
    Other,
    /// An attempt may succeed.
    Something,
}

impl Wait {
    /// Of a call that takes from the first of these keys that holds such a collection. `ms`: 0 = for ever.
    pub fn to_take(
        view: &View<'_>,
        keys: &[&[u8]],
        kind: Type,
        ms: u64,
        nothing: Reply,
    ) -> Result<Option<Self>> {
        let (mut finds, mut others) = (Finds::Nothing, Vec::new());
        for key in keys {
            match view.get(key)? {
                None => {}
                Some(row) if row.kind == kind => {
                    finds = Finds::Something;
                    break;
                }
                Some(_) => others.push(key.to_vec()),
            }
        }
        if finds == Finds::Nothing && !others.is_empty() {
            finds = Finds::Other;
        }
        Ok(Some(Wait { others, ..Wait::for_keys(keys, ms, nothing, finds) }))
    }

    /// For any of these keys; `ms`: 0 = for ever.
    pub fn for_keys(keys: &[&[u8]], ms: u64, nothing: Reply, finds: Finds) -> Self {
        let keys = keys.iter().map(|key| key.to_vec()).collect();
        let within = (ms != 0).then(|| Duration::from_millis(ms));
        Wait { keys, within, nothing, finds, others: Vec::new(), argv: None, of_group: false }
    }
}
