//! Readers and the one writer at the same time: a view is the state after whole batches, cache or no cache.

use super::support::Home;
use crate::store::NewRow;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

const BATCHES: u64 = 3000;
const READERS: u64 = 3;
const KEYS: u64 = 40;

fn key(number: u64) -> Vec<u8> {
    format!("a key that is too long to stay in place {number}").into_bytes()
}

/// Each batch writes its index to half of the keys, and deletes one: so a view knows what it must find.
#[test]
fn a_view_finds_what_its_batch_left_and_nothing_newer() {
    // Room for some of the keys, so that they are filled, replaced and evicted all the time.
    for hot in [0, 4000, 1 << 20] {
        let home = Home::new(hot);
        let done = AtomicBool::new(false);
        let mut reads = 0;
        thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS)
                .map(|reader| {
                    let (home, done) = (&home, &done);
                    scope.spawn(move || {
                        let mut reads = 0_u64;
                        while !done.load(Ordering::Acquire) || reads == 0 {
                            let published = home.store.published();
                            let Some(applied) = published.state().applied else { continue };
                            let view = home.store.blocking_view(&published, 0, crate::store::ReadTime::At(0));
                            for offset in 0..8 {
                                let number = (reads + reader + offset * 5) % KEYS;
                                let found = view.get(&key(number)).unwrap().map(|row| row.body.to_vec());
                                let expected = expected(applied.index, number);
                                assert_eq!(
                                    found,
                                    expected.map(|index| index.to_be_bytes().to_vec()),
                                    "key {number} after batch {}",
                                    applied.index
                                );
                            }
                            reads += 1;
                        }
                        reads
                    })
                })
                .collect();
            for index in 1..=BATCHES {
                home.write(0, 0, |txn| {
                    for number in (0..KEYS).filter(|number| number % 2 == index % 2) {
                        txn.put(&key(number), NewRow::string(&index.to_be_bytes())).unwrap();
                    }
                    txn.delete(&key(index % KEYS)).unwrap();
                });
            }
            done.store(true, Ordering::Release);
            reads = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        });
        assert!(reads > READERS, "nobody read");
    }
}

/// The batch whose value key `number` has after batch `applied`; `None` = it is missing.
fn expected(applied: u64, number: u64) -> Option<u64> {
    // The last batch that wrote keys of this parity; it deleted the key if it is its own.
    let last = if applied % 2 == number % 2 { applied } else { applied.checked_sub(1)? };
    (last > 0 && last % KEYS != number).then_some(last)
}
