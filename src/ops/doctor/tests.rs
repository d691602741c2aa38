//! Each rule on a report that is well but for one thing; and that every page that is named has that section.

use super::*;
use std::{collections::BTreeSet, fs, path::Path};

const NOW_MS: f64 = 1_800_000_000_000.0;

fn report(name: &str) -> Value {
    json!({
        "name": name, "role": "core", "version": "1", "feature_level": 8, "feature_levels": [3, 8], "uptime_seconds": 5000,
        "unready": null, "is_stopping": false,
        "raft": { "leadership": "leads", "committed": 50_000, "applied": 50_000, "clock_ahead_ms": 3, "divergent_nodes": 0,
            "compared": { "outcome": "equal", "index": 7 }, "is_damaged": false, "raises_feature_level": false },
        "per_second_of_ten": { "refused_writes": 0 },
        "stages": [{ "name": "log_sync", "p50_us": 900 }],
        "clients": { "connected": 5, "max": 100 },
        "memory": { "rss_bytes": 10, "limit_bytes": 100, "dataset_bytes": 5, "maxmemory_bytes": 0, "maxmemory_policy": "noeviction" },
        "store": { "recent_stops": 0, "recent_delays": 0, "is_stopped": false, "background_errors": 0, "pending_compaction_bytes": 0 },
        "disk": { "state": "ok", "left_bytes": 50, "low_bytes": 1, "total_bytes": 100, "refuses_growth": false },
        "backup": { "is_configured": true, "interval_seconds": 3600, "archive_seconds": 10,
            "last": { "taken_at_ms": NOW_MS - 60_000.0 }, "error": null, "restorable_ms": NOW_MS - 5000.0, "archive_error": null },
        "certificates": [{ "port": "clients", "expires_at_seconds": NOW_MS / 1000.0 + 1e7 }],
        "edge": null,
        "access": { "is_open": false, "is_protected": true, "peers_in_the_clear": false },
    })
}

fn reports() -> Value {
    let node = |name: &str| json!({ "id": "1", "name": name, "peer_address": "h:1", "is_voter": true, "why_silent": null, "report": report(name) });
    json!({ "at_ms": NOW_MS, "problem": null, "leader_id": "1", "edges": [],
        "nodes": [node("core-0"), node("core-1"), node("core-2")] })
}

/// What is found once these places are changed.
fn found(changes: &[(&str, Value)]) -> Vec<Finding> {
    let mut all = reports();
    for (path, value) in changes {
        let place = all.pointer_mut(path).unwrap_or_else(|| panic!("{path} is in no report"));
        *place = value.clone();
    }
    examine(&all)
}

/// Every rule: what to change, and words of what is said then.
fn cases() -> Vec<(Vec<(&'static str, Value)>, &'static str)> {
    let one = |path: &'static str, value: Value, what| (vec![(path, value)], what);
    vec![
        one("/leader_id", json!("0"), "no node leads"),
        (
            vec![("/nodes/1/report", Value::Null), ("/nodes/1/why_silent", json!("refused"))],
            "the node does not answer",
        ),
        (
            vec![("/nodes/1/report", Value::Null), ("/nodes/1/why_silent", json!("refused"))],
            "takes the majority away",
        ),
        (
            vec![
                ("/nodes/1/report", Value::Null),
                ("/nodes/1/why_silent", json!("it runs an earlier build, which has no report")),
            ],
            "nothing is known of the node",
        ),
        one("/nodes/2/report/raft/applied", json!(1), "49999 entries behind"),
        one("/nodes/2/report/version", json!("2"), "different builds"),
        (
            (0..3)
                .map(|at| match at {
                    0 => ("/nodes/0/report/feature_level", json!(7)),
                    1 => ("/nodes/1/report/feature_level", json!(7)),
                    _ => ("/nodes/2/report/feature_level", json!(7)),
                })
                .collect(),
            "feature level was not raised",
        ),
        (
            vec![
                ("/nodes/0/report/backup/last", Value::Null),
                ("/nodes/1/report/backup/last", Value::Null),
                ("/nodes/2/report/backup/last", Value::Null),
                ("/nodes/0/report/uptime_seconds", json!(9000)),
            ],
            "backup is too old",
        ),
        (
            vec![
                ("/nodes/0/report/backup/is_configured", json!(false)),
                ("/nodes/1/report/backup/is_configured", json!(false)),
                ("/nodes/2/report/backup/is_configured", json!(false)),
            ],
            "nothing takes backups",
        ),
        one(
            "/edges",
            json!([{ "site": "fra", "name": "edge-fra", "state": "following", "lag_ms": 60_000, "lag_entries": 9 }]),
            "the edge is behind",
        ),
        one("/nodes/0/report/raft/leadership", json!("removed"), "removed from the core"),
        one("/nodes/0/report/is_stopping", json!(true), "is stopping"),
        one("/nodes/0/report/unready", json!("it waits"), "cannot serve"),
        one("/nodes/0/report/per_second_of_ten/refused_writes", json!(3), "too many wait for the log"),
        one("/nodes/0/report/raft/divergent_nodes", json!(1), "the same state"),
        one("/nodes/0/report/raft/compared/outcome", json!("differs"), "the same state"),
        one("/nodes/0/report/raft/is_damaged", json!(true), "is damaged"),
        one("/nodes/0/report/raft/clock_ahead_ms", json!(-60_000), "disagree"),
        one("/nodes/0/report/disk/state", json!("full"), "disk is full"),
        one("/nodes/0/report/disk/state", json!("low"), "almost full"),
        one("/nodes/0/report/disk/state", json!("tight"), "getting full"),
        one("/nodes/0/report/disk/refuses_growth", json!(true), "disks are almost full"),
        one("/nodes/0/report/store/is_stopped", json!(true), "takes no writes"),
        one("/nodes/0/report/store/recent_delays", json!(2), "held up writes"),
        one("/nodes/0/report/store/background_errors", json!(2), "have failed"),
        one("/nodes/0/report/stages/0/p50_us", json!(300_000), "slow to sync"),
        one("/nodes/0/report/memory/rss_bytes", json!(95), "memory limit"),
        one("/nodes/0/report/memory/maxmemory_bytes", json!(5), "maxmemory is reached"),
        (
            vec![
                ("/nodes/0/report/memory/maxmemory_bytes", json!(1000)),
                ("/nodes/0/report/memory/dataset_bytes", json!(960)),
            ],
            "near maxmemory",
        ),
        one("/nodes/0/report/clients/connected", json!(95), "clients are connected"),
        one(
            "/nodes/0/report/certificates/0/expires_at_seconds",
            json!(NOW_MS / 1000.0 + 86_400.0),
            "about to",
        ),
        one("/nodes/0/report/certificates/0/expires_at_seconds", json!(NOW_MS / 1000.0 - 5.0), "has expired"),
        one("/nodes/0/report/certificates/0/expires_at_seconds", Value::Null, "cannot be read"),
        one("/nodes/0/report/backup/error", json!("no such bucket"), "backup of the node failed"),
        one("/nodes/0/report/backup/archive_error", json!("denied"), "cannot be archived"),
        one(
            "/nodes/0/report/backup/restorable_ms",
            json!(NOW_MS - 600_000.0),
            "archive of the log is behind",
        ),
        one(
            "/nodes/0/report/edge",
            json!({ "why": "no route", "lag_ms": 9, "contradictions": 0 }),
            "cut off",
        ),
        one("/nodes/0/report/edge", json!({ "why": null, "lag_ms": 90_000 }), "the edge is behind"),
        (
            vec![
                ("/nodes/0/report/access/is_open", json!(true)),
                ("/nodes/0/report/access/is_protected", json!(false)),
            ],
            "anybody who reaches",
        ),
        one("/nodes/0/report/access/peers_in_the_clear", json!(true), "without TLS"),
    ]
}

#[test]
fn a_core_that_is_well_has_no_findings() {
    assert_eq!(examine(&reports()), []);
    // Nor does what nobody knows make one.
    let mut empty = reports();
    for node in empty["nodes"].as_array_mut().unwrap() {
        node["report"] = json!({ "role": "edge" });
    }
    assert_eq!(examine(&empty), []);
}

#[test]
fn each_rule_finds_its_fault_with_evidence_remedy_and_page() {
    for (changes, wanted) in cases() {
        let found = found(&changes);
        let about: Vec<&Finding> = found.iter().filter(|one| one.what.contains(wanted)).collect();
        let [one] = about.as_slice() else { panic!("{wanted}: {found:#?}") };
        assert!(!one.evidence.is_empty() && !one.remedy.is_empty() && !one.at.is_empty(), "{one:?}");
    }
}

#[test]
fn the_worst_comes_first() {
    let found = found(&[
        ("/nodes/0/report/access/peers_in_the_clear", json!(true)),
        ("/nodes/2/report/disk/state", json!("low")),
        ("/leader_id", json!("0")),
    ]);
    let severities: Vec<Severity> = found.iter().map(|one| one.severity).collect();
    assert_eq!(severities, [Severity::Critical, Severity::Warning, Severity::Note]);
}

/// GitHub's way to name sections.
fn section(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_page_that_is_named_has_that_section() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs");
    let pages: BTreeSet<&str> =
        cases().iter().flat_map(|(changes, _)| found(changes)).map(|one| one.page).collect();
    assert!(pages.len() > 15, "{pages:?}");
    for page in pages {
        let (file, wanted) = page.split_once('#').unwrap();
        let text = fs::read_to_string(docs.join(file)).unwrap();
        let has =
            text.lines().filter_map(|line| line.strip_prefix("## ")).any(|line| section(line) == wanted);
        assert!(has, "{page}");
    }
}

#[test]
fn sizes_and_times_are_for_people() {
    assert_eq!(bytes_text(512.0), "512 B");
    assert_eq!(bytes_text(3.0 * 1024.0 * 1024.0 * 1024.0), "3.0 GiB");
    assert_eq!(bytes_text(5e15), "4547.5 TiB");
    assert_eq!([90.0, 600.0, 9000.0, 864_000.0].map(time_text), ["90 s", "10 min", "2 h", "10 days"]);
}
