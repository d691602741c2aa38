//! Calls that run scripts, and calls that scripts make.

use super::Args;
use crate::{
    error::Result,
    resp::Reply,
    script::ScriptFlags,
    state::Room,
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
    pub tried: fn(&mut Txn<'_>, &mut Args<'_>, TrialRules) -> Result<()>,
    /// Which way to go.
    pub outlook: fn(&View<'_>, &mut Args<'_>) -> Result<Outlook>,
}

/// What a script says of itself; `has_shebang`: it has said it, and Redis's strict rules are for it. Always so of a function.
pub type ScriptFlagsOf = fn(&View<'_>, &mut Args<'_>) -> Result<ScriptFlags>;

/// What a script may not do at the moment, as far as this node's client is concerned. Apply does not ask: a call that broke a
/// rule in its trial is never logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialRules {
    /// Whether it may call what may make the data grow.
    pub room: Room,
    /// In cluster mode: use keys of one slot only.
    pub in_one_slot: bool,
}

impl TrialRules {
    pub const NONE: TrialRules = TrialRules { room: Room::Enough, in_one_slot: false };

    /// Whether a script must be tried out, however short it is known to be.
    pub fn restrict(self) -> bool {
        self.room != Room::Enough || self.in_one_slot
    }
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
