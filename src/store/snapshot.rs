//! Checkpoints: a hard-linked copy of the store's files at one log position, and the switch of the store to one.

use super::{
    Store,
    engine::{Engine, Family, engine_error},
    keys, replaced,
    site::SiteRecord,
    source::read_source,
    state::{LogId, StateRecord},
    store::{open_engine, read_site, read_state},
};
use crate::{checked, error::StoreError};
use parking_lot::Mutex;
use rocksdb::{WriteBatch, checkpoint::Checkpoint as EngineCheckpoint};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The file that names the directory of the database.
const CURRENT_DB: &str = "CURRENT_DB";
/// The directory of the first database, which no file names.
const FIRST: &str = "db";
/// Prefix of the names of directories that replace it.
const INCOMING: &str = "incoming-";
/// The directory of an empty database that stands in for a damaged one until another replaces it.
const UNNAMED: &str = "empty";

/// A checkpoint on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub directory: PathBuf,
    /// Its position in the log of the node that made it; `None` = the empty store.
    pub position: Option<LogId>,
    /// The core's log id of its data: the same, except on an edge.
    pub data: Option<LogId>,
    /// The Raft membership in it.
    pub membership: Option<Vec<u8>>,
}

impl Store {
    /// Writes a checkpoint of the applied state into `target`, which must not exist; its parent must. The copy is built
    /// under another name and renamed, so `target` is always complete.
    pub fn checkpoint(&self, target: &Path) -> Result<Checkpoint, StoreError> {
        let published = self.published();
        let engine = published.engine();
        let building = target.with_extension("building");
        remove_directory(&building)?;
        EngineCheckpoint::new(&engine.db)
            .and_then(|checkpoint| checkpoint.create_checkpoint(&building))
            .map_err(engine_error)?;
        sync_directory(&building)?;
        fs::rename(&building, target).map_err(|e| StoreError::io("rename checkpoint", &e))?;
        if let Some(parent) = target.parent() {
            sync_directory(parent)?;
        }
        Store::read_checkpoint(target)
    }

    /// Opens a checkpoint read-only to learn its position.
    pub fn read_checkpoint(directory: &Path) -> Result<Checkpoint, StoreError> {
        let options = rocksdb::Options::default();
        let families = ["default"];
        let db = super::engine::Db::open_cf_for_read_only(&options, directory, families, false)
            .map_err(engine_error)?;
        let state = match db.get(keys::STATE).map_err(engine_error)? {
            Some(record) => StateRecord::decode(&record)?,
            None => StateRecord::default(),
        };
        let site = db.get(keys::SITE).map_err(engine_error)?;
        let site = site.map(|record| SiteRecord::decode(&record)).transpose()?;
        let membership = db.get(keys::MEMBERSHIP).map_err(engine_error)?;
        let position = site.map(|site| site.applied).or(state.applied);
        Ok(Checkpoint { directory: directory.to_path_buf(), position, data: state.applied, membership })
    }

    /// Opens a checkpoint read-only to learn its state.
    pub fn read_state(directory: &Path) -> Result<StateRecord, StoreError> {
        let options = rocksdb::Options::default();
        let db = super::engine::Db::open_cf_for_read_only(&options, directory, ["default"], false)
            .map_err(engine_error)?;
        match db.get(keys::STATE).map_err(engine_error)? {
            Some(record) => StateRecord::decode(&record),
            None => Ok(StateRecord::default()),
        }
    }

    /// Replaces the whole store by a checkpoint (copied by hard links, so the checkpoint stays usable). The old state
    /// serves until the switch. Only the apply thread may call it.
    pub fn install(&self, checkpoint: &Path) -> Result<(), StoreError> {
        let incoming = unused_directory(&self.directory)?;
        link_files(checkpoint, &incoming)?;
        // The engine has its files open by name, so the new one is opened where it will stay.
        let engine = Arc::new(open_engine(&incoming, &self.options)?);
        self.switch_to(engine, &incoming)
    }

    /// As `install`, of a core's checkpoint on an edge: it becomes the state at this position of the site's log, with the
    /// site's own membership.
    pub fn install_bootstrap(&self, checkpoint: &Path, site: &SiteRecord) -> Result<(), StoreError> {
        let membership = self.membership()?;
        let incoming = unused_directory(&self.directory)?;
        link_files(checkpoint, &incoming)?;
        let engine = Arc::new(open_engine(&incoming, &self.options)?);
        let default = engine.family(Family::Default)?;
        let mut batch = WriteBatch::default();
        batch.put_cf(default, keys::SITE, site.encode());
        match membership {
            Some(membership) => batch.put_cf(default, keys::MEMBERSHIP, membership),
            None => batch.delete_cf(default, keys::MEMBERSHIP),
        }
        engine.write(batch)?;
        // There is no log to bring it back.
        engine.flush()?;
        self.switch_to(engine, &incoming)
    }

    fn switch_to(&self, engine: Arc<Engine>, directory: &Path) -> Result<(), StoreError> {
        let (state, site) = (read_state(&engine)?, read_site(&engine)?);
        let source = read_source(&engine, &state)?.map(Arc::new);
        let replaced = Arc::clone(self.published().engine());
        write_current(&self.directory, directory)?;
        self.enter_commit();
        self.hot.clear();
        let number = self.leave_commit(engine, state, site, source);
        self.passed_expiries.forget();
        self.largest.forget();
        replaced::retire(replaced, self.options.environment);
        if let Some(observer) = self.observer() {
            observer.replaced();
            observer.installed();
            observer.told(number, None, false);
        }
        Ok(())
    }
}

pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    fs::File::open(directory)
        .and_then(|handle| handle.sync_all())
        .map_err(|e| StoreError::io("sync directory", &e))
}

/// One removal at a time: a start may find a leftover directory that a thread is about to remove (`replaced.rs`).
static REMOVING: Mutex<()> = Mutex::new(());
const REMOVE_ATTEMPTS: u32 = 50;
const REMOVE_INTERVAL: Duration = Duration::from_millis(20);

/// Removes a directory of a store that is closed, or about to be.
pub fn remove_directory(directory: &Path) -> Result<(), StoreError> {
    let _one = REMOVING.lock();
    let mut attempts = REMOVE_ATTEMPTS;
    loop {
        match fs::remove_dir_all(directory) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            // A replaced database that is being closed may have written one more file meanwhile.
            Err(e) if e.kind() == std::io::ErrorKind::DirectoryNotEmpty && attempts > 1 => {
                attempts = attempts.saturating_sub(1);
                std::thread::sleep(REMOVE_INTERVAL);
            }
            Err(e) => return Err(StoreError::io("remove directory", &e)),
        }
    }
}

fn link_files(from: &Path, to: &Path) -> Result<(), StoreError> {
    let io = |what| move |e: std::io::Error| StoreError::io(what, &e);
    fs::create_dir_all(to).map_err(io("create directory"))?;
    for entry in fs::read_dir(from).map_err(io("read checkpoint"))? {
        let entry = entry.map_err(io("read checkpoint"))?;
        let target = to.join(entry.file_name());
        let immutable = entry.path().extension().is_some_and(|extension| extension == "sst");
        if !immutable || fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target).map_err(io("copy checkpoint file"))?;
        }
        fs::File::open(&target).and_then(|f| f.sync_all()).map_err(io("sync checkpoint file"))?;
    }
    sync_directory(to)
}

/// A name that no database directory has had since the current one was created: one that is being removed may not come
/// back.
fn unused_directory(store: &Path) -> Result<PathBuf, StoreError> {
    let io = |e: std::io::Error| StoreError::io("read store directory", &e);
    let mut next = 0_u64;
    for entry in fs::read_dir(store).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let serial = name.to_str().and_then(|name| name.strip_prefix(INCOMING)?.parse::<u64>().ok());
        next = serial.map_or(next, |serial| next.max(serial.saturating_add(1)));
    }
    Ok(store.join(format!("{INCOMING}{next}")))
}

/// The directory of an empty database that no file names.
pub(super) fn empty_directory(store: &Path) -> Result<PathBuf, StoreError> {
    let directory = store.join(UNNAMED);
    remove_directory(&directory)?;
    Ok(directory)
}

/// The database's directory under the store's: the content of the file CURRENT_DB, else `db`.
pub(super) fn current_directory(store: &Path) -> Result<PathBuf, StoreError> {
    let file = store.join(CURRENT_DB);
    let damaged = |detail: String| StoreError::damaged(&file, detail);
    let text = match fs::read(&file) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8".into()))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let first = store.join(FIRST);
            if !first.exists() && has_replacement(store)? {
                return Err(damaged(
                    "it is missing, and so is the first database, which another one replaced".into(),
                ));
            }
            return Ok(first);
        }
        Err(e) => return Err(StoreError::io("read CURRENT_DB", &e)),
    };
    let name = checked::unseal(&text).map_err(|detail| damaged(detail.into()))?.text;
    if name.is_empty() || name.contains(['/', '\\', '\n']) || name.starts_with('.') {
        return Err(damaged("it does not name a directory".into()));
    }
    // Only existing directories were ever named: for a missing one the engine would create an empty database.
    let directory = store.join(name);
    match directory.join("CURRENT").exists() {
        true => Ok(directory),
        false => Err(damaged(format!("it names {name}, which is not a database"))),
    }
}

fn has_replacement(store: &Path) -> Result<bool, StoreError> {
    let io = |e: std::io::Error| StoreError::io("read store directory", &e);
    for entry in fs::read_dir(store).map_err(io)? {
        let entry = entry.map_err(io)?;
        let is_one = entry.file_name().to_str().is_some_and(|name| name.starts_with(INCOMING));
        if is_one && entry.path().join("CURRENT").exists() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Durably names the directory that holds the database.
fn write_current(store: &Path, directory: &Path) -> Result<(), StoreError> {
    let name = directory.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    checked::replace_file(&store.join(CURRENT_DB), checked::seal(name).as_bytes())
        .map_err(|e| StoreError::io("write CURRENT_DB", &e))
}

/// Removes database directories that CURRENT_DB does not name (left by a crash, or a stop, during an install).
pub(super) fn remove_stale(store: &Path, current: &Path) -> Result<(), StoreError> {
    let io = |e: std::io::Error| StoreError::io("clean store directory", &e);
    for entry in fs::read_dir(store).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path != current && (name == FIRST || name == UNNAMED || name.starts_with(INCOMING)) {
            remove_directory(&path)?;
        }
    }
    Ok(())
}
