//! A write that a crash cut short is dropped: nobody was told of it. Everything before it stays.

use crate::replication::wal::tests::support::{
    ONE, all, append, entries, entry, open, overwrite, refusal, segments, written,
};
use std::fs;

#[test]
fn a_tail_cut_at_any_byte_is_dropped_and_the_log_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &ONE);
    append(&log, &entries(0..3, 1));
    let before = written(&segments(home.path())[0]).len();
    append(&log, &[entry(3, 1, &[b'x'; 540])]);
    drop(log);
    let file = segments(home.path())[0].clone();
    let whole = written(&file);
    let full = fs::read(&file).unwrap();
    for cut in before..whole.len() {
        fs::write(&file, &full).unwrap();
        overwrite(&file, &whole[..cut]);
        let log = open(home.path(), &ONE);
        assert_eq!(all(&log), entries(0..3, 1), "cut at {cut}");
        if cut % 10 == 0 {
            append(&log, &entries(3..5, 2));
            drop(log);
            let log = open(home.path(), &ONE);
            assert_eq!(all(&log)[3..], entries(3..5, 2), "cut at {cut}");
        } else {
            drop(log);
        }
        // The same with a file that ends there.
        fs::write(&file, &whole[..cut]).unwrap();
        assert_eq!(all(&open(home.path(), &ONE)), entries(0..3, 1), "file of {cut} bytes");
    }
    fs::write(&file, &full).unwrap();
    assert_eq!(all(&open(home.path(), &ONE)).len(), 4);
}

#[test]
fn any_subset_of_unwritten_sectors_of_the_last_batch_drops_it_from_there() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &ONE);
    append(&log, &entries(0..3, 1));
    let synced = written(&segments(home.path())[0]).len();
    // One batch of several records: those after a hole are whole, and must not pass for proof of a sync.
    append(&log, &(3..11).map(|index| entry(index, 1, &[index as u8; 300])).collect::<Vec<_>>());
    drop(log);
    let file = segments(home.path())[0].clone();
    let whole = written(&file);
    let first_sector = synced / 512;
    let sectors = whole.len().div_ceil(512) - first_sector;
    assert!((4..12).contains(&sectors));
    for missing in 1_u32..1 << sectors {
        let mut bytes = whole.clone();
        for sector in (0..sectors).filter(|sector| missing & (1 << sector) != 0) {
            let from = ((first_sector + sector) * 512).max(synced);
            let to = ((first_sector + sector + 1) * 512).min(bytes.len());
            bytes[from..to].fill(0);
        }
        overwrite(&file, &bytes);
        let log = open(home.path(), &ONE);
        let kept = all(&log);
        assert_eq!(kept[..3], entries(0..3, 1), "missing {missing:b}");
        assert!(kept.len() < 11 && kept[3..].iter().all(|kept| kept.payload[..] == [kept.index as u8; 300]));
    }
}

#[test]
fn garbage_after_the_last_record_is_dropped_unless_it_was_written_whole() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path(), &ONE);
    append(&log, &entries(0..3, 1));
    drop(log);
    let file = segments(home.path())[0].clone();
    let whole = written(&file);
    let with = |garbage: &[u8]| {
        overwrite(&file, &[&whole[..], garbage].concat());
    };
    with(&[0, 0, 0, 7, 0, 0]);
    assert_eq!(all(&open(home.path(), &ONE)), entries(0..3, 1));
    assert_eq!(written(&file), whole, "the garbage must be gone, or a shorter batch would leave some of it");
    with(&[0x55; 200]);
    assert!(refusal(home.path(), &ONE).to_string().contains("header checksum"));
}
