//! How a call accesses the keys and channels that it names.

use crate::acl::KeyUse;

/// Redis's key flags in the combinations that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads a property of the value, not the value (TYPE, STRLEN).
    Look,
    /// Returns, copies or uses the value.
    Read,
    /// Changes the value, whatever it is (APPEND).
    Update,
    /// Returns the value, or part of it, and changes it (GETSET).
    ReadUpdate,
    /// Adds to the value and leaves the existing part alone (LPUSH).
    Insert,
    /// Returns what it adds to (PFMERGE).
    ReadInsert,
    /// Takes away from it (SREM).
    Delete,
    /// Returns the part that it removes (LPOP).
    Take,
    /// Returns and rewrites the value (GETSET).
    ReadWrite,
    /// Replaces any existing value (SINTERSTORE's destination).
    Overwrite,
    /// Makes a key that was not there.
    Create,
    /// Removes the key (DEL).
    Remove,
    /// No key, but the name of a channel.
    Channel,
    /// No key, but a pattern of channels.
    ChannelPattern,
    /// A channel or pattern that the client stops listening to, which nobody needs a permission for.
    Unsubscribed,
}

impl Access {
    /// As COMMAND INFO spells it.
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Access::Look => &["RO"],
            Access::Read => &["RO", "access"],
            Access::Update => &["RW", "update"],
            Access::ReadUpdate => &["RW", "access", "update"],
            Access::Insert => &["RW", "insert"],
            Access::ReadInsert => &["RW", "access", "insert"],
            Access::Delete => &["RW", "delete"],
            Access::Take => &["RW", "access", "delete"],
            Access::ReadWrite => &["RW", "access"],
            Access::Overwrite => &["OW", "update"],
            Access::Create => &["OW", "insert"],
            Access::Remove => &["RM", "delete"],
            Access::Channel | Access::ChannelPattern | Access::Unsubscribed => &["not_key"],
        }
    }

    /// Whether it is a key that is accessed.
    pub fn is_of_key(self) -> bool {
        !matches!(self, Access::Channel | Access::ChannelPattern | Access::Unsubscribed)
    }

    /// What a user must be allowed to do with the key: as in Redis, one that only looks needs no more than some pattern that
    /// matches it.
    pub fn needs(self) -> KeyUse {
        let (reads, writes) = match self {
            Access::Look | Access::Channel | Access::ChannelPattern | Access::Unsubscribed => (false, false),
            Access::Read => (true, false),
            Access::ReadUpdate | Access::ReadInsert | Access::Take => (true, true),
            Access::ReadWrite => (true, false),
            Access::Update
            | Access::Insert
            | Access::Delete
            | Access::Overwrite
            | Access::Create
            | Access::Remove => (false, true),
        };
        KeyUse { reads, writes }
    }
}
