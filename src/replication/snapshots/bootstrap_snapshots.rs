//! Bootstrap snapshots inside a site: the node that leads has fetched one from the core, the others get it from there.
//!
//! Before the entry that puts a copy in place is proposed, the other nodes are asked to fetch it; one that could not then
//! fetches it when it comes to that entry, and applies nothing until it has it, while its old data serve. If nobody has it
//! any more a snapshot of another node takes its place (`site_snapshot.rs`). Which copy a node has is written down beside
//! it, after the files are whole.

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
/// How long the others may take to fetch a copy before it is put in place without waiting for them.
const FETCH_MAX: Duration = Duration::from_secs(3600);
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// See the module.
pub struct BootstrapSnapshots {
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
    /// This node's own.
    pub log: Arc<SegmentLog>,
    pub snapshots: Arc<Snapshots>,
    /// `seed` in the data directory: a copy in `seed/INDEX`, and in `seed/INDEX.held` which it is, once it is whole.
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

/// How a copy is written down.
fn mark(history: &str, position: LogId) -> String {
    format!("{history} {} {}\n", position.term, position.index)
}

/// Where the copy of this place is, or is put together.
pub fn place_of(directory: &Path, position: LogId) -> PathBuf {
    directory.join(position.index.to_string())
}

/// Where it is written down which copy is in `place`.
fn held_at(place: &Path) -> PathBuf {
    place.with_extension("held")
}

/// Writes down that the copy of this place is whole.
pub fn note_held(directory: &Path, history: &str, position: LogId) -> io::Result<()> {
    let at = held_at(&place_of(directory, position));
    let temporary = at.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(mark(history, position).as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, &at)?;
    File::open(directory)?.sync_all()
}

fn holds(directory: &Path, history: &str, position: LogId) -> bool {
    let at = held_at(&place_of(directory, position));
    fs::read_to_string(at).is_ok_and(|text| text == mark(history, position))
}

/// The files of a bootstrap snapshot, for another node. One that is damaged is a copy no more.
fn offered_files(directory: &Path, position: LogId) -> io::Result<BTreeMap<SnapshotFile, FileMeta>> {
    let place = place_of(directory, position);
    let files = snapshot_files(&place, &BTreeMap::new())?;
    if let Err(error) = Store::check_blocks(&place) {
        tracing::warn!(copy = %place.display(), %error, "a bootstrap snapshot of the core is damaged; it is given to nobody");
        fs::remove_file(held_at(&place))?;
        return Err(io::Error::other(error));
    }
    Ok(files)
}

/// Makes room for the copy of this place: what is left of one that never became whole is begun with, since many of its files
/// will be the same; of whole ones the newest stays, for a node that has not come so far.
pub fn prepare(directory: &Path, position: LogId) -> io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let place = place_of(directory, position);
    if held_at(&place).exists() {
        // Of another history, or fetched again because somebody wants it so.
        fs::remove_file(held_at(&place))?;
    }
    let mut whole = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let number =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u64>().ok());
        let Some(number) = number.filter(|_| path != place) else { continue };
        if held_at(&path).exists() {
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
        fs::remove_file(held_at(&path))?;
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
                    false => Err(io::Error::new(io::ErrorKind::NotFound, "this node has not got that copy")),
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

    /// As leader, before a copy is put in place: lets the others fetch it from here, those that answer.
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
                    tracing::warn!(node = address, %error, "a node of the site has not fetched the copy; it will when it is back");
                }
            }
        });
        futures::future::join_all(spreading).await;
    }

    /// Before the entry of the site's log at `index`, which puts a copy in place, is applied: waits until the copy is here,
    /// however long that takes. `Some`: nobody has it any more, but there is a snapshot that stands at that entry or behind.
    pub async fn ensure(&self, index: u64, snapshot: &BootstrapSnapshot) -> Option<PathBuf> {
        let mut said = String::new();
        while !holds(&self.directory, &snapshot.history, snapshot.position) {
            let leader = self.state.leader().filter(|_| !self.state.is_leader());
            let others: Vec<_> = leader.into_iter().chain(self.others.lock().clone()).collect();
            let mut why = "no other node of the site is known".to_owned();
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
                tracing::warn!(%why, "waiting for a bootstrap snapshot of the core's data");
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
        note_held(&self.directory, history, position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: LogId = LogId { term: 1, index: 5 };

    #[test]
    fn which_copy_is_held_is_written_down() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("seed");
        assert!(!holds(&directory, "h", AT));
        prepare(&directory, AT).unwrap();
        note_held(&directory, "h", AT).unwrap();
        let other = LogId { term: 2, index: 5 };
        assert!(holds(&directory, "h", AT) && !holds(&directory, "h", other) && !holds(&directory, "g", AT));
        prepare(&directory, AT).unwrap();
        assert!(!holds(&directory, "h", AT), "it is being fetched again");
    }

    #[test]
    fn a_broken_copy_is_gone_on_with_and_the_newest_whole_one_stays() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("seed");
        let at = |index| LogId { term: 1, index };
        for index in [3, 5] {
            prepare(&directory, at(index)).unwrap();
            note_held(&directory, "h", at(index)).unwrap();
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
