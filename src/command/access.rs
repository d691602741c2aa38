//! What a call does to what it names: keys and channels.

/// Redis's key flags in the combinations that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads what is known of the value, not the value (TYPE, STRLEN).
    Look,
    /// Returns, copies or uses the value.
    Read,
    /// Changes the value, whatever it is (APPEND).
    Update,
    /// Returns the value, or part of it, and changes it (GETSET).
    ReadUpdate,
    /// Adds to it, and touches nothing that is there (LPUSH).
    Insert,
    /// Returns what it adds to (PFMERGE).
    ReadInsert,
    /// Takes away from it (SREM).
    Delete,
    /// Returns what it takes away (LPOP).
    Take,
    /// Returns the value and writes it, as it is.
    ReadWrite,
    /// Replaces whatever is there (SINTERSTORE's destination).
    Overwrite,
    /// Makes a key that was not there.
    Create,
    /// Removes the key (DEL).
    Remove,
    /// No key, but the name of a channel.
    Channel,
    /// No key, but a pattern of channels.
    ChannelPattern,
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
            Access::Channel | Access::ChannelPattern => &["not_key"],
        }
    }

    /// Whether it is a key that is accessed.
    pub fn is_of_key(self) -> bool {
        !matches!(self, Access::Channel | Access::ChannelPattern)
    }
}
