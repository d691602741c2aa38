//! Users and what they may do: Redis's access control lists.
//!
//! ```text
//! ACL SETUSER's words ──▶ rules ──▶ Definition ──▶ row of the system's database (replicated)
//!                                       │
//!                                       └── compile, with the node's commands ──▶ User: asked for every call
//! ```
//!
//! A `Definition` (`rules.rs`) is what is stored (`row.rs`): names and patterns, as they were given. It depends on no table of
//! commands, so every build makes the same of an entry. A `User` (`user.rs`) is a definition compiled against the commands
//! that a node has (`catalogue.rs`); it answers in a few instructions.
//!
//! `file.rs` reads and writes users as Redis's `aclfile` has them; `rescue.rs` is a way in when no password is.
//!
//! Invariants: a password in clear text never gets here, only its hash does. Nothing here knows connections, the log or the
//! store.

mod catalogue;
mod describe;
mod file;
mod password;
mod rescue;
mod row;
mod rules;
mod selector;
#[cfg(test)]
mod tests;
mod user;
mod words;

pub use catalogue::{CATEGORIES, Catalogue, Entry};
pub use describe::{patterns_of_channels, patterns_of_keys};
pub use file::{line_of, read_users};
pub use password::{Hash, is_one_of, random_hex};
pub use rescue::Rescue;
pub use row::{Record, USER_ROWS, key_of, name_of};
pub use rules::{Definition, RuleError};
pub use selector::{KeyPattern, SelectorRules};
pub use user::{KeyUse, Selector, User};
pub use words::whole_selectors;
