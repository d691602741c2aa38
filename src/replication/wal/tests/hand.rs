//! The log's writer without its thread: a simulation says when it does what is queued.

use crate::{
    replication::wal::{
        log::Done,
        writer::{Task, Writer},
    },
    tests::stage::{Mutant, Thread, Worker, current},
};
use crossbeam::channel::Receiver;
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};

/// Runs the writer step by step.
struct Hand {
    writer: Writer,
    queue: Receiver<Task>,
    waiting: VecDeque<Task>,
    /// Callbacks of waiting callers. A stuck writer never calls them.
    told: Vec<Arc<Mutex<Option<Done>>>>,
}

/// The worker of a log that was opened on a stage.
pub(crate) fn writer_of(thread: Thread) -> Box<dyn Worker> {
    let (writer, queue) = *thread.downcast::<(Writer, Receiver<Task>)>().expect("a log's writer");
    Box::new(Hand { writer, queue, waiting: VecDeque::new(), told: Vec::new() })
}

impl Hand {
    /// The same, kept when it is dropped without having been run.
    fn keep(&mut self, done: Done) -> Done {
        self.told.retain(|kept| kept.lock().is_some());
        let kept = Arc::new(Mutex::new(Some(done)));
        self.told.push(Arc::clone(&kept));
        Box::new(move || {
            let done = kept.lock().take();
            if let Some(done) = done {
                done();
            }
        })
    }

    fn take_in(&mut self, task: Task) -> Option<Task> {
        Some(match spoil(task)? {
            Task::Append { entries, batch, done } => Task::Append { entries, batch, done: self.keep(done) },
            Task::Truncate { first, done } => Task::Truncate { first, done: self.keep(done) },
            Task::Vote { vote, done } => Task::Vote { vote, done: self.keep(done) },
            Task::Purge { upto, done } => Task::Purge { upto, done: self.keep(done) },
            Task::Stop => Task::Stop,
        })
    }
}

impl Worker for Hand {
    fn gather(&mut self) -> bool {
        while let Ok(task) = self.queue.try_recv() {
            let task = self.take_in(task);
            self.waiting.extend(task);
        }
        !self.waiting.is_empty()
    }

    fn work(&mut self) {
        while let Some(task) = self.waiting.pop_front() {
            let waiting = &mut self.waiting;
            if !self.writer.group(task, || waiting.pop_front()) {
                return;
            }
        }
    }
}

/// A mutant's version of a task.
fn spoil(task: Task) -> Option<Task> {
    let mutant = current().and_then(|stage| stage.mutant);
    let nobody = || -> Done { Box::new(|| {}) };
    match (mutant, task) {
        (Some(Mutant::VoteAnsweredEarly), Task::Vote { vote, done }) => {
            done();
            Some(Task::Vote { vote, done: nobody() })
        }
        (Some(Mutant::AppendAnsweredEarly), Task::Append { entries, batch, done }) => {
            done();
            Some(Task::Append { entries, batch, done: nobody() })
        }
        (Some(Mutant::TruncationSkipped), Task::Truncate { done, .. }) => {
            done();
            None
        }
        (_, task) => Some(task),
    }
}
