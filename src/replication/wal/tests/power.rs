//! The power goes at any operation of the disk, over and over; what was said to be durable is there.

use crate::{
    replication::wal::{
        file::SegmentOptions,
        hard_state::VoteRecord,
        log::{Done, SegmentLog},
        tests::{
            hand::writer_of,
            support::{SMALL, entries},
        },
    },
    store::LogId,
    tests::stage::{Dice, ENVIRONMENT, Stage, Worker, disk::PowerCut},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

const SIMULATED: SegmentOptions = SegmentOptions { environment: ENVIRONMENT, ..SMALL };

/// Entries that a log was asked to keep, and whether it acknowledged them.
#[derive(Default)]
struct Asked {
    /// The entry each append ended with, and its term.
    entries: Vec<(u64, u64, Arc<AtomicBool>)>,
    votes: Vec<(VoteRecord, Arc<AtomicBool>)>,
}

fn flag() -> (Arc<AtomicBool>, Done) {
    let told = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&told);
    (told, Box::new(move || tell.store(true, Ordering::SeqCst)))
}

/// Whether the power stayed.
fn survives(run: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => true,
        Err(payload) if payload.is::<PowerCut>() => false,
        Err(payload) => resume_unwind(payload),
    }
}

/// Appends, votes, truncates and purges until the power goes or enough is done.
fn live(log: &SegmentLog, worker: &mut dyn Worker, term: u64, dice: &mut Dice, asked: &mut Asked) {
    for _ in 0..12 {
        let last = log.state().1.map_or(0, |last| last.index);
        match dice.below(8) {
            0 => {
                let vote = VoteRecord { term, node_id: dice.roll(), committed: false };
                let (told, done) = flag();
                log.save_vote(vote, done).unwrap();
                asked.votes.push((vote, told));
            }
            1 if last > 3 => {
                let kept = last - dice.below(3);
                let first = log.read(kept, kept + 1, usize::MAX).unwrap();
                let Some(entry) = first.first() else { continue };
                log.truncate_after(Some(LogId { term: entry.term, index: kept }), Box::new(|| {})).unwrap();
                asked.entries.retain(|(index, ..)| *index <= kept);
            }
            2 if last > 30 => {
                let at = log.read(last - 20, last - 19, usize::MAX).unwrap();
                let upto = at.first().map(|entry| LogId { term: entry.term, index: entry.index });
                upto.into_iter().for_each(|upto| log.purge(upto, Box::new(|| {})).unwrap());
            }
            _ => {
                let end = last + 1 + dice.between(1, 5);
                let (told, done) = flag();
                log.append(entries(last + 1..end, term), done).unwrap();
                asked.entries.push((end - 1, term, told));
            }
        }
        // Now and then several tasks share a group.
        if dice.chance(600) && worker.gather() && !survives(|| worker.work()) {
            return;
        }
    }
}

/// Acknowledged entries are present.
fn check(log: &SegmentLog, asked: &Asked, seed: u64) {
    let (purged, last) = log.state();
    for (index, term, told) in asked.entries.iter().filter(|(.., told)| told.load(Ordering::SeqCst)) {
        let found = log.read(*index, index + 1, usize::MAX).unwrap();
        let is_there = found.first().is_some_and(|entry| entry.index == *index && entry.term == *term);
        let is_purged = purged.is_some_and(|purged| purged.index >= *index);
        assert!(
            is_there || is_purged,
            "seed {seed}: entry {index} of term {term} is lost, {last:?} {told:?}"
        );
    }
    let told = asked.votes.iter().rposition(|(_, told)| told.load(Ordering::SeqCst));
    let since = told.map_or(&asked.votes[..], |told| &asked.votes[told..]);
    let is_known = |vote| since.iter().any(|(asked, _)| *asked == vote);
    match log.vote() {
        Some(vote) => assert!(is_known(vote), "seed {seed}: the vote went back to {vote:?}"),
        None => assert!(told.is_none(), "seed {seed}: the vote is lost"),
    }
}

fn open(path: &Path) -> Option<SegmentLog> {
    let mut log = None;
    survives(|| log = Some(SegmentLog::open(path, &SIMULATED).unwrap()));
    log
}

#[test]
fn what_was_said_to_be_durable_outlives_power_cuts_at_any_operation() {
    for seed in 0..60 {
        let home = tempfile::tempdir().unwrap();
        let stage = Stage::new(seed, vec!["n0".into()], None);
        let _entered = stage.enter();
        let (mut dice, mut asked) = (Dice::new(seed), Asked::default());
        for term in 1..12 {
            stage.disk.borrow_mut().light_fuse(0, dice.below(40));
            if let Some(log) = open(&home.path().join("data").join("log")) {
                check(&log, &asked, seed);
                // Entries that were neither acknowledged nor found are lost, as allowed.
                let last = log.state().1.map_or(0, |last| last.index);
                asked.entries.retain(|(index, ..)| *index <= last);
                let mut worker = writer_of(stage.hosted().pop().unwrap());
                live(&log, &mut *worker, term, &mut dice, &mut asked);
            }
            stage.hosted();
            stage.disk.borrow_mut().cut_power(0, home.path());
        }
    }
}
