//! The commands that rules can name, and the categories they are in. Made from the table of commands, which this module does
//! not know.

use std::collections::HashMap;

/// All categories, in Redis's order. A command's are bits in this order.
pub const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// A command or subcommand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `get`, `client|list`.
    pub name: String,
    pub parent: Option<usize>,
    /// A bit for each of `CATEGORIES`.
    pub categories: u32,
}

/// All commands; positions are the numbers by which users are asked for them.
#[derive(Debug)]
pub struct Catalogue {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    subcommands: Vec<Vec<usize>>,
}

impl Catalogue {
    pub fn new(entries: Vec<Entry>) -> Self {
        let by_name = entries.iter().enumerate().map(|(at, entry)| (entry.name.clone(), at)).collect();
        let mut subcommands = vec![Vec::new(); entries.len()];
        for (at, entry) in entries.iter().enumerate() {
            if let Some(of) = entry.parent.and_then(|parent| subcommands.get_mut(parent)) {
                of.push(at);
            }
        }
        Catalogue { entries, by_name, subcommands }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The number of a command, by its name in lower case.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub fn subcommands(&self, at: usize) -> &[usize] {
        self.subcommands.get(at).map_or(&[], Vec::as_slice)
    }

    pub fn is_subcommand(&self, at: usize) -> bool {
        self.entries.get(at).is_some_and(|entry| entry.parent.is_some())
    }

    /// The bit of a category, by its name.
    pub fn category(name: &str) -> Option<u32> {
        let at = CATEGORIES.iter().position(|category| category.eq_ignore_ascii_case(name))?;
        1_u32.checked_shl(u32::try_from(at).ok()?)
    }

    /// The commands of a category.
    pub fn of_category(&self, bit: u32) -> impl Iterator<Item = usize> {
        self.entries
            .iter()
            .enumerate()
            .filter(move |(_, entry)| entry.categories & bit != 0)
            .map(|(at, _)| at)
    }
}
