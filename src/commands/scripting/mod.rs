//! Scripts and functions: EVAL and its kin, SCRIPT, FUNCTION, FCALL.
//!
//! A script that writes is one call of an entry. Every replica runs it again, inside the call's part of the batch, through
//! `invoke` as any other command (`host.rs`); it undoes a failed `redis.call` alone. Scripts and libraries are rows of the
//! system's database (`kept.rs`, `libraries.rs`), so a node that has the data has the scripts. A script that only reads runs on
//! a view, without the log (`run.rs`).
//!
//! Invariant: what this node remembers (`code.rs`: compiled texts, `memo.rs`: how scripts ran, `running.rs`: what runs)
//! decides how fast a call is answered, never what it does.

mod code;
mod counts;
mod eval;
mod function;
mod host;
mod inner;
mod kept;
mod libraries;
mod memo;
mod noted;
mod run;
mod running;
mod sha1;
mod slots;

pub use code::compiled_bytes;
pub use counts::Counts;
pub use inner::{inner_calls, reset_inner_calls};
pub use libraries::library_texts;
pub use noted::{Inner, InnerCall, InnerDenial, Wanted, noting};
pub use running::{Killed, kill as kill_here, long_runs};

use crate::{
    command::Command,
    limits::{SCRIPT_INSTRUCTIONS_MAX, SCRIPT_MEMORY_BYTES_MAX, SCRIPT_REPLY_BYTES_MAX},
    script::Limits,
    session::Node,
    store::ReadTime,
};
use kept::ScriptTotals;
use libraries::LibraryTotals;

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    eval::EVAL,
    eval::EVALSHA,
    eval::EVALSHA_RO,
    eval::EVAL_RO,
    function::FCALL,
    function::FCALL_RO,
    function::FUNCTION,
    eval::SCRIPT,
];

/// What one run may use.
const LIMITS: Limits = Limits {
    instructions: SCRIPT_INSTRUCTIONS_MAX,
    memory_bytes: SCRIPT_MEMORY_BYTES_MAX,
    reply_bytes: SCRIPT_REPLY_BYTES_MAX,
};

/// How many scripts and functions are kept, for INFO.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept {
    pub scripts: ScriptTotals,
    pub libraries: LibraryTotals,
}

impl Kept {
    /// As this node has applied it. INFO does not wait: what is not in memory is not told.
    pub fn of(node: &Node) -> Self {
        let published = node.group.store.latest();
        let view = node.group.store.view(&published, 0, ReadTime::LastEntry);
        Kept {
            scripts: ScriptTotals::of(&view).unwrap_or_default(),
            libraries: LibraryTotals::of(&view).unwrap_or_default(),
        }
    }
}
