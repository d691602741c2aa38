//! Rules about one node, by its own report.

use super::{Finding, Severity, bytes_text, is, list, number, text, time_text};
use serde_json::Value;

const CLOCK_OFF_MS: f64 = 5000.0;
const CERTIFICATE_SOON_SECONDS: f64 = 14.0 * 86_400.0;
/// Shares of a limit.
const MEMORY_HIGH: f64 = 0.9;
const DATA_HIGH: f64 = 0.95;
const CLIENTS_HIGH: f64 = 0.9;
/// A log that usually takes longer to sync makes every write slow.
const SYNC_SLOW_US: f64 = 50_000.0;
/// A restore should come closer to now than so many intervals of archiving, and than a minute.
const ARCHIVE_INTERVALS: f64 = 10.0;
const ARCHIVE_MIN_SECONDS: f64 = 60.0;
const EDGE_LAG_MS: f64 = 10_000.0;

/// Collects findings about one node.
struct Of<'a> {
    name: &'a str,
    found: &'a mut Vec<Finding>,
}

impl Of<'_> {
    fn say(&mut self, severity: Severity, what: &str, evidence: String, remedy: &str, page: &'static str) {
        let (at, what, remedy) = (self.name.to_owned(), what.to_owned(), remedy.to_owned());
        self.found.push(Finding { severity, at, what, evidence, remedy, page });
    }
}

pub(super) fn examine(name: &str, report: &Value, now_ms: f64, found: &mut Vec<Finding>) {
    let of = &mut Of { name, found };
    serves(of, report);
    states(of, report);
    clock(of, report);
    disk(of, report);
    store(of, report);
    memory(of, report);
    clients(of, report);
    certificates(of, report, now_ms);
    backup(of, report, now_ms);
    edge(of, report);
    access(of, report);
}

fn serves(of: &mut Of<'_>, report: &Value) {
    if text(report, "/raft/leadership") == Some("removed") {
        return of.say(
            Severity::Critical,
            "the node was removed from the core and serves nobody",
            "its leadership is 'removed'".into(),
            "stop it, or empty its data directory and let it join again",
            "membership.md#move-replace-and-remove",
        );
    }
    if is(report, "/is_stopping") {
        let (evidence, remedy) = ("it was asked to stop".into(), "wait until it is back");
        return of.say(Severity::Note, "the node is stopping", evidence, remedy, "operating.md#stopping");
    }
    if let Some(why) = text(report, "/unready") {
        of.say(
            Severity::Critical,
            "the node lives but cannot serve",
            why.to_owned(),
            "the reason says what it waits for; its log says more",
            "alerts.md#flotillanodenotready",
        );
    }
    let refused = number(report, "/per_second_of_ten/refused_writes");
    if refused > 0.0 {
        of.say(
            Severity::Warning,
            "writes are refused because too many wait for the log",
            format!("{refused} a second get -TRYAGAIN, {} wait", bytes_text(number(report, "/raft/queued_bytes"))),
            "find out which stage is slow (LATENCY LATEST), or which client writes without waiting for replies",
            "alerts.md#flotillawritesrefused",
        );
    }
}

fn states(of: &mut Of<'_>, report: &Value) {
    let page = "alerts.md#flotillastatesdiffer";
    let differs = text(report, "/raft/compared/outcome") == Some("differs");
    if differs
        || number(report, "/raft/divergent_nodes") > 0.0
        || number(report, "/edge/contradictions") > 0.0
    {
        of.say(
            Severity::Critical,
            "nodes at one log position do not have the same state",
            format!("compared at entry {}", number(report, "/raft/compared/index")),
            "save the logs, run flotilla admin verify, and report it",
            page,
        );
    }
    if is(report, "/raft/is_damaged") {
        of.say(
            Severity::Critical,
            "a file of the node is damaged",
            "its log names the file".into(),
            "none if repair-damaged is on: it takes the data of another node once the others can do without it",
            "operating.md#a-disk-that-is-lost-full-or-damaged",
        );
    }
}

fn clock(of: &mut Of<'_>, report: &Value) {
    let ahead = number(report, "/raft/clock_ahead_ms");
    if ahead.abs() > CLOCK_OFF_MS {
        let direction = if ahead > 0.0 { "ahead of" } else { "behind" };
        of.say(
            Severity::Warning,
            "log time and the node's clock disagree: keys expire by log time",
            format!("log time is {} {direction} this node's clock", time_text(ahead.abs() / 1000.0)),
            "set the clocks of all nodes by NTP; flotilla admin clock says which one is off",
            "alerts.md#flotillaclockoff",
        );
    }
}

fn disk(of: &mut Of<'_>, report: &Value) {
    let (left, low) = (number(report, "/disk/left_bytes"), number(report, "/disk/low_bytes"));
    let total = number(report, "/disk/total_bytes");
    let evidence = format!(
        "{} of {} are left, the disk counts as almost full below {}",
        bytes_text(left),
        bytes_text(total),
        bytes_text(low)
    );
    let page = "operating.md#a-disk-that-is-getting-full";
    let remedy = "enlarge the volume or delete data; DEL, UNLINK, EXPIRE and FLUSHALL go on";
    match text(report, "/disk/state") {
        Some("full") => {
            of.say(Severity::Critical, "the disk is full: the node writes nothing", evidence, remedy, page)
        }
        _ if is(report, "/disk/refuses_growth") => {
            let what = "writes that may make the data grow are refused: disks are almost full";
            of.say(Severity::Critical, what, evidence, remedy, "alerts.md#flotillagrowthrefused")
        }
        Some("low") => of.say(Severity::Warning, "the disk is almost full", evidence, remedy, page),
        Some("tight") => of.say(Severity::Warning, "the disk is getting full", evidence, remedy, page),
        _ => {}
    }
}

fn store(of: &mut Of<'_>, report: &Value) {
    let page = "alerts.md#flotillastorestalls";
    let remedy =
        "its disk does not keep up: see what else uses it, write less, or give the node a faster disk";
    let (stops, delays) = (number(report, "/store/recent_stops"), number(report, "/store/recent_delays"));
    let evidence = format!(
        "stopped {stops} times and slowed {delays} times in ten minutes, {} wait to be compacted",
        bytes_text(number(report, "/store/pending_compaction_bytes"))
    );
    if is(report, "/store/is_stopped") {
        of.say(
            Severity::Critical,
            "the store takes no writes until it has compacted",
            evidence,
            remedy,
            page,
        );
    } else if stops > 0.0 || delays > 0.0 {
        of.say(Severity::Warning, "the store has held up writes", evidence, remedy, page);
    }
    let errors = number(report, "/store/background_errors");
    if errors > 0.0 {
        let what = "flushes or compactions have failed";
        let remedy = "see the node's log and its disk; the store tries again";
        let page = "operating.md#a-disk-that-is-lost-full-or-damaged";
        of.say(Severity::Warning, what, format!("{errors} errors since the store was opened"), remedy, page);
    }
    let sync = list(report, "stages").iter().find(|stage| text(stage, "/name") == Some("log_sync"));
    let usual = sync.map_or(0.0, |stage| number(stage, "/p50_us"));
    if usual > SYNC_SLOW_US {
        of.say(
            Severity::Warning,
            "the disk is slow to sync the log, and every write waits for that",
            format!("half of the last syncs took {:.0} ms or longer", usual / 1000.0),
            "see what else uses the disk, or give the log a faster one",
            "observing.md#stalls",
        );
    }
}

fn memory(of: &mut Of<'_>, report: &Value) {
    let (used, limit) = (number(report, "/memory/rss_bytes"), number(report, "/memory/limit_bytes"));
    if limit > 0.0 && used > limit * MEMORY_HIGH {
        of.say(
            Severity::Warning,
            "the process is near its memory limit, where the kernel kills it",
            format!("it uses {} of {}", bytes_text(used), bytes_text(limit)),
            "raise the limit, or lower block-cache-bytes, hot-cache-bytes or maxmemory-clients",
            "alerts.md#flotillamemoryhigh",
        );
    }
    let (data, most) = (number(report, "/memory/dataset_bytes"), number(report, "/memory/maxmemory_bytes"));
    if most > 0.0 && data >= most * DATA_HIGH {
        let evidence = format!("the data take {} of {}", bytes_text(data), bytes_text(most));
        let page = "caching.md#what-to-watch";
        match text(report, "/memory/maxmemory_policy") {
            Some("noeviction") if data >= most => of.say(
                Severity::Critical,
                "maxmemory is reached: writes that may make the data grow get -OOM",
                evidence,
                "raise maxmemory, delete data, or choose a maxmemory-policy that evicts",
                page,
            ),
            Some("noeviction") => of.say(
                Severity::Warning,
                "the data are near maxmemory, where writes that may make them grow are refused",
                evidence,
                "raise maxmemory, delete data, or choose a maxmemory-policy that evicts",
                page,
            ),
            _ => {}
        }
    }
}

fn clients(of: &mut Of<'_>, report: &Value) {
    let (connected, most) = (number(report, "/clients/connected"), number(report, "/clients/max"));
    if most > 0.0 && connected >= most * CLIENTS_HIGH {
        of.say(
            Severity::Warning,
            "almost as many clients are connected as may be",
            format!("{connected} of {most}"),
            "find clients that do not reuse connections (CLIENT LIST), set timeout, or raise maxclients",
            "alerts.md#flotillaconnectionsrejected",
        );
    }
}

fn certificates(of: &mut Of<'_>, report: &Value, now_ms: f64) {
    for one in list(report, "certificates") {
        let port = text(one, "/port").unwrap_or("?");
        let page = "alerts.md#flotillacertificateexpires";
        let remedy = "replace the files of certificate and key; they are read again by themselves";
        let Some(at) = one.get("expires_at_seconds").and_then(Value::as_f64) else {
            let evidence = format!("the certificate for {port}");
            of.say(Severity::Warning, "a certificate's file cannot be read", evidence, remedy, page);
            continue;
        };
        let left = at - now_ms / 1000.0;
        if left <= 0.0 {
            let evidence = format!("the one for {port}, {} ago", time_text(-left));
            of.say(Severity::Critical, "a certificate has expired", evidence, remedy, page);
        } else if left < CERTIFICATE_SOON_SECONDS {
            let evidence = format!("the one for {port}, in {}", time_text(left));
            of.say(Severity::Warning, "a certificate is about to expire", evidence, remedy, page);
        }
    }
}

fn backup(of: &mut Of<'_>, report: &Value, now_ms: f64) {
    let page = "backup.md#see-them";
    if let Some(error) = text(report, "/backup/error") {
        let remedy = "mend what the error names, then take one: flotilla admin backup";
        of.say(Severity::Warning, "the last backup of the node failed", error.to_owned(), remedy, page);
    }
    if let Some(error) = text(report, "/backup/archive_error") {
        let remedy = "mend what the error names; until then a restore cannot reach what is written now";
        of.say(Severity::Warning, "the log cannot be archived", error.to_owned(), remedy, page);
        return;
    }
    let (every, until) = (number(report, "/backup/archive_seconds"), number(report, "/backup/restorable_ms"));
    let age = (now_ms - until) / 1000.0;
    let leads = text(report, "/raft/leadership") == Some("leads");
    if leads && every > 0.0 && until > 0.0 && age > ARCHIVE_MIN_SECONDS.max(every * ARCHIVE_INTERVALS) {
        of.say(
            Severity::Warning,
            "the archive of the log is behind",
            format!("a restore reaches {} ago, archive-interval is {}", time_text(age), time_text(every)),
            "look at the object store and at backup-bytes-per-second",
            page,
        );
    }
}

/// An edge as it sees itself.
fn edge(of: &mut Of<'_>, report: &Value) {
    let Some(edge) = report.get("edge").filter(|edge| edge.is_object()) else { return };
    let lag_ms = number(edge, "/lag_ms");
    let lag = format!("{} and {} entries behind", time_text(lag_ms / 1000.0), number(edge, "/lag_entries"));
    if let Some(why) = text(edge, "/why") {
        of.say(
            Severity::Critical,
            "the edge is cut off from the core; it serves what it has",
            format!("{why}; {lag}"),
            "look at the network to the upstreams, at certificates and at the builds of core and edge",
            "edge.md#cut-off-from-the-core",
        );
    } else if lag_ms > EDGE_LAG_MS {
        let remedy = "look at the network to the core and at the rate of writes";
        let page = "alerts.md#flotillaedgebehind";
        of.say(Severity::Warning, "the edge is behind the core", lag, remedy, page);
    }
}

fn access(of: &mut Of<'_>, report: &Value) {
    if is(report, "/access/is_open") && !is(report, "/access/is_protected") {
        of.say(
            Severity::Warning,
            "anybody who reaches the client port may do everything",
            "the user default has no password, and protected-mode is off".into(),
            "set requirepass-file, or users with least privilege",
            "users.md#the-user-default",
        );
    }
    if is(report, "/access/peers_in_the_clear") {
        of.say(
            Severity::Note,
            "nodes talk to each other without TLS",
            "no peer certificate is configured, and the node listens beyond loopback".into(),
            "give the nodes certificates, unless the network between them is trusted",
            "membership.md#tls-between-nodes",
        );
    }
}
