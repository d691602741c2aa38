//! How much disk data take once they are compacted, and that files of builds with other options still open.

use super::support::Home;
use crate::store::{
    NewRow,
    engine::Family,
    options::{DeadNamespaces, META_CF, column_families},
};
use resp_tests::dice::Dice;

const DOCUMENTS: u32 = 24_000;

/// A document as shops and blogs keep them: fixed words, numbers, a few names, an id that nothing compresses.
fn document(dice: &mut Dice, number: u32) -> String {
    let names = ["Alice", "Bob", "Carla", "Dmitri", "Eun-ji", "Fatima", "Goran", "Hanako"];
    let cities = ["Amsterdam", "Berlin", "Cairo", "Dublin", "Edinburgh", "Florence", "Geneva"];
    let words = ["quick", "order", "delivery", "window", "garden", "market", "silver", "paper", "river"];
    let mut pick = |from: &[&str]| from[dice.below(from.len() as u64) as usize].to_owned();
    let (name, city) = (pick(&names), pick(&cities));
    let note: Vec<String> = (0..24).map(|_| pick(&words)).collect();
    let mut hex = |digits: usize| (0..digits).map(|_| format!("{:x}", dice.below(16))).collect::<String>();
    let (id, session) = (hex(32), hex(32));
    let (price, stock) = (dice.below(1_000_000), dice.below(10_000));
    format!(
        "{{\"id\":\"{id}\",\"number\":{number},\"customer\":{{\"name\":\"{name}\",\"email\":\"{name}.{number}@example.org\",\
         \"city\":\"{city}\",\"active\":{}}},\"session\":\"{session}\",\"price_cents\":{price},\"stock\":{stock},\
         \"created_at\":\"2026-11-{:02}T{:02}:{:02}:{:02}Z\",\"note\":\"{}\"}}",
        dice.below(2) == 0,
        dice.below(30) + 1,
        dice.below(24),
        dice.below(60),
        dice.below(60),
        note.join(" ")
    )
}

/// With LZ4 alone, which is what every level but the deepest of hundreds of gigabytes had, it was two thirds.
#[test]
fn documents_take_less_than_half_of_their_size_once_they_are_compacted() {
    let (mut dice, home) = (Dice::new(7), Home::new(0));
    let mut raw = 0;
    for group in 0..DOCUMENTS / 100 {
        home.write(0, 0, |txn| {
            for number in group * 100..(group + 1) * 100 {
                let document = document(&mut dice, number);
                raw += document.len() as u64;
                txn.put(format!("doc:{number}").as_bytes(), NewRow::string(document.as_bytes())).unwrap();
            }
        });
    }
    home.store.compact().unwrap();
    let disk = home.store.stats().live_sst_bytes;
    let percent = disk * 100 / raw;
    assert!(percent <= 45, "{disk} bytes on disk for {raw}: {percent} %");
    let home = home.reopen();
    let value = home.get(0, b"doc:4711").unwrap();
    assert!(String::from_utf8(value).unwrap().contains("\"number\":4711,"));
}

/// What builds before had: no partitions, no dictionary, other compression.
#[test]
fn data_that_were_written_with_other_options_open_and_are_compacted() {
    let home = Home::new(0);
    home.set(0, b"before", b"value", 0);
    home.store.flush().unwrap();
    let crate::store::tests::support::Home { directory, store, .. } = home;
    let database = store.published().engine().directory.clone();
    drop(store);
    rewrite_with_defaults(&database);
    let store = crate::store::Store::open(&directory.path().join("store"), Default::default()).unwrap();
    let published = store.published();
    let view = store.blocking_view(&published, 0, crate::store::ReadTime::At(0));
    assert_eq!(view.get(b"before").unwrap().unwrap().body.to_vec(), b"value");
    store.compact().unwrap();
    assert_eq!(view.get(b"before").unwrap().unwrap().body.to_vec(), b"value");
}

/// Rewrites all files with RocksDB's own defaults.
fn rewrite_with_defaults(database: &std::path::Path) {
    let families = Family::ALL.map(|family| {
        let mut options = rocksdb::Options::default();
        options.set_compression_type(rocksdb::DBCompressionType::Lz4);
        rocksdb::ColumnFamilyDescriptor::new(family.name(), options)
    });
    let db = crate::store::engine::Db::open_cf_descriptors(&rocksdb::Options::default(), database, families)
        .unwrap();
    let mut force = rocksdb::CompactOptions::default();
    force.set_bottommost_level_compaction(rocksdb::BottommostLevelCompaction::Force);
    let meta = db.cf_handle(META_CF).unwrap();
    db.compact_range_cf_opt(meta, None::<&[u8]>, None::<&[u8]>, &force);
}

/// They are partly a string, which the compiler does not check.
#[test]
fn the_options_are_understood_by_this_rocksdb() {
    assert!(column_families(&Default::default(), &DeadNamespaces::default()).is_ok());
}
