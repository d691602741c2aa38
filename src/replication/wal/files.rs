//! The log-files thread: fills the next segment ahead of need and deletes purged ones, so that the writer does neither.

use super::{
    error::LogError,
    file::{SEGMENT_BYTES_MIN, SegmentFile},
};
use crate::{environment::Environment, fail};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

/// A segment takes no more than this share of the room that is left.
const SHARE_OF_ROOM: u64 = 8;
/// Time between two attempts to prepare a segment for which there is no room.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Longest wait of the writer for a segment.
const NEXT_MAX: Duration = Duration::from_secs(60);

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
    /// Does the work at once where there is no thread.
    inline: Option<Worker>,
}

impl Files {
    pub(super) fn start(
        environment: Environment,
        directory: &Path,
        log_id: [u8; 16],
        segment_bytes: u32,
        ready: VecDeque<Arc<SegmentFile>>,
        next_serial: u64,
    ) -> Result<Self, LogError> {
        let (jobs, todo) = bounded(64);
        let (done, prepared) = bounded(2);
        let worker = Worker { environment, directory: directory.to_path_buf(), log_id, segment_bytes, done };
        let mut files = Files { jobs: Some(jobs), prepared, ready, next_serial, thread: None, inline: None };
        if !environment.has_threads() {
            files.inline = Some(worker);
            if files.ready.is_empty() {
                files.prepare_next();
            }
            return Ok(files);
        }
        let thread = std::thread::Builder::new().name("log-files".into()).spawn(move || {
            let _guard = fail::StopOnPanic("the log-files thread");
            worker.run(&todo);
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
            None => match self.prepared.recv_timeout(NEXT_MAX) {
                Ok(file) => file,
                Err(RecvTimeoutError::Timeout) => fail::stop_the_process(
                    "there was no room on the disk for another log segment for a minute",
                ),
                Err(RecvTimeoutError::Disconnected) => {
                    fail::stop_the_process("the log-files thread has ended")
                }
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
        // A thread that waits to hand over a segment sees the closed channel and continues.
        self.prepared = crossbeam::channel::never();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread that prepares segments.
struct Worker {
    environment: Environment,
    directory: PathBuf,
    log_id: [u8; 16],
    segment_bytes: u32,
    done: Sender<Arc<SegmentFile>>,
}

impl Worker {
    /// Works until all senders are gone. A segment for which there is no room is tried again, with the other jobs in between:
    /// deleting old segments makes room.
    fn run(&self, todo: &Receiver<Job>) {
        let mut wanted = None;
        loop {
            let job = match wanted {
                None => todo.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => todo.recv_timeout(RETRY_INTERVAL),
            };
            match job {
                Ok(Job::Prepare { serial }) => wanted = Some(serial),
                Ok(Job::Delete(files)) => files.iter().for_each(|file| self.delete(&file.path)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let Some(serial) = wanted else { continue };
            match self.create(serial) {
                Ok(file) => {
                    wanted = None;
                    // No one waits for it when the log is being closed.
                    let _ = self.done.send(file);
                }
                Err(error) if error.is_disk_full() => {
                    tracing::warn!(%error, "no room for the next log segment; trying again");
                    // What was written of it takes room, too.
                    let _ = super::remove_temporary(self.environment, &self.directory);
                }
                Err(error) => cannot_prepare(&error),
            }
        }
    }

    fn work(&self, job: Job) {
        match job {
            Job::Prepare { serial } => {
                // No one waits for it when the log is being closed.
                let _ = self.done.send(self.prepare(serial));
            }
            Job::Delete(files) => files.iter().for_each(|file| self.delete(&file.path)),
        }
    }

    fn prepare(&self, serial: u64) -> Arc<SegmentFile> {
        self.create(serial).unwrap_or_else(|error| cannot_prepare(&error))
    }

    fn create(&self, serial: u64) -> Result<Arc<SegmentFile>, LogError> {
        let room = self.environment.disk().space(&self.directory).map_or(u64::MAX, |space| space.available);
        let bytes = segment_bytes(self.segment_bytes, room);
        SegmentFile::create(self.environment, &self.directory, &self.log_id, serial, bytes)
    }

    fn delete(&self, path: &Path) {
        fail::point("log.delete");
        let disk = self.environment.disk();
        // One directory sync each: names must go in order, or a crash leaves a gap in the serial numbers.
        if let Err(error) = disk.remove(path).and_then(|()| disk.sync_directory(&self.directory)) {
            fail::stop_the_process(&format!("cannot delete log segment {}: {error}", path.display()));
        }
    }
}

fn cannot_prepare(error: &LogError) -> ! {
    fail::stop_the_process(&format!("cannot prepare a log segment: {error}"))
}

/// The size of a segment where there is this much room.
fn segment_bytes(wanted: u32, room: u64) -> u32 {
    let share = u32::try_from(room / SHARE_OF_ROOM).unwrap_or(u32::MAX);
    wanted.min(share.max(SEGMENT_BYTES_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_leaves_most_of_the_room_to_others() {
        let (wanted, mib) = (64 << 20, 1 << 20);
        for (room, bytes) in [(u64::MAX, 64), (512, 64), (256, 32), (16, 2), (1, 1), (0, 1)] {
            assert_eq!(segment_bytes(wanted, room.saturating_mul(mib)), bytes << 20, "{room}");
        }
        assert_eq!(segment_bytes(4096, 0), 4096, "a small one is a small one");
    }
}
