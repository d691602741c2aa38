//! The record's bytes, and those of earlier builds.

use super::*;

#[test]
fn round_trips_and_refuses_what_is_cut_or_newer() {
    let levels = [feature_level::INITIAL, feature_level::SUMS, feature_level::SCRIPTS, feature_level::SIZES];
    for level in levels {
        let applied = Some(LogId { term: 2, index: 9 });
        let mut state = StateRecord { applied, last_at: 7, ..Default::default() };
        state.raise(level);
        if level >= feature_level::SCRIPTS {
            let system = state.database_mut(SYSTEM_DATABASE);
            (system.keys, system.row_sum) = (3, 12);
        }
        state.database_mut(3).keys = 5;
        if state.keeps_sums() {
            let database = state.database_mut(3);
            (database.row_sum, database.is_summed) = (9, true);
            state.change_sum = 11;
        }
        if state.counts_bytes() {
            (state.database_mut(3).bytes, state.database_mut(5).is_counted) = (13, false);
            assert!(state.bytes() == 13 && !state.is_counted() && state.database(4).is_counted);
        }
        state.swap(3, 4);
        let bytes = state.encode();
        assert_eq!(StateRecord::decode(&bytes).expect("decodes"), state);
        for cut in 0..bytes.len() {
            assert!(StateRecord::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let newer = [&[VERSION + 1], &bytes[1..]].concat();
        let refused = StateRecord::decode(&newer).unwrap_err();
        assert!(matches!(refused, StoreError::NotUnderstood(_)), "{refused}");
    }
}

/// Of builds that had no level in the log: byte for byte what they wrote, and what they would read.
#[test]
fn version_1_golden_bytes_are_of_level_3() {
    let head = b"\x01\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x07\0\0\0\x11";
    let database = |namespace: u8| [&[0, 0, 0, namespace][..], &[0; 15], &[namespace * 2]].concat();
    let golden = [&head[..], &(1..=16).flat_map(database).collect::<Vec<u8>>()].concat();
    let read = StateRecord::decode(&golden).unwrap();
    assert_eq!((read.applied, read.last_at), (Some(LogId { term: 2, index: 9 }), 7));
    assert_eq!(read.feature_level, 3);
    assert_eq!(*read.database(15), Database { expires: 32, ..Database::empty(16) });
    assert_eq!(read.encode(), golden);
    let mut raised = StateRecord { feature_level: 4, change_sum: 6, ..read };
    (raised.database_mut(15).row_sum, raised.database_mut(1).is_summed) = (7, true);
    let sums = [&[0; 15 * 8][..], b"\0\0\0\0\0\0\0\x07\0\x02\0\0\0\0\0\0\0\x06"].concat();
    assert_eq!(raised.encode(), [b"\x02\0\0\0\x04", &golden[1..], &sums].concat());
    assert_eq!(StateRecord::decode(&raised.encode()).unwrap(), raised);
    // The system's database gets the next namespace, once.
    raised.raise(5);
    raised.raise(5);
    let system = raised.database_mut(SYSTEM_DATABASE);
    (system.keys, system.row_sum) = (2, 3);
    let head = [b"\x03\0\0\0\x05", &head[1..26], b"\0\0\0\x12", &golden[30..]].concat();
    let system = b"\0\0\0\x11\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03";
    assert_eq!(raised.encode(), [&head[..], &sums, system].concat());
    assert_eq!(StateRecord::decode(&raised.encode()).unwrap(), raised);
    assert_eq!((raised.all_databases().count(), raised.database_of(17)), (17, Some(SYSTEM_DATABASE)));
    // Empty databases are counted, the system's has keys.
    raised.raise(7);
    (raised.database_mut(0).bytes, raised.database_mut(SYSTEM_DATABASE).bytes) = (4, 5);
    let head = [b"\x04\0\0\0\x07", &head[5..]].concat();
    let bytes = [&[0; 7][..], b"\x04", &[0; 15 * 8 + 7], b"\x05", b"\0\0\xff\xff"].concat();
    assert_eq!(raised.encode(), [&head[..], &sums, system, &bytes].concat());
    assert_eq!(StateRecord::decode(&raised.encode()).unwrap(), raised);
    assert!(!raised.is_counted());
    raised.set_counted();
    assert!(raised.is_counted() && StateRecord::decode(&raised.encode()).unwrap() == raised);
}

#[test]
fn a_store_of_a_later_level_is_refused_by_a_text_that_names_both() {
    let later = StateRecord { feature_level: feature_level::NEWEST + 1, ..StateRecord::default() };
    let refused = StateRecord::decode(&later.encode()).unwrap_err();
    assert!(refused.damage().is_none(), "another node's data would not help");
    let text = refused.to_string();
    assert!(text.contains(&format!("feature level {}", feature_level::NEWEST + 1)), "{text}");
    assert!(text.contains(&feature_level::understood()), "{text}");
}
