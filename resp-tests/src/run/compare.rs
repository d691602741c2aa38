//! What a script expects against what a server said.

use super::runner::Outcome;
use crate::script::{Action, Block, Script, Step};

/// What stands for a reply that the script checks by other means than the recording.
pub(super) const MATCHES: &str = "(matches)";
/// What stands for a reply that only the reference server must give.
pub(super) const NOT_DEMANDED: &str = "(not demanded)";

/// Compares what was recorded with what the server said. Empty: the script holds.
pub fn differences(script: &Script, outcome: &Outcome) -> Vec<String> {
    let mut found = outcome.complaints.clone();
    for (block, got) in script.blocks().zip(&outcome.blocks) {
        let Some(got) = got else { continue };
        let Some(expected) = &block.expected else {
            found.push(format!("line {}: nothing is recorded for this block", first_line(block)));
            continue;
        };
        let steps: Vec<&Step> = block.steps.iter().filter(|step| step.replies()).collect();
        if expected.len() != steps.len() {
            let text = format!("{} replies are recorded for {} commands", expected.len(), steps.len());
            found.push(format!("line {}: {text}", first_line(block)));
            continue;
        }
        for ((step, expected), got) in steps.iter().zip(expected).zip(got) {
            if expected != got && got != &[NOT_DEMANDED] {
                found.push(difference(step, expected, got));
            }
        }
    }
    found
}

fn first_line(block: &Block) -> usize {
    block.steps.first().map_or(0, |step| step.line)
}

fn difference(step: &Step, expected: &[String], got: &[String]) -> String {
    let indent = |lines: &[String]| lines.iter().map(|line| format!("\n      {line}")).collect::<String>();
    format!(
        "line {}: {}\n    expected{}\n    got{}",
        step.line,
        describe(step),
        indent(expected),
        indent(got)
    )
}

/// The command as a reader of a failure needs it.
pub(super) fn describe(step: &Step) -> String {
    let on = if step.connection.is_empty() { String::new() } else { format!("@{} ", step.connection) };
    let argv = match &step.action {
        Action::Call(argv) | Action::SendOnly(argv) => argv.as_slice(),
        Action::Receive => return format!("{on}(receive)"),
        Action::Close => return format!("{on}(close)"),
        Action::Sleep(time) => return format!("(sleep {time:?})"),
    };
    let words = argv.iter().map(|word| String::from_utf8_lossy(word).chars().take(60).collect::<String>());
    on + &words.collect::<Vec<_>>().join(" ")
}
