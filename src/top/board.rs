//! The reports as lines of text, each with a look. Pure.

use super::tables;
use crate::ops::doctor::{Finding, Severity, bytes_text, examine};
use serde_json::Value;

/// Characters of a cell.
const CELL_MAX: usize = 60;

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Title,
    /// The head of a table.
    Head,
    Quiet,
    Good,
    Warning,
    Critical,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub text: String,
    pub look: Look,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Board {
    /// In one line.
    pub verdict: Line,
    pub lines: Vec<Line>,
    /// For a graph.
    pub commands_per_second: u64,
}

impl Board {
    pub(super) fn of(reports: &Value) -> Board {
        let nodes = list(reports, "/nodes");
        let told: Vec<&Value> =
            nodes.iter().filter_map(|node| node.get("report")).filter(|r| r.is_object()).collect();
        let found = examine(reports);
        let sum = |path: &str| told.iter().map(|report| number(report, path)).sum::<f64>();
        let commands = sum("/per_second/commands");
        let mut lines = vec![line(totals(reports, &told), Look::Title), line("", Look::Plain)];
        problems(&found, &mut lines);
        tables::of_nodes(reports, nodes, &mut lines);
        tables::of_edges(reports, &told, &mut lines);
        tables::of_durations("latency", "LATENCY, last 10 s", &told, &mut lines);
        tables::of_durations("stages", "STAGES, last 10 s", &told, &mut lines);
        tables::of_storage(&told, &mut lines);
        tables::of_slow(reports, &told, &mut lines);
        Board { verdict: verdict(&found), lines, commands_per_second: commands as u64 }
    }

    /// As plain text.
    pub(super) fn to_text(&self) -> String {
        let lines = std::iter::once(&self.verdict).chain(&self.lines);
        lines.map(|line| line.text.trim_end()).collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn line(text: impl Into<String>, look: Look) -> Line {
    Line { text: text.into(), look }
}

pub(super) fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or(0.0)
}

/// A text of a node, without what would move the cursor, and not longer than a cell.
pub(super) fn text(value: &Value, path: &str) -> String {
    clean(value.pointer(path).and_then(Value::as_str).unwrap_or("-"))
}

fn clean(text: &str) -> String {
    let mut shown: String =
        text.chars().take(CELL_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(CELL_MAX).is_some() {
        shown.push('…');
    }
    shown
}

pub(super) fn micros(value: f64) -> String {
    match value {
        v if v <= 0.0 => "-".to_owned(),
        v if v < 1000.0 => format!("{v:.0} us"),
        v if v < 1e6 => format!("{:.1} ms", v / 1e3),
        v => format!("{:.1} s", v / 1e6),
    }
}

pub(super) fn p99(report: &Value, class: &str) -> f64 {
    let found = list(report, "/latency").iter().find(|one| text(one, "/name") == class);
    found.map_or(0.0, |one| number(one, "/p99_us"))
}

fn totals(reports: &Value, told: &[&Value]) -> String {
    let sum = |path: &str| told.iter().map(|report| number(report, path)).sum::<f64>();
    let most = |path: &str| told.iter().map(|report| number(report, path)).fold(0.0, f64::max);
    let worst = |class: &str| micros(told.iter().map(|report| p99(report, class)).fold(0.0, f64::max));
    format!(
        "leader {}, term {}   {:.0} commands/s, {:.1} errors/s   p99: read {}, write {}   {:.0} keys, {}   {:.0} clients",
        leader(reports),
        most("/raft/term"),
        sum("/per_second/commands"),
        sum("/per_second/errors"),
        worst("read"),
        worst("write"),
        most("/keys"),
        bytes_text(most("/memory/dataset_bytes")),
        sum("/clients/connected"),
    )
}

fn leader(reports: &Value) -> String {
    let id = text(reports, "/leader_id");
    let leads = list(reports, "/nodes").iter().find(|node| text(node, "/id") == id);
    leads.map_or_else(|| "none".to_owned(), name)
}

pub(super) fn name(node: &Value) -> String {
    let by_itself = text(node, "/report/name");
    if by_itself == "-" { text(node, "/name") } else { by_itself }
}

fn verdict(found: &[Finding]) -> Line {
    let pressing = found.iter().filter(|finding| finding.severity < Severity::Note).count();
    let noun = if pressing == 1 { "problem" } else { "problems" };
    match found.first().map(|finding| finding.severity) {
        Some(Severity::Critical) => line(format!("{pressing} {noun}, the worst is critical"), Look::Critical),
        Some(Severity::Warning) => line(format!("{pressing} {noun}"), Look::Warning),
        Some(Severity::Note) | None => line("all is well", Look::Good),
    }
}

fn problems(found: &[Finding], lines: &mut Vec<Line>) {
    for finding in found {
        let look = match finding.severity {
            Severity::Critical => Look::Critical,
            Severity::Warning => Look::Warning,
            Severity::Note => Look::Quiet,
        };
        let (at, what, evidence) =
            (clean(&finding.at), &finding.what, finding.evidence.replace(char::is_control, " "));
        lines.push(line(format!("{} {at}: {what} ({evidence})", finding.severity.name()), look));
        lines
            .push(line(format!("    to do: {}", finding.remedy.replace(char::is_control, " ")), Look::Quiet));
    }
    if !found.is_empty() {
        lines.push(line("", Look::Plain));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reports() -> Value {
        let report = |name: &str| {
            json!({ "name": name, "role": "core", "version": "0.1.0", "feature_level": 8, "feature_levels": [3, 8], "uptime_seconds": 90,
                "raft": { "term": 3, "committed": 50, "applied": 48, "leadership": "leads" }, "per_second": { "commands": 120.0, "cpu_cores": 0.5 },
                "latency": [{ "name": "read", "per_second": 100.0, "p50_us": 90, "p99_us": 1500, "p999_us": 2_000_000 }],
                "stages": [{ "name": "log_sync", "per_second": 9.0, "p50_us": 900, "p99_us": 2000, "p999_us": 3000 }],
                "memory": { "rss_bytes": 1 << 20, "dataset_bytes": 2048 }, "disk": { "state": "ok", "left_bytes": 1u64 << 30 },
                "backup": { "is_configured": true },
                "slow": [{ "at_seconds": 95, "micros": 12_000, "call": "get \u{1b}[2Jkey", "client": "h:1" }], "keys": 7 })
        };
        let node = |id: &str, name: &str, silent: Value, report: Value| json!({ "id": id, "name": name, "is_voter": true, "why_silent": silent, "report": report });
        json!({ "at_ms": 100_000, "leader_id": "2", "edges": [{ "site": "fra", "name": "edge-fra", "state": "following", "lag_ms": 12,
                "lag_entries": 0, "sent_bytes": 100 }],
            "nodes": [node("1", "a", json!("refused"), Value::Null), node("2", "b", Value::Null, report("b"))] })
    }

    #[test]
    fn what_nodes_say_becomes_lines() {
        let board = Board::of(&reports());
        let text = board.to_text();
        for wanted in [
            "leader b, term 3   120 commands/s",
            "a     follower  silent: refused",
            "b     leader    ready",
            "fra   edge-fra  following   12 ms",
            "read  b          100.0  90 us  1.5 ms  2.0 s",
            "log sync",
            "5 s ago  b     12.0 ms  get \u{fffd}[2Jkey",
            "warning a: the node does not answer",
        ] {
            assert!(text.contains(wanted), "{wanted}\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        assert_eq!((board.verdict.look, board.commands_per_second), (Look::Warning, 120));
    }

    #[test]
    fn nothing_known_is_shown_too() {
        let board = Board::of(&json!({}));
        assert!(board.to_text().contains("leader none"), "{}", board.to_text());
    }
}
