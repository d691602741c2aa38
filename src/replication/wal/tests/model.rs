//! Random calls against a model, with the log reopened in between.

use crate::{
    replication::wal::{
        file::SegmentOptions,
        hard_state::VoteRecord,
        record::LogEntry,
        tests::support::{SMALL, all, append, entry, open, purge, save_vote, truncate_after},
    },
    store::LogId,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Call {
    Append { payloads: Vec<usize>, new_term: bool },
    Truncate(prop::sample::Index),
    Purge(prop::sample::Index),
    PurgeBeyond(u64),
    Vote(u64),
    Reopen,
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => (prop::collection::vec(0_usize..700, 1..6), any::<bool>())
            .prop_map(|(payloads, new_term)| Call::Append { payloads, new_term }),
        1 => any::<prop::sample::Index>().prop_map(Call::Truncate),
        1 => any::<prop::sample::Index>().prop_map(Call::Purge),
        1 => (0_u64..5).prop_map(Call::PurgeBeyond),
        1 => any::<u64>().prop_map(Call::Vote),
        3 => Just(Call::Reopen),
    ]
}

#[derive(Default)]
struct Model {
    entries: Vec<LogEntry>,
    purged: Option<LogId>,
    vote: Option<VoteRecord>,
    term: u64,
}

impl Model {
    fn last(&self) -> Option<LogId> {
        self.entries.last().map(|entry| LogId { term: entry.term, index: entry.index }).or(self.purged)
    }

    fn next(&self) -> u64 {
        self.last().map_or(0, |last| last.index + 1)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_what_the_calls_made_it(calls in prop::collection::vec(call(), 1..40), cache in 0_usize..3000) {
        let home = tempfile::tempdir().unwrap();
        let options = SegmentOptions { cache_bytes: cache, ..SMALL };
        let mut log = open(home.path(), &options);
        let mut model = Model { term: 1, ..Model::default() };
        for call in calls {
            match call {
                Call::Append { payloads, new_term } => {
                    model.term += u64::from(new_term);
                    let batch: Vec<LogEntry> = payloads
                        .iter()
                        .zip(model.next()..)
                        .map(|(len, index)| entry(index, model.term, &vec![index as u8 | 1; *len]))
                        .collect();
                    append(&log, &batch);
                    model.entries.extend(batch);
                }
                Call::Truncate(at) => {
                    model.entries.truncate(at.index(model.entries.len() + 1));
                    truncate_after(&log, model.last());
                }
                Call::Purge(at) if !model.entries.is_empty() => {
                    let gone = at.index(model.entries.len());
                    let upto = &model.entries[gone];
                    let upto = LogId { term: upto.term, index: upto.index };
                    purge(&log, upto);
                    model.purged = Some(upto);
                    model.entries.drain(..=gone);
                }
                Call::Purge(_) => {}
                Call::PurgeBeyond(by) => {
                    model.term += 1;
                    let upto = LogId { term: model.term, index: model.next() + by };
                    purge(&log, upto);
                    model.purged = Some(upto);
                    model.entries.clear();
                }
                Call::Vote(term) => {
                    let vote = VoteRecord { term, node_id: 1, committed: term % 2 == 0 };
                    save_vote(&log, vote);
                    model.vote = Some(vote);
                }
                Call::Reopen => {
                    drop(log);
                    log = open(home.path(), &options);
                }
            }
            prop_assert_eq!(&all(&log), &model.entries);
            prop_assert_eq!(log.state(), (model.purged, model.last()));
            prop_assert_eq!(log.vote(), model.vote);
        }
        drop(log);
        let log = open(home.path(), &options);
        prop_assert_eq!(&all(&log), &model.entries);
        prop_assert_eq!(log.state(), (model.purged, model.last()));
    }
}
