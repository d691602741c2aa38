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
    /// A number; what lies outside is taken for the nearest that does not.
    Clamped { min: i64, max: i64 },
    /// Numbers from 0 to 100 separated by spaces.
    Percentiles,
    /// A value of this kind, but only the default: any other would promise what the server does not do.
    Only(&'static Kind),
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
    /// As `NoEffect`, and only where `enable-protected-configs` allows it.
    Protected,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// As in CONFIG GET, the file and (with `--`) on the command line.
    pub name: &'static str,
    /// The name that older Redis versions gave it, for CONFIG GET and SET; empty = none.
    pub alias: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    pub change: Change,
    /// One line; unit, range and the meaning of zero or empty.
    pub help: &'static str,
}

impl Parameter {
    /// The same with an older name beside it.
    pub(super) const fn also(self, alias: &'static str) -> Self {
        Parameter { alias, ..self }
    }

    /// Whether a client means this one, whatever the case.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || (!name.is_empty() && self.alias.eq_ignore_ascii_case(name))
    }
}

/// The environment variable of a parameter.
pub(super) fn environment_name(name: &str) -> String {
    format!("FLOTILLA_{}", name.replace('-', "_").to_ascii_uppercase())
}
