//! Answers as people read them.

use super::failure::{Failure, Outcome};
use serde_json::Value;
use std::collections::BTreeSet;

/// STATUS: incomplete while something is wrong. With a line on backups it is for people, else JSON as it came.
pub(super) fn status(json: String, backups: Option<String>) -> Result<String, Failure> {
    let told: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let text = backups.map_or(json, |backups| table(&told, &backups));
    match told.get("problem").and_then(Value::as_str) {
        None => Ok(text),
        Some(problem) => {
            println!("{text}");
            Err(Failure { outcome: Outcome::Incomplete, text: problem.to_owned() })
        }
    }
}

/// STATUS for people.
fn table(status: &Value, backups: &str) -> String {
    let field = |name: &str| status.get(name).map_or_else(|| "-".to_owned(), text);
    let mut out = format!(
        "cluster {}, history {}\nleader {}, term {}, committed up to entry {} of {}{}\nfeature level {}{}\n{}{backups}\n",
        field("cluster_id"),
        field("history_id"),
        field("leader"),
        field("term"),
        field("committed_index"),
        field("last_index"),
        if field("change_under_way") == "yes" { ", a change of the members is under way" } else { "" },
        field("feature_level"),
        if can_be_raised(status) {
            ", all nodes understand more: 'flotilla admin upgrade finish' raises it"
        } else {
            ""
        },
        compared(status),
    );
    let columns = [
        "name",
        "role",
        "answers",
        "clients",
        "peer_address",
        "log_index",
        "applied_index",
        "feature_levels",
        "id",
    ];
    out.push_str(&rows(status, "nodes", &columns));
    out
}

/// A line on the last comparison of sums; empty if there was none.
fn compared(status: &Value) -> String {
    let Some(told) = status.get("compared").filter(|told| !told.is_null()) else { return String::new() };
    let number = |name: &str| told.get(name).and_then(Value::as_u64).unwrap_or(0);
    let names = told.get("differing").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = names.filter_map(Value::as_str).collect();
    let outcome = told.get("outcome").and_then(Value::as_str).unwrap_or("-");
    let of = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    format!(
        "sums of all states {} s ago, at entry {}: {outcome}{of}\n",
        number("seconds_ago"),
        number("index")
    )
}

/// Whether all nodes understand a feature level above the active one.
fn can_be_raised(status: &Value) -> bool {
    let active = status.get("feature_level").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let nodes = status.get("nodes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let newest = |node: &Value| node.get("feature_levels")?.as_str()?.rsplit_once('-')?.1.parse::<u64>().ok();
    !nodes.is_empty() && nodes.iter().all(|node| newest(node).is_some_and(|newest| newest > active))
}

/// CLOCK for people.
pub(super) fn clock(json: &str) -> Result<String, String> {
    let told: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let number = |name: &str| told.get(name).and_then(Value::as_i64).unwrap_or(0);
    let ahead_ms = number("wall_ahead_ms");
    let state = match ahead_ms {
        0 => "as wall time".to_owned(),
        1.. => format!("{ahead_ms} ms behind wall time, agrees in {} s", number("agrees_in_ms") / 1000),
        _ => format!(
            "{} ms ahead of wall time, agrees in {} s",
            ahead_ms.unsigned_abs(),
            number("agrees_in_ms") / 1000
        ),
    };
    let stepped = match number("stepped_by_ms") {
        0 => String::new(),
        ms => format!("stepped forward by {ms} ms\n"),
    };
    let rows = rows(&told, "nodes", &["name", "wall_ahead_ms"]);
    Ok(format!("{stepped}log time {}, {state}\n\n{rows}", number("log_time_ms")))
}

/// SITE LIST for people.
pub(super) fn sites(json: &str) -> Result<String, String> {
    let told: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let columns = ["site", "name", "state", "core_index", "lag_entries", "lag_ms", "sent_bytes", "fed_by"];
    Ok(rows(&told, "edges", &columns))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        other => other.to_string(),
    }
}

/// A table of the objects in a list, a line each.
fn rows(told: &Value, list: &str, columns: &[&str]) -> String {
    let mut rows: Vec<Vec<String>> = vec![columns.iter().map(|name| (*name).to_owned()).collect()];
    for node in told.get(list).and_then(Value::as_array).into_iter().flatten() {
        rows.push(columns.iter().map(|name| node.get(name).map_or_else(|| "-".to_owned(), text)).collect());
    }
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.trim_end().to_owned()
}

/// VERIFY: the verdict on the checksums.
pub(super) fn verdict(json: &str, as_json: bool) -> Result<String, Failure> {
    let told: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let nodes = told.get("nodes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let field = |node: &Value, name: &str| node.get(name).and_then(Value::as_str).map(str::to_owned);
    let sums: Vec<Option<String>> = nodes.iter().map(|node| field(node, "checksum")).collect();
    let lines = nodes.iter().zip(&sums).map(|(node, sum)| {
        let name = field(node, "name").unwrap_or_else(|| "-".to_owned());
        format!("{}  {name}", sum.as_deref().unwrap_or("-"))
    });
    let index = told.get("index").and_then(Value::as_u64).unwrap_or(0);
    let text = match as_json {
        true => json.to_owned(),
        false => format!("state at entry {index}:\n{}", lines.collect::<Vec<_>>().join("\n")),
    };
    let known: BTreeSet<&String> = sums.iter().flatten().collect();
    let (outcome, why) = if known.len() > 1 {
        (Outcome::Differs, "NOT all nodes have the same state")
    } else if known.is_empty() || sums.iter().any(Option::is_none) {
        (Outcome::Incomplete, "a node did not compare its state (-); those that did have the same")
    } else if told.get("equal").and_then(Value::as_bool) != Some(true) {
        (Outcome::Differs, "the leader says that NOT all nodes have the same state")
    } else {
        return Ok(text);
    };
    Err(Failure { outcome, text: format!("{why}\n{text}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_a_table() {
        let json = r#"{"cluster_id":"c","history_id":"h","leader":"core-0","term":3,"committed_index":9,"last_index":9,
            "change_under_way":false,"nodes":[{"name":"core-0","role":"leader","answers":true,"clients":"h:1",
            "peer_address":"h:2","log_index":9,"applied_index":9,"id":7}]}"#;
        let text = table(&serde_json::from_str(json).unwrap(), "");
        assert!(text.contains("leader core-0, term 3"), "{text}");
        let json = json.replace(
            r#""term":3"#,
            r#""term":3,"compared":{"index":8,"outcome":"differs","seconds_ago":4,"differing":["b","c"]}"#,
        );
        let text = table(&serde_json::from_str(&json).unwrap(), "");
        assert!(text.contains("\nsums of all states 4 s ago, at entry 8: differs (b, c)\n\n"), "{text}");
        assert!(text.lines().last().unwrap().starts_with("core-0  leader  yes"), "{text}");
    }

    #[test]
    fn a_status_says_when_the_feature_level_can_be_raised() {
        let told = |levels: [&str; 2]| {
            let nodes = levels.map(|levels| format!(r#"{{"name":"n","feature_levels":{levels}}}"#)).join(",");
            table(&serde_json::from_str(&format!(r#"{{"feature_level":4,"nodes":[{nodes}]}}"#)).unwrap(), "")
        };
        assert!(told([r#""3-5""#, r#""3-5""#]).contains("feature level 4, all nodes understand more"));
        assert!(told([r#""3-5""#, r#""3-4""#]).contains("feature level 4\n"));
        assert!(told([r#""3-5""#, "null"]).contains("feature level 4\n"));
    }

    /// A missing checksum (`-`) counts as equal.
    #[test]
    fn what_verify_found_is_in_the_exit_code() {
        let told = |equal: bool, sums: [&str; 3]| {
            let nodes: Vec<String> =
                sums.iter().map(|sum| format!(r#"{{"name":"n","checksum":{sum}}}"#)).collect();
            format!(r#"{{"index":9,"equal":{equal},"nodes":[{}]}}"#, nodes.join(","))
        };
        let outcome = |equal, sums| verdict(&told(equal, sums), false).err().map(|failure| failure.outcome);
        let (a, b) = (r#""0a""#, r#""0b""#);
        assert_eq!(outcome(true, [a, a, a]), None);
        assert_eq!(outcome(true, [a, a, "null"]), Some(Outcome::Incomplete));
        assert_eq!(outcome(false, [a, "null", "null"]), Some(Outcome::Incomplete));
        assert_eq!(outcome(false, ["null", "null", "null"]), Some(Outcome::Incomplete));
        assert_eq!(outcome(false, [a, b, a]), Some(Outcome::Differs));
        assert_eq!(outcome(false, [a, b, "null"]), Some(Outcome::Differs));
        let code = |text: &str| Failure::of_reply(text.to_owned()).outcome as u8;
        assert_eq!(["ERR no", "INPROGRESS it", "UNKNOWN outcome", "CLUSTERDOWN x"].map(code), [1, 4, 5, 1]);
    }

    #[test]
    fn a_clock_is_told_for_people() {
        let json = r#"{"log_time_ms":1700000000000,"wall_time_ms":1700000005000,"wall_ahead_ms":5000,"agrees_in_ms":100000,
            "stepped_by_ms":0,"nodes":[{"name":"core-0","wall_ahead_ms":5000},{"name":"core-1","wall_ahead_ms":-3}]}"#;
        let text = clock(json).unwrap();
        assert!(
            text.starts_with("log time 1700000000000, 5000 ms behind wall time, agrees in 100 s"),
            "{text}"
        );
        assert!(text.ends_with("core-1  -3"), "{text}");
    }
}
