//! The import's or export's result, for people and for scripts.

use std::{collections::BTreeMap, fmt, time::Duration};

/// Counts of an import or export.
#[derive(Debug, Default)]
pub struct Report {
    pub title: String,
    pub keys: u64,
    /// Keys and elements of each type.
    pub types: BTreeMap<&'static str, (u64, u64)>,
    /// Keys of each database.
    pub databases: BTreeMap<u32, u64>,
    /// Further counts, in this order; zeros are not shown.
    pub counts: Vec<(&'static str, u64)>,
    pub notes: Vec<String>,
    pub bytes: u64,
    pub took: Duration,
    /// Whether every key of the file or the node is where it should be.
    pub is_whole: bool,
}

impl Report {
    pub fn count(&mut self, db: u32, type_name: &'static str, elements: usize) {
        self.keys = self.keys.saturating_add(1);
        let (keys, all) = self.types.entry(type_name).or_default();
        *keys = keys.saturating_add(1);
        *all = all.saturating_add(elements as u64);
        let keys = self.databases.entry(db).or_default();
        *keys = keys.saturating_add(1);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        writeln!(f, "keys: {}", self.keys)?;
        for (name, (keys, elements)) in &self.types {
            writeln!(f, "  {name}: {keys} with {elements} elements")?;
        }
        for (db, keys) in &self.databases {
            writeln!(f, "  database {db}: {keys}")?;
        }
        for (name, count) in self.counts.iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "{name}: {count}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let seconds = self.took.as_secs_f64().max(0.001);
        let (keys, bytes) = (self.keys as f64 / seconds, self.bytes as f64 / seconds / 1e6);
        write!(f, "took {seconds:.1} s: {keys:.0} keys and {bytes:.1} MB a second")
    }
}
