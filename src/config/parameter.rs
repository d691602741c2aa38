//! One row of the parameter table.

/// How a value is written and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number of bytes; `kb`, `mb`, `gb` (1024-based), `k`, `m`, `g` (1000-based) as in Redis.
    Bytes { min: u64, max: u64 },
    /// A plain number; the unit is in the help.
    Number { min: i64, max: i64 },
    /// `yes` or `no`.
    Bool,
    /// Any text.
    Text,
    /// As `Text`, but never shown.
    Secret,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// IP addresses separated by spaces.
    Addresses,
    /// A number of bytes, or a percentage of the memory that the process may use.
    MemoryShare,
    /// `class hard soft seconds`, as Redis writes client-output-buffer-limit.
    OutputLimit,
    /// Letters of `notify-keyspace-events`.
    EventClasses,
    /// A number; values out of range become the nearest bound.
    Clamped { min: i64, max: i64 },
    /// Numbers from 0 to 100 separated by spaces.
    Percentiles,
    /// Of this kind, but only the default is accepted, because the server could not honour any other value.
    Only(&'static Kind),
}

/// When a parameter may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// At start only.
    Start,
    /// Also by CONFIG SET.
    Live,
    /// Never.
    Never,
    /// Accepted by CONFIG GET and SET because clients use it; changing it has no effect.
    NoEffect,
    /// Like `NoEffect`, and only if `enable-protected-configs` allows it.
    Protected,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// As in CONFIG GET, the file and (with `--`) on the command line.
    pub name: &'static str,
    /// Its older name, from Redis or from an earlier build. It stays accepted; at start it draws a warning. Empty = none.
    pub alias: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    pub change: Change,
    /// One line; unit, range and the meaning of zero or empty.
    pub help: &'static str,
}

impl Parameter {
    /// Adds an older name.
    pub(super) const fn also(self, alias: &'static str) -> Self {
        Parameter { alias, ..self }
    }

    /// Whether `name` is its name or its older name; case does not matter.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || (!name.is_empty() && self.alias.eq_ignore_ascii_case(name))
    }
}

/// The environment variable of a parameter.
pub(super) fn environment_name(name: &str) -> String {
    format!("FLOTILLA_{}", name.replace('-', "_").to_ascii_uppercase())
}
