//! Files that this process has read once and found sound: a repeated transfer need not read them again. A file that was
//! written to, or another file of its name, counts as another file.

use parking_lot::Mutex;
use std::{collections::BTreeMap, fs::Metadata, os::unix::fs::MetadataExt};

/// Device, inode, length, and time of the last change of content.
type Identity = (u64, u64, u64, i64, i64);

/// With more they are forgotten, and read once more: a store of that many files is some terabytes.
const FILES_MAX: usize = 64 * 1024;

static VERIFIED: Mutex<BTreeMap<Identity, u32>> = Mutex::new(BTreeMap::new());

fn identity(found: &Metadata) -> Identity {
    (found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec())
}

/// The checksum of this file, if it was read.
pub(super) fn checksum(found: &Metadata) -> Option<u32> {
    VERIFIED.lock().get(&identity(found)).copied()
}

/// This file was read, or written and synced, and has this checksum.
pub(super) fn note(found: &Metadata, checksum: u32) {
    let mut verified = VERIFIED.lock();
    if verified.len() >= FILES_MAX {
        verified.clear();
    }
    verified.insert(identity(found), checksum);
}
