//! Calls that may wait for keys: what a call waits for. The server does the waiting (`server/park.rs`).

use super::Args;
use crate::{
    error::Result,
    resp::{ErrorReply, Reply},
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
    /// The call with everything in it that means "now" put in words (XREAD's `$`).
    pub argv: Option<Vec<Vec<u8>>>,
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
    /// Of a call that takes from the first of these keys that holds such a collection. `ms`: 0 = for ever. Another type
    /// before it is WRONGTYPE.
    pub fn to_take(
        view: &View<'_>,
        keys: &[&[u8]],
        kind: Type,
        ms: u64,
        nothing: Reply,
    ) -> Result<Option<Self>> {
        let mut finds = Finds::Nothing;
        for key in keys {
            match view.get(key)? {
                None => {}
                Some(row) if row.kind == kind => {
                    finds = Finds::Something;
                    break;
                }
                Some(_) => return Err(ErrorReply::wrong_type().into()),
            }
        }
        let keys = keys.iter().map(|key| key.to_vec()).collect();
        let within = (ms != 0).then(|| Duration::from_millis(ms));
        Ok(Some(Wait { keys, within, nothing, finds, argv: None }))
    }
}
