//! Repairs a node that found damage in its own files, at its next start.
//!
//! | what is damaged | what becomes of it |
//! |---|---|
//! | its data (`store`, `snapshot`) | another node's snapshot takes their place; log, votes and identity stay, so what it promised stands, and nobody need lead for it |
//! | its log, its votes, `IDENTITY` | it is a new node with an empty directory, which the core lets in in place of the old one |
//! | anything of an edge that is alone | it begins again with an empty directory, and takes a bootstrap snapshot of the core |
//!
//! **Invariants.** A node with a damaged log gives it up only while the others have a leader in contact with a majority:
//! then every acknowledged entry is on a node of that majority. Damaged data are removed only after sound data have
//! replaced them. The discarded part of a log stays in `damaged` until the next repair, for diagnosis.

use super::quarantine::Quarantine;
use crate::{
    peer::{LocalIdentity, Peers},
    replication::{
        snapshots::{Source, Throttle, fetch_files},
        wal::{LogError, SegmentLog, blocking, is_consistent_with},
        wire::{
            self, BootstrapOffer, BootstrapWanted,
            edge_kind::{SITE_SNAPSHOT, SITE_SNAPSHOT_FILE},
        },
    },
    store::{LogId, Store},
};
use std::{
    fs, io,
    net::{TcpStream, ToSocketAddrs},
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

const RETRY_INTERVAL: Duration = Duration::from_millis(500);
const ASK_MAX: Duration = Duration::from_secs(2);
/// The other node may have to make the snapshot first, and reads it.
const OFFER_MAX: Duration = Duration::from_secs(600);
/// Pause before a further attempt, for each attempt that found damage again; and the longest pause.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The directory that keeps the files a node gave up.
const KEPT: &str = "damaged";

/// Other nodes that may have the lost data.
#[derive(Clone)]
pub struct Helpers {
    /// Peer addresses of other nodes of its core, or of its edge site.
    pub peers: Vec<String>,
    /// Of an edge: those of its core.
    pub upstreams: Vec<String>,
    pub identity: Arc<LocalIdentity>,
    /// 0 = no limit.
    pub bytes_per_second: u64,
}

impl Helpers {
    /// Whether it is a node of an edge site without others: all that it has is a copy.
    pub fn are_all_upstream(&self) -> bool {
        self.peers.is_empty() && !self.upstreams.is_empty()
    }
}

/// Runs what waits for other nodes, on this thread.
fn wait_for<T>(work: impl Future<Output = T>) -> Result<T, LogError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| LogError::Raft(format!("cannot start a runtime: {error}")))?.block_on(work))
}

/// Says once why something has to wait.
struct Waiting(String);

impl Waiting {
    async fn because(&mut self, why: String) {
        if why != self.0 {
            tracing::warn!(reason = %why, "waiting to repair this node");
            self.0 = why;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Gives up the log and the identity of a data directory, when the others can do without them. The next start is that of a
/// new node. The directory's lock is the caller's.
pub fn begin_anew(directory: &Path, quarantine: &Quarantine, helpers: &Helpers) -> Result<(), LogError> {
    tracing::warn!(
        data_dir = %directory.display(), reason = %quarantine.text,
        "this node gives up its log and rejoins as a new node; the directory 'damaged' keeps the old log"
    );
    wait_for(async {
        let mut waiting = Waiting(String::new());
        let own = super::identity::cluster_of(directory);
        loop {
            match can_do_without_us(helpers, own.as_deref()).await {
                Ok(()) => return,
                Err(why) => waiting.because(why).await,
            }
        }
    })?;
    set_aside(directory).map_err(LogError::io("set aside the log of", directory))?;
    Quarantine::lift(directory)
}

/// Whether the others have a leader with a majority, which does not count on this node since that does not answer.
async fn can_do_without_us(helpers: &Helpers, own_cluster: Option<&str>) -> Result<(), String> {
    if helpers.are_all_upstream() {
        let upstreams = helpers.upstreams.clone();
        let reached = blocking(move || upstreams.iter().any(|address| connects(address))).await;
        return match reached {
            Ok(true) => Ok(()),
            _ => Err(format!("cannot reach a core node at {}", helpers.upstreams.join(", "))),
        };
    }
    let peers = Peers::new(Arc::clone(&helpers.identity));
    let mut why = Vec::new();
    for address in &helpers.peers {
        match status(&peers, address).await {
            Ok(status) if !status.has_quorum => {
                why.push(format!("{address} is not a leader in contact with a majority"));
            }
            Ok(status) if own_cluster.is_some_and(|own| own != status.cluster_id) => {
                why.push(format!("{address} is of cluster {}", status.cluster_id));
            }
            Ok(_) => return Ok(()),
            Err(error) => why.push(format!("{address}: {error}")),
        }
    }
    Err(why.join("; "))
}

fn connects(address: &str) -> bool {
    let found = address.to_socket_addrs().into_iter().flatten();
    found.into_iter().any(|at| TcpStream::connect_timeout(&at, ASK_MAX).is_ok())
}

async fn status(peers: &Peers, address: &str) -> Result<wire::Status, String> {
    let answer = peers.client(address, 0).call(wire::kind::STATUS, bytes::Bytes::new(), ASK_MAX).await;
    wire::read(answer.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}

/// Keeps log and identity and removes the rest, which the other nodes have. If interrupted, it is continued.
fn set_aside(directory: &Path) -> io::Result<()> {
    let (kept, before) = (directory.join("damaged.tmp"), directory.join(KEPT));
    fs::create_dir_all(&kept)?;
    for name in ["IDENTITY", "log"] {
        let from = directory.join(name);
        if from.exists() {
            fs::rename(from, kept.join(name))?;
        }
    }
    // Earlier builds called `bootstrap` `seed`.
    for name in ["store", "snapshot", "received", "bootstrap", "seed"] {
        remove_if_there(&directory.join(name))?;
    }
    // Empty: all was done before, but for the quarantine.
    match fs::read_dir(&kept)?.next().is_some() {
        true => {
            remove_if_there(&before)?;
            fs::rename(&kept, &before)?;
        }
        false => fs::remove_dir(&kept)?,
    }
    fs::File::open(directory)?.sync_all()
}

fn remove_if_there(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A node's lost data, to be fetched from another node.
pub struct LostStore {
    pub quarantine: Quarantine,
    pub helpers: Helpers,
}

impl LostStore {
    /// Waits for another node's snapshot, however long that takes, and makes it the store's. Nothing else runs yet.
    pub fn restore(&self, directory: &Path, log: &SegmentLog, store: &Store) -> Result<(), LogError> {
        let began = std::time::Instant::now();
        tracing::warn!(reason = %self.quarantine.text, "replacing this node's damaged data with another node's");
        let received = directory.join("received");
        let pause = PAUSE.saturating_mul(self.quarantine.attempt.saturating_sub(1)).min(PAUSE_MAX);
        let (from, position) = wait_for(async {
            tokio::time::sleep(pause).await;
            let mut waiting = Waiting(String::new());
            loop {
                match self.fetch(log, &received).await {
                    Ok(fetched) => return fetched,
                    Err(why) => waiting.because(why).await,
                }
            }
        })?;
        if !is_consistent_with(log, position).map_err(LogError::io("read the log of", directory))? {
            drop_tail(log)?;
        }
        store.install(&received)?;
        for name in ["snapshot", "received"] {
            let path = directory.join(name);
            remove_if_there(&path).map_err(LogError::io("remove", &path))?;
        }
        Quarantine::lift(directory)?;
        store.remove_others()?;
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(%from, index = position.index, millis, "this node's data is repaired");
        Ok(())
    }

    /// Fetches a snapshot that leaves no gap before this log; from the leader if possible.
    async fn fetch(&self, log: &SegmentLog, received: &Path) -> Result<(String, LogId), String> {
        let peers = Peers::new(Arc::clone(&self.helpers.identity));
        let mut found = Vec::new();
        let mut why = Vec::new();
        for address in &self.helpers.peers {
            match status(&peers, address).await {
                Ok(status) => found.push((!status.has_quorum, address, status.node_id)),
                Err(error) => why.push(format!("{address}: {error}")),
            }
        }
        found.sort_unstable();
        let index_min = log.state().0.map_or(0, |purged| purged.index);
        for (_, address, id) in found {
            match self.fetch_from(&peers, address, id, index_min, received).await {
                Ok(position) => return Ok((address.clone(), position)),
                Err(error) => why.push(format!("{address}: {error}")),
            }
        }
        Err(why.join("; "))
    }

    async fn fetch_from(
        &self,
        peers: &Peers,
        address: &str,
        id: u64,
        index_min: u64,
        received: &Path,
    ) -> Result<LogId, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let client = peers.client(address, id);
        let wanted = wire::write(&BootstrapWanted { index_min, ..Default::default() });
        let offer = client.call(SITE_SNAPSHOT, wanted, OFFER_MAX).await.map_err(|error| text(&error))?;
        let offer: BootstrapOffer = wire::read(offer).map_err(|error| text(&error))?;
        let source = Source { kind: SITE_SNAPSHOT_FILE, snapshot: &offer.name, from: &client };
        let mut throttle = Throttle::new(self.helpers.bytes_per_second);
        fetch_files(&source, &offer.files, received, &mut throttle, &|_| ()).await.map_err(|e| text(&e))?;
        let offered = LogId { term: offer.term, index: offer.index };
        let stands = Store::read_checkpoint(received).map_err(|error| text(&error))?.position;
        match stands == Some(offered) && offered.index >= index_min {
            true => Ok(offered),
            false => Err(format!("the snapshot is at log id {stands:?}, not at the one offered")),
        }
    }
}

/// Drops the tail of a log that has another entry at the data's log id: that entry and those behind it were never
/// committed.
fn drop_tail(log: &SegmentLog) -> Result<(), LogError> {
    let (done, wait) = mpsc::channel();
    log.truncate_after(log.state().0, Box::new(move || done.send(()).unwrap_or_default()))?;
    wait.recv().map_err(|_| LogError::Raft("the log stopped".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However often it happens, and wherever a crash cuts it short.
    #[test]
    fn a_log_that_is_given_up_is_kept_until_the_next_one() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for life in ["first", "second"] {
            fs::write(at("IDENTITY"), life).unwrap();
            for name in ["log", "store", "snapshot"] {
                fs::create_dir(at(name)).unwrap();
                fs::write(at(name).join("FILE"), life).unwrap();
            }
            if life == "second" {
                // Cut short after its first step.
                fs::create_dir(at("damaged.tmp")).unwrap();
                fs::rename(at("IDENTITY"), at("damaged.tmp/IDENTITY")).unwrap();
            }
            for _ in 0..2 {
                set_aside(home.path()).unwrap();
                let left: Vec<_> =
                    fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
                assert_eq!(left, ["damaged"]);
                for name in ["IDENTITY", "log/FILE"] {
                    assert_eq!(fs::read_to_string(at("damaged").join(name)).unwrap(), life);
                }
            }
        }
    }
}
