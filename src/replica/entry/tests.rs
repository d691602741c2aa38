//! The bytes of entries.

use super::*;
use proptest::prelude::*;

#[test]
fn version_1_golden_bytes() {
    let mut proposal = ProposalBuilder::commands();
    proposal.push(2, &[b"SET", b"k"]);
    let mut batch = BatchBuilder::with_capacity(0);
    batch.push(&proposal.finish());
    let golden = b"\x01\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x01\0\0\0\
        \x1d\0\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x02\0\0\0\x03\0\0\0SET\x01\0\0\0k";
    assert_eq!(&batch.finish(5, 6)[..], &golden[..]);
}

proptest! {
    #[test]
    fn transactions_round_trip(
        keys in proptest::collection::vec((any::<u32>(), any::<Vec<u8>>(), any::<Option<(u64, u32)>>()), 0..4),
        calls in proptest::collection::vec((0_u32..16, proptest::collection::vec(any::<Vec<u8>>(), 1..5)), 0..5),
    ) {
        let conditions: Vec<Condition> = keys
            .into_iter()
            .map(|(db, key, place)| Condition { db, key, revision: place.map(|(index, ordinal)| LogPosition { index, ordinal }) })
            .collect();
        let mut builder = ProposalBuilder::transaction(&conditions);
        for (db, words) in &calls {
            let words: Vec<&[u8]> = words.iter().map(|w| &w[..]).collect();
            builder.push(*db, &words);
        }
        let bytes = builder.finish();
        let Proposal::Transaction { conditions: read, calls: mut read_calls } = Proposal::decode(&bytes).unwrap() else {
            panic!("not a transaction");
        };
        prop_assert_eq!(read, conditions);
        for (db, words) in &calls {
            let call = read_calls.next_call().unwrap().unwrap();
            prop_assert_eq!(call.db, *db);
            let words: Vec<&[u8]> = words.iter().map(|w| &w[..]).collect();
            prop_assert_eq!(&call.argv[..], &words[..]);
        }
        prop_assert!(read_calls.next_call().unwrap().is_none());
    }

    #[test]
    fn random_bytes_never_panic(bytes in any::<Vec<u8>>()) {
        if let Ok(mut batch) = Batch::decode(&bytes) {
            while let Ok(Some(proposal)) = batch.next_proposal() {
                if let Proposal::Commands(mut calls) | Proposal::Transaction { mut calls, .. } = proposal {
                    while let Ok(Some(_)) = calls.next_call() {}
                }
            }
        }
    }
}
