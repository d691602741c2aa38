//! What a command *is*: one row of data (`row.rs`), the cursor its handler reads arguments with (`args.rs`), the table of
//! all rows (`table.rs`), how a call runs (`invoke.rs`), and what follows from rows alone: key extraction, flags and categories, COMMAND's replies.
//!
//! Invariant: every fact about a command is stated once. Arity check, key positions, MULTI rules, routing, COMMAND INFO and
//! DOCS, metrics labels and permissions (`permission.rs`) all read the row. No macro defines rows.

mod access;
mod args;
mod cost;
mod databases;
pub mod docs;
mod flags;
pub mod info;
mod invoke;
mod key_word;
mod keys;
mod level;
mod passed_on;
mod permission;
mod row;
mod script;
mod shown;
mod table;
mod wait;

pub use crate::types::integer::parse_i64;
pub use access::Access;
pub use args::{Args, Argv};
pub use cost::{Cost, has_none_of};
pub use databases::Databases;
pub use flags::Flags;
pub use invoke::{guarded, invoke, invoke_as, invoke_for_script, invoke_read};
pub use key_word::KeyWord;
pub use keys::Named;
pub use level::require_level;
pub use passed_on::{PassedAs, PassedOn, passed};
pub use permission::{Denied, catalogue, check, may_read_all_keys};
pub use row::{Command, Effect, Group, KeyRange, LoggedAs, OfCall, ReplyBytes, Run, ShutdownMode};
pub use script::{InScript, LocalInScript, Outlook, ScriptFlagsOf, ScriptRun, TrialRules};
pub use shown::{trimmed, without_secrets};
pub use table::{Resolved, Table, full_name, subcommand};
pub use wait::{Finds, Wait, WaitFor};
