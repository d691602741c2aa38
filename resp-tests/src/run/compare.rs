//! What a script expects against what a server said.

use std::time::Duration;

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
            let is_expected = expected == got || is_later(step, expected, got, outcome.took);
            if !is_expected && got != &[NOT_DEMANDED] {
                found.push(difference(step, expected, got));
            }
        }
    }
    found
}

/// Whether the replies are the recorded ones but for seconds to live that have passed while the script ran: a stalled
/// machine is no difference. TTL rounds to the nearest second, so a script of less than half of one gets no grace.
fn is_later(step: &Step, expected: &[String], got: &[String], took: Duration) -> bool {
    let (Action::Call(argv) | Action::SendOnly(argv)) = &step.action else { return false };
    let tells_time_left = ["TTL", "HTTL", "EXEC"]
        .iter()
        .any(|name| argv.first().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes())));
    let passed = (took + Duration::from_millis(500)).as_secs();
    let number =
        |line: &str| line.trim_start().strip_prefix(':').and_then(|digits| digits.parse::<u64>().ok());
    let is_line_later = |expected: &str, got: &str| match (number(expected), number(got)) {
        (Some(expected), Some(got)) => got <= expected && expected - got <= passed,
        _ => expected == got,
    };
    tells_time_left
        && expected.len() == got.len()
        && expected.iter().zip(got).all(|(expected, got)| is_line_later(expected, got))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::parse;

    fn found(script: &str, got: &[&str], took: Duration) -> usize {
        let script = parse(script).unwrap();
        let replies = vec![got.iter().map(|line| (*line).to_owned()).collect()];
        differences(&script, &Outcome { blocks: vec![Some(replies)], complaints: Vec::new(), took }).len()
    }

    #[test]
    fn seconds_that_pass_in_a_slow_run_are_no_difference_and_others_are() {
        let script = |call: &str| format!("# X.\n\n{call}\n---\n*2\n  :300\n  :-1\n");
        let (quick, slow) = (Duration::from_millis(400), Duration::from_millis(1600));
        assert_eq!(found(&script("HTTL h FIELDS 2 a b"), &["*2", "  :300", "  :-1"], quick), 0);
        assert_eq!(found(&script("HTTL h FIELDS 2 a b"), &["*2", "  :299", "  :-1"], quick), 1);
        assert_eq!(found(&script("HTTL h FIELDS 2 a b"), &["*2", "  :299", "  :-1"], slow), 0);
        assert_eq!(found(&script("exec"), &["*2", "  :298", "  :-1"], slow), 0);
        for wrong in [&["*2", "  :297", "  :-1"], &["*2", "  :301", "  :-1"], &["*2", "  :299", "  :-2"]] {
            assert_eq!(found(&script("HTTL h FIELDS 2 a b"), wrong, slow), 1, "{wrong:?}");
        }
        assert_eq!(found(&script("LRANGE l 0 -1"), &["*2", "  :299", "  :-1"], slow), 1);
    }
}
