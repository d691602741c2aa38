//! Rules about all nodes together.

use super::{Finding, Severity, is, list, number, text, time_text};
use serde_json::Value;

/// Behind by so many entries a node is not merely about to apply them.
const BEHIND_ENTRIES: f64 = 10_000.0;
/// An edge that is further behind than this has trouble.
const EDGE_LAG_MS: f64 = 10_000.0;

fn finding(severity: Severity, at: &str, what: String, page: &'static str) -> Finding {
    Finding { severity, at: at.to_owned(), what, evidence: String::new(), remedy: String::new(), page }
}

pub(super) fn examine(reports: &Value) -> Vec<Finding> {
    let nodes = list(reports, "nodes");
    let mut found = Vec::new();
    leader(reports, nodes, &mut found);
    silent(nodes, &mut found);
    behind(nodes, &mut found);
    levels(nodes, &mut found);
    backups(reports, nodes, &mut found);
    for edge in list(reports, "edges") {
        edge_of(edge, &mut found);
    }
    found
}

fn leader(reports: &Value, nodes: &[Value], found: &mut Vec<Finding>) {
    let has_leader = text(reports, "/leader_id").is_some_and(|id| id != "0");
    let is_alone = nodes.len() == 1 && nodes.iter().all(|node| !is(node, "/is_voter"));
    if has_leader || is_alone {
        return;
    }
    let why = text(reports, "/problem").unwrap_or("no node says that it leads");
    found.push(Finding {
        evidence: why.to_owned(),
        remedy: "bring nodes back until a majority of the voters runs and reaches each other at the peer port; if they are lost \
                 for good, recover"
            .into(),
        ..finding(
            Severity::Critical,
            "core",
            "no node leads: writes and linearizable reads fail".into(),
            "alerts.md#flotillanoleader",
        )
    });
}

fn silent(nodes: &[Value], found: &mut Vec<Finding>) {
    let voters: Vec<&Value> = nodes.iter().filter(|node| is(node, "/is_voter")).collect();
    for node in nodes {
        let Some(why) = text(node, "/why_silent") else { continue };
        let name = text(node, "/name").unwrap_or("a node");
        if is_of_earlier_build(node) {
            found.push(Finding {
                evidence: why.to_owned(),
                remedy: "finish the upgrade; until then ask that node itself".into(),
                ..finding(
                    Severity::Note,
                    name,
                    "nothing is known of the node".into(),
                    "operating.md#upgrading",
                )
            });
            continue;
        }
        let at = text(node, "/peer_address").unwrap_or("an unknown address");
        found.push(Finding {
            evidence: format!("asked at {at}: {why}"),
            remedy: format!(
                "see whether it runs and the end of its log; if it is gone for good: flotilla admin remove {name}"
            ),
            ..finding(Severity::Warning, name, "the node does not answer".into(), "alerts.md#flotillanodedown")
        });
    }
    let is_well = |node: &&&Value| text(node, "/why_silent").is_none() || is_of_earlier_build(node);
    let well = voters.iter().filter(is_well).count();
    let majority = voters.len() / 2 + 1;
    if voters.len() > 2 && well == majority {
        found.push(Finding {
            evidence: format!("{well} of {} voters answer, and {majority} are needed", voters.len()),
            remedy: "bring the others back before anything is restarted or drained".into(),
            ..finding(
                Severity::Warning,
                "core",
                "one more failure takes the majority away".into(),
                "alerts.md#flotillanosparenode",
            )
        });
    }
}

fn is_of_earlier_build(node: &Value) -> bool {
    text(node, "/why_silent").is_some_and(|why| why.contains("earlier build"))
}

fn behind(nodes: &[Value], found: &mut Vec<Finding>) {
    let committed = nodes.iter().map(|node| number(node, "/report/raft/committed")).fold(0.0, f64::max);
    for node in nodes.iter().filter(|node| node.pointer("/report/raft").is_some()) {
        let applied = number(node, "/report/raft/applied");
        if committed - applied <= BEHIND_ENTRIES {
            continue;
        }
        let name = text(node, "/name").unwrap_or("a node");
        found.push(Finding {
            evidence: format!("it has applied entry {applied} of {committed}"),
            remedy: "wait if it has just come back; otherwise compare its disk with the others'".into(),
            ..finding(
                Severity::Warning,
                name,
                format!("the node is {} entries behind", committed - applied),
                "alerts.md#flotillanodebehind",
            )
        });
    }
}

/// The feature level, and the builds that run.
fn levels(nodes: &[Value], found: &mut Vec<Finding>) {
    let reports: Vec<&Value> = nodes.iter().filter_map(|node| node.get("report")).collect();
    let mut versions: Vec<&str> = reports.iter().filter_map(|report| text(report, "/version")).collect();
    versions.sort_unstable();
    versions.dedup();
    if versions.len() > 1 {
        found.push(Finding {
            evidence: format!("versions {}", versions.join(", ")),
            remedy: "finish the upgrade: all nodes should run one build".into(),
            ..finding(Severity::Note, "core", "nodes run different builds".into(), "operating.md#upgrading")
        });
        return;
    }
    let all_speak = nodes.iter().all(|node| text(node, "/why_silent").is_none());
    let newest = reports.iter().map(|report| number(report, "/feature_levels/1")).fold(f64::MAX, f64::min);
    let active = reports.iter().map(|report| number(report, "/feature_level")).fold(0.0, f64::max);
    let by_itself = reports.iter().any(|report| is(report, "/raft/raises_feature_level"));
    let is_core = reports.iter().any(|report| text(report, "/role") == Some("core"));
    if is_core && all_speak && !reports.is_empty() && active > 0.0 && newest > active && !by_itself {
        found.push(Finding {
            evidence: format!("level {active} is active, all nodes understand {newest}"),
            remedy: "flotilla admin upgrade finish; after that no earlier build can open the data".into(),
            ..finding(
                Severity::Note,
                "core",
                "the feature level was not raised: newer commands are refused".into(),
                "operating.md#upgrading",
            )
        });
    }
}

/// The leader takes backups, but any node may have been asked for one.
fn backups(reports: &Value, nodes: &[Value], found: &mut Vec<Finding>) {
    let of = |path: &'static str| nodes.iter().map(move |node| number(node, path));
    let interval = of("/report/backup/interval_seconds").fold(0.0, f64::max);
    let newest = of("/report/backup/last/taken_at_ms").fold(0.0, f64::max);
    let up = of("/report/uptime_seconds").fold(0.0, f64::max);
    let age = (number(reports, "/at_ms") - newest) / 1000.0;
    let (is_old, evidence) = match newest > 0.0 {
        true => (age > 2.0 * interval, format!("the last one was taken {} ago", time_text(age))),
        false => {
            (up > 2.0 * interval, format!("none was taken since the nodes started {} ago", time_text(up)))
        }
    };
    if interval > 0.0 && is_old {
        found.push(Finding {
            evidence: format!("{evidence}, backup-interval is {}", time_text(interval)),
            remedy: "look for the reason in flotilla admin backup --status and the leader's log, then take one: flotilla admin \
                     backup"
                .into(),
            ..finding(Severity::Warning, "core", "the last backup is too old".into(), "backup.md#see-them")
        });
    }
    let is_core = nodes.iter().any(|node| text(node, "/report/role") == Some("core"));
    let is_configured = nodes.iter().any(|node| is(node, "/report/backup/is_configured"));
    if is_core && !is_configured {
        found.push(Finding {
            evidence: "backup-to is empty on all nodes".into(),
            remedy: "set backup-to and backup-interval".into(),
            ..finding(Severity::Note, "core", "nothing takes backups".into(), "backup.md#take-them")
        });
    }
}

/// An edge as the core sees it.
fn edge_of(edge: &Value, found: &mut Vec<Finding>) {
    let (site, name) = (text(edge, "/site").unwrap_or("?"), text(edge, "/name").unwrap_or("?"));
    let (lag_ms, state) = (number(edge, "/lag_ms"), text(edge, "/state").unwrap_or("unknown"));
    if lag_ms <= EDGE_LAG_MS {
        return;
    }
    found.push(Finding {
        evidence: format!(
            "{name} is {} and {} entries behind, its state is {state}",
            time_text(lag_ms / 1000.0),
            number(edge, "/lag_entries")
        ),
        remedy: "look at the network between core and site, and at the rate of writes; the site serves what it has".into(),
        ..finding(
            Severity::Warning,
            &format!("edge {site}"),
            "the edge is behind the core".into(),
            "alerts.md#flotillafededgebehind",
        )
    });
}
