//! Blocking calls: the keys that a call waits for. The server does the waiting (`server/park.rs`).

use super::Args;
use crate::{
    error::Result,
    resp::Reply,
    store::{Type, View},
};
use std::time::Duration;

/// Checks a call's arguments as its handler does, and returns what the call waits for if there is nothing for it yet;
/// `None`: the call does not wait.
pub type WaitFor = fn(&View<'_>, &mut Args<'_>) -> Result<Option<Wait>>;

/// The keys or conditions that a call waits for. Its handler makes one attempt at a time and never waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    pub keys: Vec<Vec<u8>>,
    /// `None` = for ever.
    pub within: Option<Duration>,
    /// The handler's answer if it finds nothing. On a timeout the answer is a null array, whatever this is.
    pub nothing: Reply,
    pub finds: Finds,
    /// When an attempt may succeed without any write (log time, ms; 0 = now): an entry has been pending for long enough then.
    pub finds_at: Option<u64>,
    /// Keys that hold something else: an error when the call comes, passed over while it waits.
    pub others: Vec<Vec<u8>>,
    /// The call with "now" replaced by an explicit value (XREAD's `$`).
    pub argv: Option<Vec<Vec<u8>>>,
    /// Entries that a consumer group has not read yet (XREADGROUP): one group does not take them from another, and the wait
    /// ends if the group is deleted.
    pub of_group: bool,
}

/// The finding of a look at the data.
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
    /// For a call that takes from the first of these keys that holds such a collection. `ms`: 0 = for ever.
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
        Wait { keys, within, nothing, finds, finds_at: None, others: Vec::new(), argv: None, of_group: false }
    }
}
