//! The one table of the scenario: a figure of the core per row, beside what it is compared with.

const COLUMNS: [&str; 6] = ["part", "what", "core", "compared with", "ratio", "notes"];

/// Rows as Markdown; each is shown when it is there.
pub struct Table(String);

impl Table {
    pub fn new() -> Self {
        Table(format!("| {} |\n|{}\n", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len())))
    }

    pub fn row(&mut self, part: &str, what: &str, core: &str, other: &str, ratio: &str, notes: &str) {
        let row = format!("| {} |\n", [part, what, core, other, ratio, notes].join(" | "));
        eprint!("{row}");
        self.0.push_str(&row);
    }

    pub fn into_text(self) -> String {
        self.0
    }
}
