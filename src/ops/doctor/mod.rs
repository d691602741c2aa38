//! What is wrong, and what helps: rules over what the nodes say of themselves (CORE REPORT). Pure: the status page, `flotilla admin
//! doctor` and `flotilla top` get the same findings from the same reports.
//!
//! `whole.rs` has the rules about the core (or the site) as a whole, `node.rs` those about one node. A rule has no memory: what it
//! says is so now, or in the ten minutes that a report covers.

mod node;
mod whole;

use serde_json::{Value, json};

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something does not work, or data are in danger.
    Critical,
    /// Something will go wrong unless somebody acts.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// A node, or `core`.
    pub at: String,
    /// One sentence.
    pub what: String,
    /// The numbers or words that it follows from.
    pub evidence: String,
    /// What to do.
    pub remedy: String,
    /// The page of the documentation, with its section.
    pub page: &'static str,
}

impl Finding {
    pub fn to_json(&self) -> Value {
        json!({
            "severity": self.severity.name(),
            "at": self.at,
            "what": self.what,
            "evidence": self.evidence,
            "remedy": self.remedy,
            "page": self.page,
        })
    }
}

/// Judges the reports; the worst first.
pub fn examine(reports: &Value) -> Vec<Finding> {
    let mut found = whole::examine(reports);
    for one in list(reports, "nodes") {
        let name = text(one, "/report/name").or(text(one, "/name")).unwrap_or("this node");
        if let Some(report) = one.get("report").filter(|report| report.is_object()) {
            node::examine(name, report, number(reports, "/at_ms"), &mut found);
        }
    }
    found.sort_by(|a, b| (a.severity, &a.at).cmp(&(b.severity, &b.at)));
    found
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Missing numbers count as 0: a node of another build may not know them.
fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or(0.0)
}

fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn is(value: &Value, path: &str) -> bool {
    value.pointer(path).and_then(Value::as_bool).unwrap_or(false)
}

/// `12.3 GiB`.
pub fn bytes_text(bytes: f64) -> String {
    let mut size = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{size:.0} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// `3 days`, `5 h`, `12 s`.
pub fn time_text(seconds: f64) -> String {
    match seconds {
        s if s >= 172_800.0 => format!("{:.0} days", s / 86_400.0),
        s if s >= 7_200.0 => format!("{:.0} h", s / 3600.0),
        s if s >= 120.0 => format!("{:.0} min", s / 60.0),
        s => format!("{s:.0} s"),
    }
}

#[cfg(test)]
mod tests;
