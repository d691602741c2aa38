//! Bootstrap snapshots inside a site: the site's leader fetches one from the core, the other nodes fetch it from the leader.
//!
//! Before the leader proposes the entry that installs a snapshot, it asks the other nodes to fetch it. A node that missed that
//! fetches the snapshot when it comes to the entry: it applies nothing until then and goes on serving its old data. If no
//! node has the bootstrap snapshot any more, the node takes another node's Raft snapshot (`site_snapshot.rs`). A marker file
//! beside a snapshot, written once its files are complete, says which one it is.

use super::{
    snapshots::Snapshots,
    transfer::{SnapshotFile, Source, Throttle, fetch_files, read_part, snapshot_files},
};
use crate::{
    peer::{Answer, CallError, PeerClient, Peers},
    replica::BootstrapSnapshot,
    replication::{
        wal::{SegmentLog, blocking},
        wire::{self, FileMeta, GetFile, edge_kind, read, write},
    },
    state::ReplicationState,
    store::{LogId, Store},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

const ASK_MAX: Duration = Duration::from_secs(60);
/// How long the other nodes may take to fetch a snapshot before the leader proposes the entry without waiting for them.
const FETCH_MAX: Duration = Duration::from_secs(3600);
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// The bootstrap snapshots on this node, and the way to those of the site's other nodes.
pub struct BootstrapSnapshots {
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
    /// This node's own.
    pub log: Arc<SegmentLog>,
    pub snapshots: Arc<Snapshots>,
    /// `bootstrap` in the data directory: the files in `bootstrap/INDEX`, and the marker `bootstrap/INDEX.held` once they are
    /// complete.
    pub directory: PathBuf,
    pub fetching: tokio::sync::Mutex<()>,
    /// The other nodes of the site.
    pub others: Mutex<Vec<(u64, String)>>,
}

fn broken(error: impl std::fmt::Display) -> CallError {
    CallError::Broken(error.to_string())
}

fn refused(error: impl std::fmt::Display) -> CallError {
    CallError::Refused(error.to_string())
}

/// The directory of bootstrap snapshots in a group's directory. Earlier builds called it `seed`: that is renamed, and it is
/// newer than any `bootstrap` beside it, because this build leaves no `seed`.
pub fn open_directory(home: &Path) -> io::Result<PathBuf> {
    let (directory, older) = (home.join("bootstrap"), home.join("seed"));
    if older.exists() {
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::rename(&older, &directory)?;
        File::open(home)?.sync_all()?;
    }
    Ok(directory)
}

/// The content of a marker.
fn mark(history: &str, position: LogId) -> String {
    format!("{history} {} {}\n", position.term, position.index)
}

/// The directory of the snapshot at this log id, complete or not.
pub fn directory_of(directory: &Path, position: LogId) -> PathBuf {
    directory.join(position.index.to_string())
}

/// The marker of the snapshot in `files`.
fn marker(files: &Path) -> PathBuf {
    files.with_extension("held")
}

/// Marks the snapshot at this log id as complete.
pub fn note_whole(directory: &Path, history: &str, position: LogId) -> io::Result<()> {
    let at = marker(&directory_of(directory, position));
    let temporary = at.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(mark(history, position).as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, &at)?;
    File::open(directory)?.sync_all()
}

fn holds(directory: &Path, history: &str, position: LogId) -> bool {
    let at = marker(&directory_of(directory, position));
    fs::read_to_string(at).is_ok_and(|text| text == mark(history, position))
}

/// The files of a bootstrap snapshot, for another node. A damaged one is discarded.
fn offered_files(directory: &Path, position: LogId) -> io::Result<BTreeMap<SnapshotFile, FileMeta>> {
    let place = directory_of(directory, position);
    let files = snapshot_files(&place, &BTreeMap::new())?;
    if let Err(error) = Store::check_blocks(&place) {
        tracing::warn!(snapshot = %place.display(), %error, "a bootstrap snapshot is damaged; discarding it");
        fs::remove_file(marker(&place))?;
        return Err(io::Error::other(error));
    }
    Ok(files)
}

/// Prepares the directory for the snapshot at this log id. It starts with the files of an incomplete snapshot, because many
/// will be the same. Of the complete ones it keeps the newest, for a node whose log still needs it.
pub fn prepare(directory: &Path, position: LogId) -> io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let place = directory_of(directory, position);
    if marker(&place).exists() {
        // Of another history, or an administrator asked for it again.
        fs::remove_file(marker(&place))?;
    }
    let mut whole = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let number =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u64>().ok());
        let Some(number) = number.filter(|_| path != place) else { continue };
        if marker(&path).exists() {
            whole.push((number, path));
        } else if place.exists() {
            fs::remove_dir_all(&path)?;
        } else {
            fs::rename(&path, &place)?;
        }
    }
    whole.sort();
    whole.pop();
    for (_, path) in whole {
        fs::remove_file(marker(&path))?;
        fs::remove_dir_all(&path)?;
    }
    fs::create_dir_all(&place)?;
    Ok(place)
}

impl BootstrapSnapshots {
    pub fn new(
        peers: Arc<Peers>,
        state: Arc<ReplicationState>,
        log: Arc<SegmentLog>,
        snapshots: Arc<Snapshots>,
        directory: PathBuf,
    ) -> Self {
        let (fetching, others) = (Default::default(), Mutex::default());
        BootstrapSnapshots { peers, state, log, snapshots, directory, fetching, others }
    }

    pub fn is_edge(&self) -> bool {
        self.state.edge.is_edge()
    }

    /// Answers another node of the site.
    pub async fn answer(&self, from: u64, kind: u32, body: Bytes) -> Answer {
        match kind {
            edge_kind::SITE_SNAPSHOT_FILE => self.snapshot_part(read(body).map_err(refused)?).await,
            edge_kind::SITE_BOOTSTRAP => {
                let wanted: wire::SiteBootstrap = read(body).map_err(refused)?;
                let position = LogId { term: wanted.term, index: wanted.index };
                let directory = self.directory.clone();
                let files = blocking(move || match holds(&directory, &wanted.history, position) {
                    true => offered_files(&directory, position),
                    false => Err(io::Error::new(
                        io::ErrorKind::NotFound,
                        "this node does not have that bootstrap snapshot",
                    )),
                });
                let files = files.await.map_err(refused)?.map_err(refused)?.into_values().collect();
                Ok(write(&wire::BootstrapOffer { files, ..Default::default() }))
            }
            edge_kind::SITE_FILE => {
                let wanted: GetFile = read(body).map_err(refused)?;
                let directory = self.directory.clone();
                let part = blocking(move || read_part(&directory, &wanted));
                part.await.map_err(broken)?.map_err(refused)
            }
            _ => {
                let wanted: wire::SiteBootstrap = read(body).map_err(refused)?;
                let client = self.peers.client(&wanted.address, from);
                let position = LogId { term: wanted.term, index: wanted.index };
                self.fetch_from(&client, &wanted.history, position).await.map_err(broken)?;
                Ok(Bytes::new())
            }
        }
    }

    /// On the leader, before it proposes to install a snapshot: has the other nodes fetch it from here, if they answer.
    pub async fn spread(&self, others: Vec<(u64, String)>, own_address: &str, snapshot: &BootstrapSnapshot) {
        let body = write(&wire::SiteBootstrap {
            history: snapshot.history.clone(),
            term: snapshot.position.term,
            index: snapshot.position.index,
            address: own_address.to_owned(),
        });
        let spreading = others.iter().map(|(id, address)| {
            let (client, body) = (self.peers.client(address, *id), body.clone());
            async move {
                if let Err(error) = client.call(edge_kind::SITE_FETCH, body, FETCH_MAX).await {
                    tracing::warn!(node = address, %error, "a node of the site did not fetch the bootstrap snapshot; it will once it is back");
                }
            }
        });
        futures::future::join_all(spreading).await;
    }

    /// Waits until the snapshot is here, however long that takes, before the entry at `index` of the site's log installs
    /// it. `Some`: no node has it any more, but a Raft snapshot that includes that entry was fetched.
    pub async fn ensure(&self, index: u64, snapshot: &BootstrapSnapshot) -> Option<PathBuf> {
        let mut said = String::new();
        while !holds(&self.directory, &snapshot.history, snapshot.position) {
            let leader = self.state.leader().filter(|_| !self.state.is_leader());
            let others: Vec<_> = leader.into_iter().chain(self.others.lock().clone()).collect();
            let mut why = "this node knows no other node of the site".to_owned();
            for (id, address) in &others {
                let client = self.peers.client(address, *id);
                match self.fetch_from(&client, &snapshot.history, snapshot.position).await {
                    Ok(()) => return None,
                    Err(error) => why = error.to_string(),
                }
            }
            for (id, address) in &others {
                match self.fetch_snapshot(&self.peers.client(address, *id), index).await {
                    Ok(directory) => return Some(directory),
                    Err(error) => why = format!("{why}; {error}"),
                }
            }
            if why != said {
                tracing::warn!(%why, "waiting for a bootstrap snapshot from another node of the site; applying nothing until then");
                said = why;
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        None
    }

    async fn fetch_from(&self, from: &PeerClient, history: &str, position: LogId) -> io::Result<()> {
        let _one = self.fetching.lock().await;
        if holds(&self.directory, history, position) {
            return Ok(());
        }
        let LogId { term, index } = position;
        let wanted = wire::SiteBootstrap { history: history.to_owned(), term, index, address: String::new() };
        let offer =
            from.call(edge_kind::SITE_BOOTSTRAP, write(&wanted), ASK_MAX).await.map_err(io::Error::other)?;
        let offer: wire::BootstrapOffer = read(offer).map_err(io::Error::other)?;
        let directory = self.directory.clone();
        let place = blocking(move || prepare(&directory, position)).await;
        let place = place.map_err(io::Error::other)??;
        let name = index.to_string();
        let source = Source { kind: edge_kind::SITE_FILE, snapshot: &name, from };
        fetch_files(&source, &offer.files, &place, &mut Throttle::new(0), &|_| ()).await?;
        note_whole(&self.directory, history, position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: LogId = LogId { term: 1, index: 5 };

    #[test]
    fn a_directory_of_an_earlier_build_is_kept_under_the_new_name() {
        let home = tempfile::tempdir().unwrap();
        let older = home.path().join("seed");
        prepare(&older, AT).unwrap();
        note_whole(&older, "h", AT).unwrap();
        let directory = open_directory(home.path()).unwrap();
        assert!(holds(&directory, "h", AT) && !older.exists());
        // An earlier build ran in between: its directory is newer.
        let next = LogId { term: 1, index: 9 };
        prepare(&older, next).unwrap();
        note_whole(&older, "h", next).unwrap();
        assert_eq!(open_directory(home.path()).unwrap(), directory);
        assert!(holds(&directory, "h", next) && !holds(&directory, "h", AT) && !older.exists());
    }

    #[test]
    fn the_marker_says_which_snapshot_is_complete() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("bootstrap");
        assert!(!holds(&directory, "h", AT));
        prepare(&directory, AT).unwrap();
        note_whole(&directory, "h", AT).unwrap();
        let other = LogId { term: 2, index: 5 };
        assert!(holds(&directory, "h", AT) && !holds(&directory, "h", other) && !holds(&directory, "g", AT));
        prepare(&directory, AT).unwrap();
        assert!(!holds(&directory, "h", AT), "it is being fetched again");
    }

    #[test]
    fn an_incomplete_snapshot_is_reused_and_the_newest_complete_one_stays() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("bootstrap");
        let at = |index| LogId { term: 1, index };
        for index in [3, 5] {
            prepare(&directory, at(index)).unwrap();
            note_whole(&directory, "h", at(index)).unwrap();
        }
        assert!(holds(&directory, "h", at(3)) && holds(&directory, "h", at(5)));
        let broken = prepare(&directory, at(8)).unwrap();
        assert!(!holds(&directory, "h", at(3)) && holds(&directory, "h", at(5)));
        fs::write(broken.join("000012.sst"), "some of it").unwrap();
        let next = prepare(&directory, at(9)).unwrap();
        assert!(next.join("000012.sst").exists() && !broken.exists());
        assert!(holds(&directory, "h", at(5)));
    }
}
