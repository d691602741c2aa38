//! What a command *is*: one row of data (`row.rs`), the cursor its handler reads arguments with (`args.rs`), the table of
//! all rows (`table.rs`), how a call runs (`invoke.rs`), and what follows from rows alone: key extraction, flags and categories, COMMAND's replies.
//!
//! Invariant: nothing about a command is said twice. Arity check, key positions, MULTI rules, routing, COMMAND INFO and
//! DOCS, metrics labels and (later) ACL all read the row. No macro defines rows.

mod access;
mod args;
pub mod docs;
mod flags;
pub mod info;
mod invoke;
mod key_word;
mod keys;
mod row;
mod table;
mod wait;

pub use crate::types::integer::parse_i64;
pub use access::Access;
pub use args::{Args, Argv};
pub use flags::Flags;
pub use invoke::{guarded, invoke, invoke_read};
pub use key_word::KeyWord;
pub use keys::Named;
pub use row::{Command, Effect, Group, KeyRange, OfCall, Run, ShutdownMode};
pub use table::{Resolved, Table, full_name, subcommand};
pub use wait::{Finds, Wait, WaitFor};
