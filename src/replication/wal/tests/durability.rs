//! Votes, truncations and purges hold after a reopening, and callbacks come in order.

use crate::{
    replication::wal::{
        file::SegmentOptions,
        hard_state::VoteRecord,
        log::Retention,
        tests::support::{
            ONE, SMALL, all, append, entries, entry, open, purge, save_vote, segments, truncate_after,
            written,
        },
    },
    store::LogId,
    time::monotonic_ms,
};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

#[test]
fn a_vote_is_there_after_a_crash() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &ONE);
    assert_eq!(log.vote(), None);
    for vote in [
        VoteRecord { term: 1, node_id: 7, committed: false },
        VoteRecord { term: 1, node_id: 7, committed: true },
        VoteRecord { term: 2, node_id: 9, committed: false },
    ] {
        save_vote(&log, vote);
        assert_eq!(log.vote(), Some(vote));
        // The state file as a crash now would leave it.
        let crashed = tempfile::tempdir().unwrap();
        std::fs::copy(home.path().join("STATE"), crashed.path().join("STATE")).unwrap();
        assert_eq!(open(crashed.path(), &ONE).vote(), Some(vote));
    }
}

#[test]
fn what_was_truncated_stays_away() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..4_u64 {
        let log = open(home.path(), &SMALL);
        let term = round * 2 + 1;
        let start = log.state().1.map_or(0, |last| last.index + 1);
        for index in start..40 {
            append(&log, &entries(index..index + 1, term));
        }
        truncate_after(&log, Some(LogId { term: 1, index: 9 }));
        assert_eq!(all(&log).len(), 10);
        drop(log);
        let log = open(home.path(), &SMALL);
        assert_eq!(all(&log), entries(0..10, 1), "round {round}");
        assert_eq!(log.state().1, Some(LogId { term: 1, index: 9 }));
        append(&log, &entries(10..12, term + 1));
        drop(log);
        let log = open(home.path(), &SMALL);
        assert_eq!(all(&log)[10..], entries(10..12, term + 1));
        truncate_after(&log, Some(LogId { term: 1, index: 9 }));
    }
    let log = open(home.path(), &SMALL);
    truncate_after(&log, None);
    assert_eq!((all(&log), log.state()), (vec![], (None, None)));
    drop(log);
    assert_eq!(open(home.path(), &SMALL).state(), (None, None));
}

#[test]
fn a_purge_deletes_whole_segments_and_holds() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &SMALL);
    for index in 0..100 {
        append(&log, &entries(index..index + 1, 1));
    }
    let (first, bytes) = (segments(home.path()).swap_remove(0), log.bytes());
    let upto = LogId { term: 1, index: 49 };
    purge(&log, upto);
    assert_eq!(all(&log), entries(50..100, 1));
    assert_eq!(log.state(), (Some(upto), Some(LogId { term: 1, index: 99 })));
    assert!(log.bytes() < bytes);
    drop(log);
    // Not counted: the next segment may be made ready meanwhile.
    assert!(!first.exists());
    let log = open(home.path(), &SMALL);
    assert_eq!(all(&log), entries(50..100, 1));
    // Beyond the end, as after a snapshot from the leader: the log goes on behind it.
    let upto = LogId { term: 3, index: 500 };
    purge(&log, upto);
    assert_eq!((all(&log), log.state()), (vec![], (Some(upto), Some(upto))));
    append(&log, &entries(501..503, 3));
    drop(log);
    assert_eq!(all(&open(home.path(), &SMALL)), entries(501..503, 3));
}

#[test]
fn the_purge_point_keeps_what_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &SMALL);
    for index in 0..100 {
        append(&log, &entries(index..index + 1, 1));
    }
    assert_eq!(log.purge_point(&Retention::of_bytes(u64::MAX)), None);
    let point = log.purge_point(&Retention::of_bytes(4000)).unwrap();
    purge(&log, LogId { term: 1, index: point });
    assert!((4000..4000 + 2048).contains(&log.bytes()), "{} bytes left", log.bytes());
    assert_eq!(log.purge_point(&Retention::of_bytes(4000)), None);
    let hour = Duration::from_secs(3600);
    let keep = |age, bytes_max| log.purge_point(&Retention { bytes: 100, age, bytes_max });
    assert_eq!(keep(hour, u64::MAX), None);
    // Recent, but more than may be kept for that.
    assert!(keep(hour, 2000).is_some());
    // The file system's times, by a wall clock, do not count.
    for file in std::fs::read_dir(home.path()).unwrap() {
        let file = std::fs::File::open(file.unwrap().path()).unwrap();
        file.set_modified(std::time::SystemTime::now() - 2 * hour).unwrap();
    }
    assert_eq!(keep(hour, u64::MAX), None);
    // Old by an hour.
    let later_ms = monotonic_ms() + 3_600_001;
    let retention = Retention { bytes: 100, age: hour, bytes_max: u64::MAX };
    assert!(log.purge_point_at(&retention, later_ms).is_some());
    assert_eq!(log.purge_point_at(&retention, later_ms - 3_500_000), None);
}

#[test]
fn a_record_larger_than_a_segment_gets_its_own() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &SMALL);
    let large: Vec<u8> = (0..20_000_u32).map(|n| n as u8).collect();
    append(&log, &[entry(0, 1, b"small"), entry(1, 1, &large), entry(2, 1, b"small"), entry(3, 1, &large)]);
    drop(log);
    let log = open(home.path(), &SMALL);
    assert_eq!(all(&log).iter().map(|entry| entry.payload.len()).collect::<Vec<_>>(), [5, 20_000, 5, 20_000]);
    assert_eq!(all(&log)[3].payload[..], large[..]);
}

#[test]
fn callbacks_run_in_order_and_only_when_the_bytes_are_in_the_file() {
    let home = tempfile::tempdir().unwrap();
    let options = SegmentOptions { cache_bytes: 0, ..ONE };
    let log = open(home.path(), &options);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (done, finished) = mpsc::channel();
    for index in 0..200 {
        let (seen, done, directory) = (Arc::clone(&seen), done.clone(), home.path().to_path_buf());
        let payload = format!("the entry with number {index}.");
        let expected = payload.clone();
        log.append(
            vec![entry(index, 1, payload.as_bytes())],
            Box::new(move || {
                let there = segments(&directory).iter().any(|file| {
                    written(file).windows(expected.len()).any(|window| window == expected.as_bytes())
                });
                seen.lock().unwrap().push((index, there));
                done.send(()).unwrap();
            }),
        )
        .unwrap();
        // Readable at once, durable or not.
        assert_eq!(log.read(index, index + 1, usize::MAX).unwrap().len(), 1);
    }
    drop(log);
    assert_eq!(finished.try_iter().count(), 200);
    let seen = seen.lock().unwrap();
    assert!(seen.iter().enumerate().all(|(n, (index, there))| n as u64 == *index && *there));
}

#[test]
fn reads_stop_at_the_byte_limit_but_make_progress() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &SMALL);
    append(&log, &(0..10).map(|index| entry(index, 1, &[b'x'; 100])).collect::<Vec<_>>());
    assert_eq!(log.read(0, 10, 350).unwrap().len(), 3);
    assert_eq!(log.read(4, 10, 1).unwrap().len(), 1);
    assert_eq!(log.read(8, 99, usize::MAX).unwrap().len(), 2);
    assert_eq!(log.read(10, 99, usize::MAX).unwrap().len(), 0);
}

#[test]
fn entries_that_leave_a_gap_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &ONE);
    append(&log, &entries(0..2, 1));
    assert!(log.append(entries(3..4, 1), Box::new(|| panic!("refused"))).is_err());
    append(&log, &entries(2..3, 1));
}

/// A segment that held only truncated entries was deleted although the purge had not passed them: at the next open the
/// truncated entries of the segment after it looked like a gap.
#[test]
fn a_segment_of_truncated_entries_outlives_a_purge_below_them() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &SMALL);
    append(&log, &entries(0..5, 1));
    let upto = LogId { term: 2, index: 5 };
    purge(&log, upto);
    for index in 6..40 {
        append(&log, &entries(index..index + 1, 2));
    }
    truncate_after(&log, Some(upto));
    drop(log);
    for _ in 0..3 {
        assert_eq!(open(home.path(), &SMALL).state(), (Some(upto), Some(upto)));
    }
    let log = open(home.path(), &SMALL);
    append(&log, &entries(6..60, 3));
    purge(&log, LogId { term: 3, index: 50 });
    drop(log);
    assert_eq!(all(&open(home.path(), &SMALL)), entries(51..60, 3));
}
