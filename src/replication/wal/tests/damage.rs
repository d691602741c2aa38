//! Bytes that do not read back as written are refused: with file, offset and index, never shortened.

use crate::{
    replication::wal::{
        error::LogError,
        hard_state,
        tests::support::{
            ONE, SMALL, all, append, entries, entry, open, overwrite, purge, refusal, segments, written,
        },
    },
    store::LogId,
};
use std::fs;

#[test]
fn every_flipped_bit_is_refused_wherever_it_is() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &ONE);
    append(&log, &entries(0..2, 1));
    append(&log, &[entry(2, 1, &[b'x'; 600])]);
    append(&log, &entries(3..4, 2));
    drop(log);
    let file = segments(home.path())[0].clone();
    let whole = written(&file);
    // The unused end of the segment's header is covered by nothing.
    for byte in (0..whole.len()).filter(|byte| !(44..64).contains(byte)) {
        // Of a long run of payload bytes one bit each will do.
        let bits = if (250..700).contains(&byte) { byte % 8..byte % 8 + 1 } else { 0..8 };
        for bit in bits {
            let mut bytes = whole.clone();
            bytes[byte] ^= 1 << bit;
            overwrite(&file, &bytes);
            let error = refusal(home.path(), &ONE);
            let text = error.to_string();
            // Of a bit that says which version it is as well: no newer program would mend it.
            assert!(matches!(error, LogError::Damaged { .. }), "{byte}.{bit}: {text}");
            assert!(text.contains("0000000000000001.seg"), "{text}");
        }
    }
    overwrite(&file, &whole);
    assert_eq!(all(&open(home.path(), &ONE)).len(), 4, "refusing must not have changed anything");
}

#[test]
fn the_refusal_names_the_place_and_the_last_good_entry() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &ONE);
    append(&log, &entries(0..5, 1));
    let offset = written(&segments(home.path())[0]).len();
    append(&log, &entries(5..9, 1));
    drop(log);
    let file = segments(home.path())[0].clone();
    let mut bytes = written(&file);
    bytes[offset + 40] ^= 1;
    overwrite(&file, &bytes);
    let text = refusal(home.path(), &ONE).to_string();
    assert!(text.contains(&format!("damaged at byte {offset}")) && text.contains("after entry 4"), "{text}");
}

#[test]
fn a_synced_record_that_looks_torn_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &ONE);
    append(&log, &entries(0..2, 1));
    let from = written(&segments(home.path())[0]).len();
    append(&log, &[entry(2, 1, &[b'x'; 2000])]);
    let to = written(&segments(home.path())[0]).len();
    append(&log, &entries(3..4, 1));
    drop(log);
    let file = segments(home.path())[0].clone();
    let whole = written(&file);
    // Zeros as a lost write leaves them, but a later batch says that this place had been synced.
    let mut bytes = whole.clone();
    bytes[from + 600..to].fill(0);
    overwrite(&file, &bytes);
    let text = refusal(home.path(), &ONE).to_string();
    assert!(text.contains("after these bytes were synced"), "{text}");
    bytes[from..to].fill(0);
    overwrite(&file, &bytes);
    refusal(home.path(), &ONE);
}

#[test]
fn a_torn_tail_before_a_later_segment_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &SMALL);
    for index in 0..60 {
        append(&log, &entries(index..index + 1, 1));
    }
    drop(log);
    let file = segments(home.path())[1].clone();
    let whole = written(&file);
    overwrite(&file, &whole[..whole.len() - 3]);
    let text = refusal(home.path(), &SMALL).to_string();
    assert!(text.contains("later segment") && text.contains("0000000000000002.seg"), "{text}");
    overwrite(&file, &whole);
    assert_eq!(all(&open(home.path(), &SMALL)), entries(0..60, 1));
}

#[test]
fn missing_files_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &SMALL);
    for index in 0..60 {
        append(&log, &entries(index..index + 1, 1));
    }
    drop(log);
    for (nth, expect) in [(0, "earlier segments are missing"), (1, "segment 2 is missing")] {
        let file = segments(home.path())[nth].clone();
        let away = home.path().join("away");
        fs::rename(&file, &away).unwrap();
        let text = refusal(home.path(), &SMALL).to_string();
        assert!(text.contains(expect), "{text}");
        fs::rename(&away, &file).unwrap();
    }
    fs::remove_file(hard_state::path_in(home.path())).unwrap();
    let text = refusal(home.path(), &SMALL).to_string();
    assert!(text.contains("STATE") && text.contains("vote"), "{text}");
}

#[test]
fn a_log_that_lost_entries_behind_the_purge_marker_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &SMALL);
    for index in 0..60 {
        append(&log, &entries(index..index + 1, 1));
    }
    purge(&log, LogId { term: 1, index: 20 });
    drop(log);
    let oldest = segments(home.path())[0].clone();
    fs::remove_file(oldest).unwrap();
    let text = refusal(home.path(), &SMALL).to_string();
    assert!(text.contains("follows 20"), "{text}");
}

#[test]
fn a_newer_record_version_is_refused_as_such() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &ONE);
    append(&log, &entries(0..2, 1));
    drop(log);
    let file = segments(home.path())[0].clone();
    let whole = written(&file);
    let salt = u32::from_le_bytes(whole[12..16].try_into().unwrap());
    // The last record again, as a program of version 2 would have written it.
    let start = whole.len() - (whole.len() - 64) / 2;
    let mut bytes = whole.clone();
    bytes[start + 1] = 2;
    let crc = crc32c::crc32c_append(salt, &bytes[start..start + 31]);
    bytes[start + 31..start + 35].copy_from_slice(&crc.to_le_bytes());
    overwrite(&file, &bytes);
    let error = refusal(home.path(), &ONE);
    assert!(matches!(error, LogError::Newer { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn an_entry_damaged_while_the_log_is_open_is_not_served() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &SMALL);
    for index in 0..60 {
        append(&log, &entries(index..index + 1, 1));
    }
    let file = segments(home.path())[0].clone();
    let mut bytes = written(&file);
    bytes[64 + 40] ^= 1;
    overwrite(&file, &bytes);
    let text = log.read(0, 1, usize::MAX).unwrap_err().to_string();
    assert!(text.contains("entry 0 does not read back as written"), "{text}");
    assert_eq!(log.read(1, 60, usize::MAX).unwrap(), entries(1..60, 1));
}
