//! A checkpoint is the state at one log position, and replaces a store as a whole.

use super::support::{Home, scan};
use crate::store::{LogId, Store, StoreOptions};
use std::time::{Duration, Instant};

#[test]
fn a_checkpoint_installed_elsewhere_is_the_same_state() {
    let (from, to) = (Home::new(1 << 20), Home::new(1 << 20));
    from.write(7, 0, |txn| txn.set_membership(b"members".to_vec()));
    from.set(0, b"both", b"from", 0);
    from.set(3, b"expires", b"v", 1 << 40);
    let target = from.directory.path().join("checkpoint");
    let checkpoint = from.store.checkpoint(&target).unwrap();
    assert_eq!(checkpoint.position, Some(LogId { term: 1, index: 3 }));
    assert_eq!(checkpoint.membership.as_deref(), Some(&b"members"[..]));
    let sum = from.store.checksum().unwrap();
    // Later writes are not in it.
    from.set(0, b"later", b"v", 0);

    to.set(0, b"both", b"to", 0);
    to.set(0, b"only to", b"v", 0);
    assert_eq!(to.get(0, b"both").as_deref(), Some(&b"to"[..]), "cached by now");
    let before = to.store.published();
    to.store.install(&target).unwrap();
    assert_eq!(to.store.checksum().unwrap(), sum);
    assert_eq!(to.store.applied(), Some(LogId { term: 1, index: 3 }));
    assert_eq!(to.store.membership().unwrap().as_deref(), Some(&b"members"[..]));
    assert_eq!((to.get(0, b"both").as_deref(), to.get(0, b"only to")), (Some(&b"from"[..]), None));
    assert_eq!((to.counts(0), to.counts(3)), ((1, 0), (1, 1)));
    // A reader that began before goes on with what it had, from the engine.
    let old = to.store.blocking_view(&before, 0, crate::store::ReadTime::At(0));
    assert_eq!(scan(&old, b"", b""), [&b"both"[..], b"only to"]);
    drop(before);
    // It is written to like any other, stays after a restart, and the checkpoint remains usable.
    to.set(0, b"more", b"v", 0);
    let after = to.store.checksum().unwrap();
    let to = to.reopen();
    assert_eq!(to.store.checksum().unwrap(), after);
    to.store.install(&target).unwrap();
    assert_eq!(to.store.checksum().unwrap(), sum);
    let to = to.reopen();
    assert_eq!(to.store.checksum().unwrap(), sum);
}

/// Each install leaves a full copy of the old data behind, which is removed once it has no readers.
#[test]
fn a_replaced_store_leaves_the_disk_when_its_last_reader_is_done() {
    let (from, to) = (Home::new(0), Home::new(0));
    from.set(0, b"k", b"new", 0);
    to.set(0, b"k", b"old", 0);
    let target = from.directory.path().join("checkpoint");
    from.store.checkpoint(&target).unwrap();
    let store = to.directory.path().join("store");
    let reader = to.store.published();
    to.store.install(&target).unwrap();
    to.store.install(&target).unwrap();
    let wait_for = |name: &str| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while store.join(name).exists() {
            assert!(Instant::now() < deadline, "{name} stays");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    // The second one has no reader, the first has.
    wait_for("incoming-0");
    let old = to.store.blocking_view(&reader, 0, crate::store::ReadTime::At(0));
    assert_eq!(scan(&old, b"", b""), [&b"k"[..]]);
    assert!(store.join("db").exists());
    drop(reader);
    wait_for("db");
    assert_eq!(to.get(0, b"k").as_deref(), Some(&b"new"[..]));
}

/// A file that names something else than it did must not make an empty store of this one.
#[test]
fn a_damaged_current_db_file_is_refused() {
    for bad in ["", "../elsewhere", "/tmp", ".hidden", "elsewhere", "incoming-1\ncrc32c:00000000"] {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("CURRENT_DB"), bad).unwrap();
        let refused = Store::open(home.path(), StoreOptions::default()).err().unwrap();
        assert!(refused.to_string().contains("CURRENT_DB is damaged"), "{bad:?}: {refused}");
        assert!(refused.damage().is_some());
    }
    let (from, to) = (Home::new(0), Home::new(0));
    from.set(0, b"k", b"v", 0);
    let target = from.directory.path().join("checkpoint");
    from.store.checkpoint(&target).unwrap();
    to.store.install(&target).unwrap();
    let directory = to.directory.path().join("store");
    let Home { directory: held, store, .. } = to;
    drop(store);
    let file = directory.join("CURRENT_DB");
    let text = std::fs::read_to_string(&file).unwrap();
    let open = || Store::open(&directory, StoreOptions::default());
    // As it was written before it had a checksum.
    std::fs::write(&file, "incoming-0").unwrap();
    drop(open().unwrap());
    for bit in 0.."incoming-0".len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&file, bytes).unwrap();
        assert!(open().is_err(), "bit {bit}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(open().err().unwrap().to_string().contains("it is missing"));
    std::fs::write(&file, text).unwrap();
    assert_eq!(open().unwrap().applied(), Some(LogId { term: 1, index: 1 }));
    drop(held);
}

/// The directory of a copy that a crash interrupted is removed, the one in use is not.
#[test]
fn left_overs_of_an_interrupted_install_go_at_the_next_start() {
    let home = Home::new(0);
    home.set(0, b"k", b"v", 0);
    let left_over = home.directory.path().join("store").join("incoming-0");
    std::fs::create_dir(&left_over).unwrap();
    std::fs::write(left_over.join("000001.sst"), b"half").unwrap();
    let home = home.reopen();
    assert!(!left_over.exists());
    assert_eq!(home.get(0, b"k").as_deref(), Some(&b"v"[..]));
}
