//! Producers that send entries again, on a store and on a model.

use super::support::{Home, run};
use crate::{
    resp::Reply,
    store::{ALL, Direction, SubKeys, View},
    types::stream::{Idempotence, Stream},
};
use resp_tests::dice::Dice;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
};

const DURATION_MS: u64 = 1000;
const IDS_MAX: usize = 3;

/// Of a producer: its ids, the replies, and when they were added.
type Model = BTreeMap<u64, VecDeque<(u64, Reply, u64)>>;

#[test]
fn an_entry_sent_again_is_added_once() {
    for seed in 0..6 {
        let mut dice = Dice::new(seed);
        let (mut home, mut model, mut now) = (Home::new(), Model::new(), 1_u64);
        home.call(now, "XADD s 0-1 n v");
        assert_eq!(home.call(now, &format!("XCFGSET s IDMP-DURATION 1 IDMP-MAXSIZE {IDS_MAX}")), Reply::Ok);
        let (mut added, mut duplicates) = (0_u64, 0_u64);
        for _ in 0..150 {
            now += [0, 0, 40, 300, 1500][dice.below(5) as usize];
            let (producer, id) = (dice.below(4), dice.below(5));
            let own = model.entry(producer).or_default();
            own.retain(|(_, _, at)| at + DURATION_MS > now);
            let mut txn = home.begin(now);
            let reply = run(&mut txn, &format!("XADD s IDMP p{producer} i{id} * n v"));
            txn.commit().unwrap();
            match own.iter().find(|(known, _, _)| *known == id) {
                Some((_, expected, _)) => {
                    duplicates += 1;
                    assert_eq!(reply, *expected);
                }
                None => {
                    added += 1;
                    own.push_back((id, reply, now));
                    if own.len() > IDS_MAX {
                        own.pop_front();
                    }
                }
            }
            home.view(now, |view| compare(view, &model, now, added, duplicates));
            if dice.below(20) == 0 {
                home = home.reopen();
            }
        }
        // What is forgotten at once leaves nothing.
        assert_eq!(home.call(now, "XCFGSET s IDMP-MAXSIZE 4"), Reply::Ok);
        home.view(now, |view| compare(view, &Model::new(), now, added, duplicates));
    }
}

/// Whether as many ids are stored as are said to be, no fewer than are remembered, and nothing besides.
fn compare(view: &View<'_>, model: &Model, now: u64, added: u64, duplicates: u64) {
    let stream = Stream::open(view, b"s").unwrap().unwrap();
    let known = Idempotence::of(view, &stream).unwrap().unwrap();
    assert_eq!((known.added, known.duplicates, stream.len()), (added, duplicates, added + 1));
    let live = |own: &VecDeque<(u64, Reply, u64)>| {
        own.iter().filter(|(_, _, at)| at + DURATION_MS > now).count() as u64
    };
    let remembered: u64 = model.values().map(live).sum();
    assert!(remembered <= known.ids && known.ids <= known.producers * IDS_MAX as u64, "{known:?}");
    let mut stored = 0;
    view.scan_sub(SubKeys::Data, stream.collection_id(), ALL, Direction::Forward, |_, _| {
        stored += 1;
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    // The record, and of each id three rows.
    assert_eq!(stored, stream.len() + 1 + known.producers + 3 * known.ids, "{known:?}");
}
