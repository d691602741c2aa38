//! A restore stops where it was told to: everything of before is there, nothing of after.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use resp_tests::dice::Dice;
use resp_tests::server::{Server, Stop};
use resp_tests::support::{admin, call, eventually, number, seed, variable};
use resp_tests::value::Value;

use super::stage::{Store, flotilla, keeps, said, start, start_on, status};

/// Appends the log time of its entry, which is what a restore goes by.
const APPEND: &str = "local t = redis.call('TIME') local ms = t[1] * 1000 + math.floor(t[2] / 1000) \
                      redis.call('RPUSH', KEYS[1], string.format('%.0f', ms)) return redis.call('LLEN', KEYS[1])";

fn list(node: &Server) -> Vec<u64> {
    let mut connection = node.connect().unwrap();
    let Value::Array(all) = call(&mut connection, &["LRANGE", "times", "0", "-1"]) else {
        panic!("no array")
    };
    let text = |value: &Value| match value {
        Value::Bulk(text) => String::from_utf8_lossy(text).parse().unwrap(),
        other => panic!("{other:?}"),
    };
    all.iter().map(text).collect()
}

#[test]
fn a_restore_to_a_moment_has_all_of_before_and_nothing_of_after() {
    let mut dice = Dice::new(seed("BACKUP_SEED"));
    let store = Store::new();
    let mut node = start(&store, &["--archive-interval", "1"]);
    super::fill(&node, 0..200);
    said(&admin(&node, &["backup"]));
    // Writes go on, while another backup is taken, and the log is archived.
    let (done, port) = (AtomicBool::new(false), node.port);
    let revisions: Vec<(i64, i64)> = thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut connection = resp_tests::connection::Connection::open(port).unwrap();
            let mut revisions = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let len = number(&call(&mut connection, &["EVAL", APPEND, "1", "times"]));
                revisions.push((number(&call(&mut connection, &["LASTREV"])), len));
                thread::sleep(Duration::from_millis(1));
            }
            revisions
        });
        thread::sleep(Duration::from_secs(3));
        said(&admin(&node, &["backup"]));
        thread::sleep(Duration::from_secs(3));
        done.store(true, Ordering::Relaxed);
        writing.join().unwrap()
    });
    let all = list(&node);
    assert!(all.len() > 50 && all.is_sorted(), "{} times", all.len());
    let last = revisions.last().unwrap().0;
    eventually("all is archived", || status(&node)["archived_revision"].as_i64() >= Some(last));
    node.stop(Stop::Kill).unwrap();

    let moments = variable("BACKUP_MOMENTS").unwrap_or(20);
    for moment in 0..moments {
        let at = all[dice.below(all.len() as u64) as usize];
        let (revision, len) = revisions[dice.below(revisions.len() as u64) as usize];
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let (at_text, revision_text) = (at.to_string(), revision.to_string());
        let by_time = moment % 2 == 0;
        let until = if by_time { ["--to-time", &at_text] } else { ["--to-revision", &revision_text] };
        let words =
            ["restore", "--from", store.url(), "--data-dir", data.to_str().unwrap(), until[0], until[1]];
        let told = said(&flotilla(&words));
        let expected: Vec<u64> = match by_time {
            true => all.iter().copied().filter(|time| *time <= at).collect(),
            false => all[..len as usize].to_vec(),
        };
        let found = list(&start_on(&data, &[]));
        assert_eq!(found.len(), expected.len(), "{until:?}: {told}");
        assert!(found == expected, "{until:?}: {told}");
    }
    // All there is, without a moment.
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    said(&flotilla(&["restore", "--from", store.url(), "--data-dir", data.to_str().unwrap()]));
    assert_eq!(list(&start_on(&data, &[])), all);
    // Before the first backup, and after the end.
    for (until, why) in [
        (["--to-time", "1000"], "no backup is old enough"),
        (["--to-revision", "999999999"], "ends at revision"),
    ] {
        let data = home.path().join("other");
        let words =
            ["restore", "--from", store.url(), "--data-dir", data.to_str().unwrap(), until[0], until[1]];
        let refused = flotilla(&words);
        assert!(!refused.status.success() && keeps(&refused, why), "{refused:?}");
        drop(std::fs::remove_dir_all(&data));
    }
}
