//! `flotilla admin backup`: asks a node for a backup, shows how far it is, and says what came of it.

use super::failure::{Failure, Outcome};
use crate::ops::bytes_bar;
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
