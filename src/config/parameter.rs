//! What a parameter is: its row in the table.

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
    /// `class hard soft seconds`, as Redis writes client-output-buffer-limit.
    OutputLimit,
    /// Letters of `notify-keyspace-events`.
    EventClasses,
    /// Stands for itself and cannot be given another value, because that would promise what the server does not do.
    Fixed,
}

/// When a parameter may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// At start only.
    Start,
    /// Also by CONFIG SET.
    Live,
    /// Never: it is what it is.
    Never,
    /// Known to CONFIG GET and SET for the sake of clients; changing it has no effect.
    NoEffect,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// As in CONFIG GET, the file and (with `--`) on the command line.
    pub name: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    pub change: Change,
    /// One line; unit, range and the meaning of zero or empty.
    pub help: &'static str,
}

/// The environment variable of a parameter.
pub(super) fn environment_name(name: &str) -> String {
    format!("FLOTILLA_{}", name.replace('-', "_").to_ascii_uppercase())
}
