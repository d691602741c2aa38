//! The stage as the product's environment: of every question it knows on which node it is asked.

use super::{EPOCH_MS, Mutant, ON_STAGE, Thread, current, disk, random};
use crate::environment::{Environment, Rule, SimulatedDisk, Simulation};
use std::{fs::File, io, path::Path};

/// That of every node on the stage of the thread that asks.
pub(crate) const ENVIRONMENT: Environment = Environment::simulated(&World);

struct World;

impl Simulation for World {
    fn wall_ms(&self) -> u64 {
        let stage = current().expect(ON_STAGE);
        let skew = stage.skews_ms.borrow()[stage.node()];
        (EPOCH_MS + stage.now()).saturating_add_signed(skew)
    }

    fn monotonic_us(&self) -> u64 {
        let stage = current().expect(ON_STAGE);
        let pace = stage.paces.borrow()[stage.node()];
        (stage.now() + 1000 * (stage.node() as u64 + 1)) * pace
    }

    fn random(&self) -> u64 {
        random().expect(ON_STAGE)
    }

    fn host(&self, thread: Thread) {
        current().expect(ON_STAGE).hosted.borrow_mut().push(thread);
    }

    fn keeps(&self, rule: Rule) -> bool {
        current().expect(ON_STAGE).mutant.and_then(Mutant::breaks) != Some(rule)
    }
}

impl SimulatedDisk for World {
    fn before_create(&self, path: &Path) -> io::Result<()> {
        disk::before_create(path)
    }

    fn before_create_directory(&self, path: &Path) -> io::Result<()> {
        disk::before_create_directory(path)
    }

    fn before_write(&self, file: &File, path: &Path, bytes: &[u8], at: u64) -> io::Result<()> {
        disk::before_write(file, path, bytes, at)
    }

    fn before_rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        disk::before_rename(from, to)
    }

    fn before_remove(&self, path: &Path) -> io::Result<()> {
        disk::before_remove(path)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        disk::sync_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        disk::sync_directory(directory)
    }
}
