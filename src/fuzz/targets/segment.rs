//! Log segments: damage is refused or cut off as a torn tail, and never shows as an entry that was not written.

use bytes::Bytes;
use flotilla::{
    environment::Environment,
    replication::wal::{EntryKind, LogEntry, SegmentLog, SegmentOptions},
};
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use std::{cell::OnceCell, fs, path::PathBuf, sync::mpsc};

const OPTIONS: SegmentOptions = SegmentOptions {
    segment_bytes: 4096,
    first_segment_bytes: 4096,
    cache_bytes: 4096,
    environment: Environment::machine(),
};
const ENTRIES: u64 = 12;

/// A log as it was written, to damage copies of.
struct Written {
    directory: tempfile::TempDir,
    files: Vec<(PathBuf, Vec<u8>)>,
}

thread_local! {
    static WRITTEN: OnceCell<Written> = const { OnceCell::new() };
}

/// One change of a file.
#[derive(Debug, Arbitrary)]
enum Damage {
    Byte { file: u8, at: u16, value: u8 },
    Flip { file: u8, at: u16, bit: u8 },
    Zero { file: u8, from: u16, bytes: u8 },
    Copy { file: u8, from: u16, to: u16, bytes: u8 },
    Cut { file: u8, bytes: u16 },
}

pub fn run(data: &[u8]) {
    let Ok(damage) = Vec::<Damage>::arbitrary(&mut Unstructured::new(data)) else { return };
    WRITTEN.with(|written| reopen(written.get_or_init(write), &damage));
}

fn entry(index: u64) -> LogEntry {
    let payload = vec![index as u8; (index as usize * 37) % 300];
    LogEntry { index, term: 1 + index / 5, kind: EntryKind::Normal, payload: Bytes::from(payload) }
}

fn write() -> Written {
    let directory = tempfile::tempdir().expect("a directory for the log");
    let log = SegmentLog::open(directory.path(), &OPTIONS).expect("a new log opens");
    let (done, durable) = mpsc::channel();
    for index in 1..=ENTRIES {
        let done = done.clone();
        let tell = move || {
            let _nobody_waits = done.send(());
        };
        log.append(vec![entry(index)], Box::new(tell)).expect("an entry is taken");
        durable.recv().expect("an entry becomes durable");
    }
    drop(log);
    let mut files: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(directory.path())
        .expect("the directory can be listed")
        .map(|file| file.expect("has a name").path())
        .map(|path| (path.clone(), fs::read(path).expect("can be read")))
        .collect();
    files.sort();
    Written { directory, files }
}

fn reopen(written: &Written, damage: &[Damage]) {
    let mut files = written.files.clone();
    for damage in damage {
        apply(&mut files, damage);
    }
    for file in fs::read_dir(written.directory.path()).expect("the directory can be listed") {
        fs::remove_file(file.expect("has a name").path()).expect("can be removed");
    }
    for (path, content) in &files {
        fs::write(path, content).expect("can be written");
    }
    let Ok(log) = SegmentLog::open(written.directory.path(), &OPTIONS) else { return };
    let (_, last) = log.state();
    let last = last.map_or(0, |position| position.index);
    assert!(last <= ENTRIES);
    if files == written.files {
        assert_eq!(last, ENTRIES, "an undamaged log lost entries");
    }
    for index in 1..=last {
        let found = log.read(index, index + 1, usize::MAX).expect("an entry that counts can be read");
        assert_eq!(found, [entry(index)]);
    }
}

fn apply(files: &mut [(PathBuf, Vec<u8>)], damage: &Damage) {
    let number = match *damage {
        Damage::Byte { file, .. }
        | Damage::Flip { file, .. }
        | Damage::Zero { file, .. }
        | Damage::Copy { file, .. }
        | Damage::Cut { file, .. } => usize::from(file) % files.len(),
    };
    let content = &mut files[number].1;
    match *damage {
        Damage::Byte { at, value, .. } => {
            if let Some(byte) = content.get_mut(usize::from(at)) {
                *byte = value;
            }
        }
        Damage::Flip { at, bit, .. } => {
            if let Some(byte) = content.get_mut(usize::from(at)) {
                *byte ^= 1 << (bit % 8);
            }
        }
        Damage::Zero { from, bytes, .. } => {
            let to = (usize::from(from) + usize::from(bytes)).min(content.len());
            if let Some(range) = content.get_mut(usize::from(from)..to) {
                range.fill(0);
            }
        }
        Damage::Copy { from, to, bytes, .. } => {
            let (from, to, bytes) = (usize::from(from), usize::from(to), usize::from(bytes));
            if from.max(to) + bytes <= content.len() {
                content.copy_within(from..from + bytes, to);
            }
        }
        Damage::Cut { bytes, .. } => content.truncate(usize::from(bytes)),
    }
}
