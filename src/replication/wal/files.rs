//! The log-files thread: fills the next segment ahead of need and deletes purged ones, so that the writer does neither.

use super::{disk, error::LogError, file::SegmentFile};
use crate::fail;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

enum Job {
    Prepare { serial: u64 },
    Delete(Vec<Arc<SegmentFile>>),
}

/// The writer's end of the thread. Dropping it ends the thread after the jobs it has.
pub(super) struct Files {
    jobs: Option<Sender<Job>>,
    prepared: Receiver<Arc<SegmentFile>>,
    /// Empty segments found at open.
    ready: VecDeque<Arc<SegmentFile>>,
    next_serial: u64,
    thread: Option<JoinHandle<()>>,
    /// In a simulation there is no thread.
    #[cfg(test)]
    inline: Option<Worker>,
}

impl Files {
    pub(super) fn start(
        directory: &Path,
        log_id: [u8; 16],
        segment_bytes: u32,
        ready: VecDeque<Arc<SegmentFile>>,
        next_serial: u64,
    ) -> Result<Self, LogError> {
        let (jobs, todo) = bounded(64);
        let (done, prepared) = bounded(2);
        let worker = Worker { directory: directory.to_path_buf(), log_id, segment_bytes, done };
        let mut files = Files {
            jobs: Some(jobs),
            prepared,
            ready,
            next_serial,
            thread: None,
            #[cfg(test)]
            inline: None,
        };
        #[cfg(test)]
        if crate::tests::stage::is_set() {
            files.inline = Some(worker);
            if files.ready.is_empty() {
                files.prepare_next();
            }
            return Ok(files);
        }
        let thread = std::thread::Builder::new().name("log-files".into()).spawn(move || {
            let _guard = fail::StopOnPanic("the log-files thread");
            todo.into_iter().for_each(|job| worker.work(job));
        });
        files.thread = Some(thread.map_err(LogError::io("start thread for", directory))?);
        if files.ready.is_empty() {
            files.prepare_next();
        }
        Ok(files)
    }

    /// The next segment, durable and empty; waits only if the thread is behind.
    pub(super) fn next(&mut self) -> Arc<SegmentFile> {
        let next = match self.ready.pop_front() {
            Some(file) => file,
            None => match self.prepared.recv() {
                Ok(file) => file,
                Err(_) => fail::stop_the_process("the log-files thread has ended"),
            },
        };
        if self.ready.is_empty() {
            self.prepare_next();
        }
        next
    }

    /// Deletes segments, in this order.
    pub(super) fn delete(&self, files: Vec<Arc<SegmentFile>>) {
        if !files.is_empty() {
            self.send(Job::Delete(files));
        }
    }

    fn prepare_next(&mut self) {
        let serial = self.next_serial;
        self.next_serial = serial.saturating_add(1);
        self.send(Job::Prepare { serial });
    }

    fn send(&self, job: Job) {
        #[cfg(test)]
        if let Some(worker) = &self.inline {
            return worker.work(job);
        }
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if !sent {
            fail::stop_the_process("the log-files thread has ended");
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.jobs = None;
        // A thread that waits to hand over a segment sees the closed channel and goes on.
        self.prepared = crossbeam::channel::never();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread does.
struct Worker {
    directory: PathBuf,
    log_id: [u8; 16],
    segment_bytes: u32,
    done: Sender<Arc<SegmentFile>>,
}

impl Worker {
    fn work(&self, job: Job) {
        match job {
            Job::Prepare { serial } => {
                // Nobody waits for it when the log is being closed.
                let _ = self.done.send(prepare(&self.directory, &self.log_id, serial, self.segment_bytes));
            }
            Job::Delete(files) => files.iter().for_each(|file| delete(&self.directory, &file.path)),
        }
    }
}

fn prepare(directory: &Path, log_id: &[u8; 16], serial: u64, bytes: u32) -> Arc<SegmentFile> {
    match SegmentFile::create(directory, log_id, serial, bytes) {
        Ok(file) => file,
        Err(error) => fail::stop_the_process(&format!("cannot prepare a log segment: {error}")),
    }
}

fn delete(directory: &Path, path: &Path) {
    fail::point("log.delete");
    // One directory sync each: names must go in order, or a crash leaves a gap in the serial numbers.
    if let Err(error) = disk::remove(path).and_then(|()| disk::sync_directory(directory)) {
        fail::stop_the_process(&format!("cannot delete log segment {}: {error}", path.display()));
    }
}
