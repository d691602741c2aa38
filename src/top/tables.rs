//! The tables of a board: nodes, edges, latencies, storage, slow calls.

use super::board::{Line, Look, line, list, micros, name, number, p99, text};
use crate::ops::doctor::{bytes_text, time_text};
use serde_json::Value;

/// Slow calls that are shown.
const SLOW_MAX: usize = 8;

/// A column: its head, whether its cells are numbers, and a row's cell.
type Column<'a> = (&'a str, bool, &'a dyn Fn(&Value) -> String);

fn table(title: &str, columns: &[Column<'_>], rows: &[&Value], lines: &mut Vec<Line>) {
    if rows.is_empty() {
        return;
    }
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|(_, _, cell)| cell(row)).collect()).collect();
    let width = |at: usize, head: &str| {
        let longest = cells.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        longest.unwrap_or(0).max(head.chars().count())
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(|(at, (head, ..))| width(at, head)).collect();
    let put = |cells: &mut dyn Iterator<Item = &str>| {
        let placed =
            cells.zip(columns).zip(&widths).map(|((cell, (_, is_number, _)), width)| match is_number {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
        placed.collect::<Vec<_>>().join("  ")
    };
    lines.push(line(title, Look::Title));
    lines.push(line(put(&mut columns.iter().map(|(head, ..)| *head)), Look::Head));
    lines.extend(cells.iter().map(|row| line(put(&mut row.iter().map(String::as_str)), Look::Plain)));
    lines.push(line("", Look::Plain));
}

pub(super) fn of_nodes(reports: &Value, nodes: &[Value], lines: &mut Vec<Line>) {
    let committed = nodes.iter().map(|node| number(node, "/report/raft/committed")).fold(0.0, f64::max);
    let leader = text(reports, "/leader_id");
    let role = |node: &Value| {
        let is_voter = node.get("is_voter").and_then(Value::as_bool).unwrap_or(false);
        match () {
            () if text(node, "/id") == leader => "leader",
            () if is_voter => "follower",
            () if nodes.len() == 1 => "alone",
            () => "learner",
        }
        .to_owned()
    };
    let state = |node: &Value| match (text(node, "/why_silent"), text(node, "/report/unready")) {
        (why, _) if why != "-" => format!("silent: {why}"),
        (_, why) if why != "-" => format!("not ready: {why}"),
        _ => "ready".to_owned(),
    };
    let told = |read: &dyn Fn(&Value) -> String, node: &Value| {
        node.get("report").filter(|report| report.is_object()).map_or_else(|| "-".to_owned(), read)
    };
    let plain = |path: &'static str| move |report: &Value| format!("{:.0}", number(report, path));
    let (applied, commands, clients) =
        (plain("/raft/applied"), plain("/per_second/commands"), plain("/clients/connected"));
    let behind = |report: &Value| format!("{:.0}", (committed - number(report, "/raft/applied")).max(0.0));
    let cores = |report: &Value| format!("{:.2}", number(report, "/per_second/cpu_cores"));
    let rss = |report: &Value| bytes_text(number(report, "/memory/rss_bytes"));
    let build = |report: &Value| {
        format!("{} level {:.0}", text(report, "/version"), number(report, "/feature_level"))
    };
    let up = |report: &Value| time_text(number(report, "/uptime_seconds"));
    table(
        "NODES",
        &[
            ("node", false, &name),
            ("role", false, &role),
            ("state", false, &state),
            ("applied", true, &|node| told(&applied, node)),
            ("behind", true, &|node| told(&behind, node)),
            ("commands/s", true, &|node| told(&commands, node)),
            ("read p99", true, &|node| told(&|report| micros(p99(report, "read")), node)),
            ("write p99", true, &|node| told(&|report| micros(p99(report, "write")), node)),
            ("clients", true, &|node| told(&clients, node)),
            ("cores", true, &|node| told(&cores, node)),
            ("memory", true, &|node| told(&rss, node)),
            ("build", false, &|node| told(&build, node)),
            ("up", true, &|node| told(&up, node)),
        ],
        &nodes.iter().collect::<Vec<_>>(),
        lines,
    );
}

pub(super) fn of_edges(reports: &Value, told: &[&Value], lines: &mut Vec<Line>) {
    let lag = |value: &Value, path: &str| match number(value, path) {
        ms if ms < 10_000.0 => format!("{ms:.0} ms"),
        ms => time_text(ms / 1000.0),
    };
    let own: Vec<&Value> = told.iter().copied().filter(|report| report["edge"].is_object()).collect();
    table(
        "THIS SITE",
        &[
            ("node", false, &|report| text(report, "/name")),
            ("site", false, &|report| text(report, "/edge/site")),
            ("state", false, &|report| text(report, "/edge/state")),
            ("behind", true, &|report| lag(report, "/edge/lag_ms")),
            ("entries", true, &|report| format!("{:.0}", number(report, "/edge/lag_entries"))),
            ("upstream", false, &|report| text(report, "/edge/upstream")),
        ],
        &own,
        lines,
    );
    table(
        "EDGE SITES",
        &[
            ("site", false, &|edge| text(edge, "/site")),
            ("node", false, &|edge| text(edge, "/name")),
            ("state", false, &|edge| text(edge, "/state")),
            ("behind", true, &|edge| lag(edge, "/lag_ms")),
            ("entries", true, &|edge| format!("{:.0}", number(edge, "/lag_entries"))),
            ("sent", true, &|edge| bytes_text(number(edge, "/sent_bytes"))),
        ],
        &list(reports, "/edges").iter().collect::<Vec<_>>(),
        lines,
    );
}

/// Percentiles of all nodes, by what took its time.
pub(super) fn of_durations(which: &str, title: &str, told: &[&Value], lines: &mut Vec<Line>) {
    let of = |report: &&Value| {
        let node = report.get("name").cloned().unwrap_or_default();
        let rows = list(report, &format!("/{which}")).iter().cloned();
        rows.map(move |mut row| {
            if let Some(row) = row.as_object_mut() {
                row.insert("node".to_owned(), node.clone());
            }
            row
        })
        .collect::<Vec<_>>()
    };
    let mut rows: Vec<Value> = told.iter().flat_map(of).collect();
    rows.sort_by_key(|row| (text(row, "/name"), text(row, "/node")));
    table(
        title,
        &[
            ("of", false, &|row| text(row, "/name").replace('_', " ")),
            ("node", false, &|row| text(row, "/node")),
            ("per second", true, &|row| format!("{:.1}", number(row, "/per_second"))),
            ("p50", true, &|row| micros(number(row, "/p50_us"))),
            ("p99", true, &|row| micros(number(row, "/p99_us"))),
            ("p99.9", true, &|row| micros(number(row, "/p999_us"))),
        ],
        &rows.iter().collect::<Vec<_>>(),
        lines,
    );
}

pub(super) fn of_storage(told: &[&Value], lines: &mut Vec<Line>) {
    let sized = |path: &'static str| move |report: &Value| bytes_text(number(report, path));
    let (left, total) = (sized("/disk/left_bytes"), sized("/disk/total_bytes"));
    let (store, log) = (sized("/store/bytes"), sized("/raft/log_bytes"));
    let pending = sized("/store/pending_compaction_bytes");
    let stalls = |report: &Value| {
        format!("{:.0}/{:.0}", number(report, "/store/recent_stops"), number(report, "/store/recent_delays"))
    };
    let now = |report: &Value| number(report, "/at_ms");
    let backup = |report: &Value| match number(report, "/backup/last/taken_at_ms") {
        at if at > 0.0 => format!("{} ago", time_text(((now(report) - at) / 1000.0).max(0.0))),
        _ => "-".to_owned(),
    };
    table(
        "STORAGE",
        &[
            ("node", false, &|report| text(report, "/name")),
            ("disk", false, &|report| text(report, "/disk/state")),
            ("left", true, &left),
            ("of", true, &total),
            ("store", true, &store),
            ("log", true, &log),
            ("to compact", true, &pending),
            ("stops/delays, 10 min", true, &stalls),
            ("backup", true, &backup),
        ],
        told,
        lines,
    );
}

pub(super) fn of_slow(reports: &Value, told: &[&Value], lines: &mut Vec<Line>) {
    let mut calls: Vec<(String, &Value)> = Vec::new();
    for report in told {
        calls.extend(list(report, "/slow").iter().map(|slow| (text(report, "/name"), slow)));
    }
    calls.sort_by(|(_, a), (_, b)| number(b, "/at_seconds").total_cmp(&number(a, "/at_seconds")));
    calls.truncate(SLOW_MAX);
    let now = number(reports, "/at_ms") / 1000.0;
    let rows: Vec<Value> =
        calls.into_iter().map(|(node, call)| serde_json::json!({ "node": node, "call": call })).collect();
    table(
        "SLOW COMMANDS",
        &[
            ("when", true, &|row| {
                format!("{} ago", time_text((now - number(row, "/call/at_seconds")).max(0.0)))
            }),
            ("node", false, &|row| text(row, "/node")),
            ("took", true, &|row| micros(number(row, "/call/micros"))),
            ("call", false, &|row| text(row, "/call/call")),
        ],
        &rows.iter().collect::<Vec<_>>(),
        lines,
    );
}
