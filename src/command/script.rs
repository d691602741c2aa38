//! Calls that run scripts, and calls that scripts make.

use super::Args;
use crate::{
    error::Result,
    resp::Reply,
    store::{Txn, View},
};

/// How a call runs its script. Which way it goes changes neither its reply nor its effects.
#[derive(Clone, Copy)]
pub struct ScriptRun {
    /// In apply, as `Run::Write`.
    pub logged: fn(&mut Txn<'_>, &mut Args<'_>) -> Result<Reply>,
    /// On a view, as `Run::Read`; `Error::Writes` as soon as it is about to change anything.
    pub on_view: fn(&View<'_>, &mut Args<'_>) -> Result<Reply>,
    /// As `logged`, in a batch that is thrown away. An error says why the call must not be logged.
    pub tried: fn(&mut Txn<'_>, &mut Args<'_>) -> Result<()>,
    /// Which way to go.
    pub outlook: fn(&View<'_>, &mut Args<'_>) -> Result<Outlook>,
}

/// What this node knows of a script, from earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// It wrote when it ran last.
    pub writes: bool,
    /// It has never run for long.
    pub is_short: bool,
    /// The log keeps its text already, or never will.
    pub is_kept: bool,
}

/// What a command does for a script, if it is about no data. It gets the script's time, ms since the epoch.
pub type LocalInScript = fn(u64, &mut Args<'_>) -> Result<InScript>;

/// See `LocalInScript`.
#[derive(Debug)]
pub enum InScript {
    Reply(Reply),
    /// The script goes on in this database.
    Select(u32),
    Publish {
        channel: Vec<u8>,
        payload: Vec<u8>,
        is_sharded: bool,
    },
}
