//! `flotilla admin doctor`: asks a node for what all nodes say of themselves, and says in words what is wrong and what helps.

use super::{
    failure::{Failure, Outcome},
    pods::Ask,
};
use crate::ops::doctor::{Finding, Severity, examine};
use serde_json::{Value, json};

/// Where the pages are that findings name.
const PAGES: &str = "src/docs/";

/// Fails if somebody has to act.
pub(super) fn look(ask: Ask<'_>, as_json: bool) -> Result<String, Failure> {
    let told = ask(&["CORE", "REPORT"]).map_err(unreached)?;
    let reports: Value = serde_json::from_str(&told).map_err(|error| error.to_string())?;
    let found = examine(&reports);
    let text = match as_json {
        true => json!(found.iter().map(Finding::to_json).collect::<Vec<_>>()).to_string(),
        false => words(&found, reports.get("nodes").and_then(Value::as_array).map_or(0, Vec::len)),
    };
    match found.iter().filter(|finding| finding.severity < Severity::Note).count() {
        0 => Ok(text),
        pressing => {
            println!("{text}");
            let noun = if pressing == 1 { "problem" } else { "problems" };
            Err(Failure { outcome: Outcome::Refused, text: format!("{pressing} {noun}") })
        }
    }
}

/// The first finding of all: there is nobody to ask.
fn unreached(failure: Failure) -> Failure {
    let remedy = if failure.text.starts_with("NOAUTH") || failure.text.starts_with("WRONGPASS") {
        "give a user and a password: --user and --password-file"
    } else if failure.text.starts_with("NOPERM") {
        "this user may not administer; take one who may call CORE"
    } else if failure.text.contains("unknown") {
        "that node runs a build without this command: upgrade it, or see flotilla admin status"
    } else {
        "see whether that node runs (its log, systemctl status, kubectl describe pod), or ask another one: --server"
    };
    Failure { outcome: failure.outcome, text: format!("{}; {remedy}", failure.text) }
}

fn words(found: &[Finding], nodes: usize) -> String {
    let noun = if nodes == 1 { "node" } else { "nodes" };
    if found.is_empty() {
        return format!("all is well: {nodes} {noun} looked at, nothing found");
    }
    let blocks = found.iter().map(|finding| {
        let Finding { severity, at, what, evidence, remedy, page } = finding;
        let severity = severity.name().to_uppercase();
        format!("{severity}  {at}: {what}\n  evidence  {evidence}\n  to do     {remedy}\n  see       {PAGES}{page}")
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(reports: Value, as_json: bool) -> Result<String, Failure> {
        look(&|_| Ok(reports.to_string()), as_json)
    }

    #[test]
    fn the_exit_code_says_whether_somebody_has_to_act() {
        let node = |level: u32| {
            json!({ "name": "a", "is_voter": true, "report": { "role": "core", "feature_level": level, "feature_levels": [1, 8],
                "backup": { "is_configured": true }}})
        };
        let of = |node: Value, leader: &str| json!({ "leader_id": leader, "nodes": [node], "edges": [] });
        assert_eq!(asked(of(node(8), "1"), false).unwrap(), "all is well: 1 node looked at, nothing found");
        let noted = asked(of(node(7), "1"), false).unwrap();
        assert!(noted.starts_with("NOTE  core: the feature level was not raised"), "{noted}");
        let failed = asked(of(node(8), "0"), false).unwrap_err();
        assert_eq!((failed.outcome, failed.text.as_str()), (Outcome::Refused, "1 problem"));
        let told: Value = serde_json::from_str(&asked(of(node(7), "1"), true).unwrap()).unwrap();
        assert_eq!(told[0]["severity"], "note");
    }

    #[test]
    fn a_node_that_cannot_be_asked_is_the_finding() {
        for (text, remedy) in [
            ("127.0.0.1:1: Connection refused", "whether that node runs"),
            ("NOAUTH Authentication required.", "--password-file"),
            ("NOPERM User x has no permissions", "may not administer"),
            ("ERR unknown subcommand 'REPORT'", "upgrade it"),
        ] {
            let failed = look(&|_| Err(Failure::refused(text)), false).unwrap_err();
            assert!(failed.text.starts_with(text) && failed.text.contains(remedy), "{}", failed.text);
        }
    }
}
