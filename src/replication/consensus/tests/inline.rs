//! What is applied on the thread that keeps the group alive, and what is not.

use super::storage::state_machine;
use crate::{
    command::{Args, Command, Cost, Run, Table},
    error::Result,
    replica::{BatchBuilder, ProposalBuilder},
    replication::{
        consensus::{state_machine::StateMachine, types::to_raft_entry},
        wal::{EntryKind, LogEntry, SegmentLog, SegmentOptions},
    },
    resp::Reply,
    store::{StoreOptions, Txn},
};
use futures::stream;
use openraft::storage::RaftStateMachine;
use parking_lot::Mutex;
use std::{
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};
use tempfile::TempDir;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&[&ROWS]));
static ROWS: [Command; 3] = [
    Command { name: "LITTLE", run: Run::Write(runs), cost: Cost::Words, ..Command::BASE },
    Command { name: "LARGE", run: Run::Write(runs), ..Command::BASE },
    Command { name: "SLEEP", arity: 2, run: Run::Write(sleeps), cost: Cost::Words, ..Command::BASE },
];
/// Whether each call so far ran on the apply thread. One test at a time looks at it.
static RAN: Mutex<Vec<bool>> = Mutex::new(Vec::new());
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn runs(_txn: &mut Txn<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    RAN.lock().push(thread::current().name() == Some("apply"));
    Ok(Reply::Ok)
}

fn sleeps(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let ms = std::str::from_utf8(args.next_word()?).unwrap().parse().unwrap();
    thread::sleep(Duration::from_millis(ms));
    runs(txn, args)
}

struct Home {
    state_machine: StateMachine,
    next: u64,
    _directory: TempDir,
}

impl Home {
    fn new() -> Home {
        let directory = tempfile::tempdir().unwrap();
        let log =
            SegmentLog::open(&directory.path().join("log"), &SegmentOptions::retaining(1 << 20)).unwrap();
        let (state_machine, _) = state_machine(&directory, &Arc::new(log), StoreOptions::default(), &TABLE);
        Home { state_machine, next: 1, _directory: directory }
    }

    /// Applies a chunk of entries with these calls each; says which calls ran on the apply thread.
    fn apply(&mut self, entries: &[&[&str]]) -> Vec<bool> {
        RAN.lock().clear();
        let mut chunk = Vec::new();
        for calls in entries {
            let mut proposal = ProposalBuilder::commands();
            for call in *calls {
                proposal.push(0, &call.split(' ').map(str::as_bytes).collect::<Vec<_>>());
            }
            let mut batch = BatchBuilder::with_capacity(0);
            batch.push(&proposal.finish());
            let payload = batch.finish(self.next, 1);
            let entry = LogEntry { index: self.next, term: 1, kind: EntryKind::Normal, payload };
            chunk.push(Ok((to_raft_entry(entry).unwrap(), None)));
            self.next += 1;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            self.state_machine.apply(stream::iter(chunk)).await.unwrap();
            // Waits for what the apply thread was given.
            self.state_machine.applied_state().await.unwrap();
        });
        RAN.lock().clone()
    }
}

#[test]
fn what_words_do_not_bound_runs_on_the_apply_thread() {
    let _alone = ONE_AT_A_TIME.lock();
    let mut home = Home::new();
    // However busy the machine is.
    home.state_machine.inline_max_us = u64::MAX;
    home.state_machine.inline_slow_us = u64::MAX;
    assert_eq!(home.apply(&[&["LITTLE"], &["LITTLE", "LITTLE"]]), [false; 3]);
    assert_eq!(home.apply(&[&["LARGE"]]), [true]);
    assert_eq!(home.apply(&[&["LITTLE"], &["LITTLE", "LARGE"]]), [true; 3]);
    assert_eq!(home.apply(&[&["LITTLE"; 300]]), [true; 300]);
    assert_eq!(home.apply(&[&["LITTLE"]]), [false]);
}

#[test]
fn what_takes_long_goes_on_on_the_apply_thread() {
    let _alone = ONE_AT_A_TIME.lock();
    let mut home = Home::new();
    assert_eq!(home.apply(&[&["SLEEP 3"], &["SLEEP 3"], &["LITTLE"]]), [false, true, true]);
    let mut home = Home::new();
    assert_eq!(home.apply(&[&["SLEEP 25"]]), [false]);
    assert_eq!(home.apply(&[&["LITTLE"]]), [true], "it was slow just now");
}
