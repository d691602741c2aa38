//! Files of a snapshot from one directory to another, whole or not at all.

use crate::{
    peer::{Answer, CallError, Groups, Handler, LocalIdentity, PeerClient, serve},
    replication::{
        consensus::{
            rpc,
            snapshot::{fetch, offer},
            types::{RaftSnapshot, RaftSnapshotMeta, RaftVote, SnapshotFiles},
        },
        snapshots::{Throttle, read_part, snapshot_files},
        wire::{self, kind},
    },
};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// Answers FILE out of a directory; may garble, and counts.
struct Files {
    snapshots: PathBuf,
    garble: bool,
    parts: AtomicU32,
}

impl Handler for Files {
    fn call(&self, _from: u64, kind: u32, body: Bytes) -> BoxFuture<'static, Answer> {
        assert_eq!(kind, kind::FILE);
        self.parts.fetch_add(1, Ordering::SeqCst);
        let part = read_part(&self.snapshots, &wire::read(body).unwrap());
        let garble = self.garble;
        Box::pin(async move {
            let part = part.map_err(|error| CallError::Refused(error.to_string()))?;
            Ok(if garble { part.iter().map(|byte| byte ^ 1).collect() } else { part })
        })
    }
}

struct Sender {
    home: tempfile::TempDir,
    files: Arc<Files>,
    client: PeerClient,
}

fn sender(garble: bool) -> Sender {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("7");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("empty.log"), b"").unwrap();
    fs::write(directory.join("small.sst"), b"rows").unwrap();
    fs::write(directory.join("large.sst"), vec![7; (2 << 20) + 3]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let identity = |id| Arc::new(LocalIdentity::new(id, String::new(), address.clone(), Some("c".into())));
    let files = Arc::new(Files { snapshots: home.path().into(), garble, parts: AtomicU32::new(0) });
    let handler: Arc<dyn Handler> = Arc::<Files>::clone(&files);
    tokio::spawn(serve(listener, identity(1), Groups::one(handler), std::future::pending()));
    let client = PeerClient::new(&address, 1, identity(2));
    Sender { home, files, client }
}

fn offered(sender: &Sender) -> rpc::Snapshot {
    let snapshot = RaftSnapshot {
        meta: RaftSnapshotMeta::default(),
        snapshot: SnapshotFiles { directory: sender.home.path().join("7") },
    };
    let files = snapshot_files(&snapshot.snapshot.directory, &BTreeMap::new()).unwrap();
    offer("somewhere:1", &RaftVote::new(1, 1), &snapshot, files.into_values().collect())
}

fn same(one: &Path, other: &Path) -> bool {
    let content = |directory: &Path| -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    };
    content(one) == content(other)
}

#[tokio::test]
async fn what_is_there_is_not_fetched_again_and_what_broke_off_is_resumed() {
    let sender = sender(false);
    let target = tempfile::tempdir().unwrap();
    let parts = || sender.files.parts.swap(0, Ordering::SeqCst);
    fetch(&offered(&sender), &sender.client, target.path(), &mut Throttle::new(0)).await.unwrap();
    assert!(same(&sender.home.path().join("7"), target.path()));
    assert_eq!(parts(), 1 + 3, "an empty file needs no part");
    fetch(&offered(&sender), &sender.client, target.path(), &mut Throttle::new(0)).await.unwrap();
    assert_eq!(parts(), 0);
    // Half of one file, another one of the right length but wrong, one that does not belong there.
    fs::write(target.path().join("large.sst"), vec![7; (1 << 20) + 5]).unwrap();
    fs::write(target.path().join("small.sst"), b"wors").unwrap();
    // Files are known by the time of their last change, which the kernel takes from a clock that ticks a few times a second.
    let other_time = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    fs::File::options()
        .write(true)
        .open(target.path().join("small.sst"))
        .unwrap()
        .set_modified(other_time)
        .unwrap();
    fs::write(target.path().join("stale.sst"), b"x").unwrap();
    fetch(&offered(&sender), &sender.client, target.path(), &mut Throttle::new(0)).await.unwrap();
    assert!(same(&sender.home.path().join("7"), target.path()));
    assert_eq!(parts(), 1 + 1);
}

/// Each retry read everything again, and a transfer of 100 GB took minutes before its first new byte.
#[tokio::test]
async fn what_was_found_whole_once_is_not_read_again() {
    let sender = sender(false);
    let target = tempfile::tempdir().unwrap();
    let offered = offered(&sender);
    fetch(&offered, &sender.client, target.path(), &mut Throttle::new(0)).await.unwrap();
    // Nobody could read it any more without noticing: other bytes, but the same file for all that its metadata say.
    let path = target.path().join("large.sst");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let mut file = fs::File::options().write(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b"x").unwrap();
    file.set_modified(modified).unwrap();
    sender.files.parts.store(0, Ordering::SeqCst);
    fetch(&offered, &sender.client, target.path(), &mut Throttle::new(0)).await.unwrap();
    assert_eq!(sender.files.parts.load(Ordering::SeqCst), 0, "it was read, and fetched again");
}

#[tokio::test]
async fn what_does_not_have_its_checksum_is_not_kept() {
    let sender = sender(true);
    let target = tempfile::tempdir().unwrap();
    let refused =
        fetch(&offered(&sender), &sender.client, target.path(), &mut Throttle::new(0)).await.unwrap_err();
    assert!(refused.to_string().contains("does not have its checksum"), "{refused}");
    assert!(!target.path().join("small.sst").exists() || !target.path().join("large.sst").exists());
}

#[tokio::test]
async fn names_lead_nowhere_else() {
    let sender = sender(false);
    fs::write(sender.home.path().join("secret"), b"s").unwrap();
    let target = tempfile::tempdir().unwrap();
    for name in ["../secret", "/etc/passwd", "..", "a/b", ""] {
        let mut bad = offered(&sender);
        bad.files[0].name = name.into();
        assert!(fetch(&bad, &sender.client, target.path(), &mut Throttle::new(0)).await.is_err(), "{name}");
        let wanted = wire::GetFile { snapshot: "7".into(), name: name.into(), offset: 0, bytes_max: 10 };
        assert!(read_part(sender.home.path(), &wanted).is_err(), "{name}");
        let wanted =
            wire::GetFile { snapshot: name.into(), name: "small.sst".into(), offset: 0, bytes_max: 10 };
        assert!(read_part(sender.home.path(), &wanted).is_err(), "{name}");
    }
    assert_eq!(
        fs::read_dir(target.path().parent().unwrap())
            .unwrap()
            .filter(|e| e.as_ref().unwrap().file_name() == "secret")
            .count(),
        0
    );
}

#[tokio::test]
async fn a_limit_holds_the_transfer_back() {
    let sender = sender(false);
    let target = tempfile::tempdir().unwrap();
    let began = std::time::Instant::now();
    fetch(&offered(&sender), &sender.client, target.path(), &mut Throttle::new(4 << 20)).await.unwrap();
    // Two MiB at four a second: not before half a second, whatever the machine does.
    assert!(began.elapsed() >= std::time::Duration::from_millis(500), "{:?}", began.elapsed());
}
