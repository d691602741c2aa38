//! The one table of a scenario of several nodes: a figure per row, beside what it is compared with.

/// Rows as Markdown; each is shown when it is there.
pub struct Table(String);

impl Table {
    /// `subject` names what is measured.
    pub fn new(subject: &str) -> Self {
        let columns = ["part", "what", subject, "compared with", "ratio", "notes"];
        Table(format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len())))
    }

    pub fn row(&mut self, part: &str, what: &str, measured: &str, other: &str, ratio: &str, notes: &str) {
        let row = format!("| {} |\n", [part, what, measured, other, ratio, notes].join(" | "));
        eprint!("{row}");
        self.0.push_str(&row);
    }

    pub fn into_text(self) -> String {
        self.0
    }
}
