//! `flotilla admin backup`: asks a node for a backup, shows how far it is, and says what came of it.

use super::failure::{Failure, Outcome};
use crate::{ops::bytes_bar, time::rfc3339};
use serde_json::Value;
use std::{thread, time::Duration};

const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// `ask` sends CORE BACKUP with a word to the node.
pub fn take(ask: &dyn Fn(&str) -> Result<String, Failure>) -> Result<String, Failure> {
    let before = status(ask)?;
    ask("START")?;
    let counts = |status: &Value| (number(status, "taken"), number(status, "failed"));
    let bar = bytes_bar(0);
    loop {
        thread::sleep(LOOK_INTERVAL);
        let now = status(ask)?;
        let running = now.get("running").unwrap_or(&Value::Null);
        if running.is_null() && counts(&now) != counts(&before) {
            bar.finish_and_clear();
            return match number(&now, "failed") > number(&before, "failed") {
                true => Err(Failure {
                    outcome: Outcome::Refused,
                    text: format!(
                        "the backup failed: {}",
                        now.get("error").and_then(Value::as_str).unwrap_or("see that node's log")
                    ),
                }),
                false => Ok(done(now.get("last").unwrap_or(&Value::Null))),
            };
        }
        bar.set_length(number(running, "bytes"));
        bar.set_position(number(running, "bytes_done"));
    }
}

/// What the node says of its backups, as JSON.
pub fn status(ask: &dyn Fn(&str) -> Result<String, Failure>) -> Result<Value, Failure> {
    let text = ask("STATUS")?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::refused(format!("the node's answer is no JSON: {error}")))
}

/// A line for `status`: up to when the core could be restored. Empty if it takes no backups, or does not tell this user.
pub fn line(ask: &dyn Fn(&[&str]) -> Result<String, Failure>) -> String {
    let told = |argv: &[&str]| serde_json::from_str::<Value>(&ask(argv).ok()?).ok();
    let here = told(&["CORE", "BACKUP", "STATUS"]).unwrap_or_default();
    match here.get("to").and_then(Value::as_str) {
        // Each backup is known to the node that took it, and what is archived to the leader.
        Some(to) if !to.is_empty() => {
            told(&["CORE", "REPORT"]).map_or_else(String::new, |all| seen(to, &all))
        }
        _ => String::new(),
    }
}

fn seen(to: &str, reports: &Value) -> String {
    let nodes = reports.get("nodes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let newest = |place: &str| {
        let times = nodes.iter().filter_map(|node| node.pointer(place)?.as_u64());
        times.max().filter(|ms| *ms > 0).map(rfc3339)
    };
    let error = |place: &str| nodes.iter().find_map(|node| node.pointer(place)?.as_str());
    let (last, until) = (newest("/report/backup/last/taken_at_ms"), newest("/report/backup/restorable_ms"));
    let mut line = format!("backups in {to}: ");
    line.push_str(&match &last {
        Some(at) => format!("the last one taken at {at}"),
        None => "none taken since the nodes started".to_owned(),
    });
    line.push_str(&match (until, last) {
        (Some(at), _) => format!(", restorable to any moment up to {at}"),
        (None, Some(_)) => ", restorable to that one only".to_owned(),
        (None, None) => String::new(),
    });
    for place in ["/report/backup/error", "/report/backup/archive_error"] {
        if let Some(error) = error(place) {
            line.push_str(&format!("; {error}"));
        }
    }
    line.push('\n');
    line
}

fn number(status: &Value, field: &str) -> u64 {
    status.get(field).and_then(Value::as_u64).unwrap_or_default()
}

fn done(last: &Value) -> String {
    let (bytes, sent, millis) = (number(last, "bytes"), number(last, "bytes_sent"), number(last, "millis"));
    let rate = sent as f64 / 1e6 / (millis.max(1) as f64 / 1e3);
    format!(
        "backup {} of revision {}: {:.1} MB, of which {:.1} MB were sent, in {:.1} s ({rate:.0} MB/s)",
        last.get("name").and_then(Value::as_str).unwrap_or_default(),
        number(last, "revision"),
        bytes as f64 / 1e6,
        sent as f64 / 1e6,
        millis as f64 / 1e3,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_all_nodes_know_of_backups_is_one_line() {
        let node = |taken_at_ms: u64, restorable_ms: u64, error: Option<&str>| {
            let backup = json!({ "last": { "taken_at_ms": taken_at_ms }, "restorable_ms": restorable_ms, "archive_error": error });
            json!({ "report": { "backup": backup } })
        };
        let answers = |to: &'static str, nodes: Vec<Value>| {
            line(&move |argv| match argv {
                ["CORE", "BACKUP", "STATUS"] => Ok(json!({ "to": to }).to_string()),
                _ if to.is_empty() => panic!("{argv:?}"),
                _ => Ok(json!({ "nodes": nodes }).to_string()),
            })
        };
        assert_eq!(answers("", vec![]), "");
        let nodes = vec![node(1_000, 0, None), node(0, 5_500, None), json!({ "report": null })];
        assert_eq!(
            answers("file:///b", nodes),
            "backups in file:///b: the last one taken at 1970-01-01T00:00:01.000Z, restorable to any moment up to \
             1970-01-01T00:00:05.500Z\n"
        );
        let told = answers("file:///b", vec![node(0, 0, Some("denied"))]);
        assert!(told.ends_with("none taken since the nodes started; denied\n"), "{told}");
        let silent = line(&|_| Err(Failure::refused("NOPERM".to_owned())));
        assert_eq!(silent, "");
    }
}
