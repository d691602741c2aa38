//! A node without a server: log and store in a directory, a client that proposes and waits.

use crate::{
    command::{Args, Command, Flags, KeyRange, Run, Table},
    error::Result,
    peer::FIRST_GROUP,
    replica::ProposalBuilder,
    replication::{
        directory::DataDirectory,
        group::{GroupHandle, GroupOptions},
        queue::{Mailbox, Outcome, Ticket},
        wal::{LogError, Retention, SegmentOptions},
    },
    resp::Reply,
    session::{Group, Stats},
    state::{StateWriter, Work},
    store::{NewRow, ReadTime, Store, StoreOptions, Txn},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

/// `ADD key`: counts and returns the new count. `EXPIREAT key ms`.
static COMMANDS: &[Command] = &[
    Command {
        name: "ADD",
        arity: 2,
        keys: KeyRange::ONE,
        run: Run::Write(add),
        flags: Flags::WRITE,
        ..Command::BASE
    },
    Command {
        name: "EXPIREAT",
        arity: 3,
        keys: KeyRange::ONE,
        run: Run::Write(expire_at),
        flags: Flags::WRITE,
        ..Command::BASE
    },
];

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&[COMMANDS]));

fn add(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let count = txn.get(key)?.map_or(0, |row| std::str::from_utf8(&row.body).unwrap().parse().unwrap());
    let next: i64 = count + 1;
    txn.put(key, NewRow::string(next.to_string().as_bytes()))?;
    Ok(Reply::Int(next))
}

fn expire_at(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, at) = (args.next_word()?, args.next_word()?);
    let expires_at = std::str::from_utf8(at).unwrap().parse().unwrap();
    let Some(row) = txn.get(key)? else {
        return Ok(Reply::Int(0));
    };
    let body = row.body.to_vec();
    txn.put(key, NewRow { expires_at, ..NewRow::string(&body) })?;
    Ok(Reply::Int(1))
}

pub(super) struct TestNode {
    pub(super) store: Arc<Store>,
    pub(super) log: GroupHandle,
    pub(super) stats: Arc<Stats>,
    mailbox: Arc<Mailbox>,
    _directory: DataDirectory,
}

pub(super) fn small_segments() -> SegmentOptions {
    SegmentOptions {
        segment_bytes: 64 << 10,
        first_segment_bytes: 16 << 10,
        cache_bytes: 8 << 10,
        ..Default::default()
    }
}

impl TestNode {
    pub(super) async fn start(path: &Path) -> TestNode {
        Self::start_with(path, small_segments(), 128 << 10).await
    }

    pub(super) async fn start_with(path: &Path, segments: SegmentOptions, log_retain_bytes: u64) -> TestNode {
        let node = Self::try_start(path, segments, log_retain_bytes).unwrap();
        within(10, node.log.wait_ready()).await;
        node
    }

    pub(super) fn try_start(
        path: &Path,
        segments: SegmentOptions,
        log_retain_bytes: u64,
    ) -> std::result::Result<TestNode, LogError> {
        let options =
            StoreOptions { block_cache_bytes: 8 << 20, hot_cache_bytes: 1 << 20, ..Default::default() };
        Self::start_on(path, options, segments, log_retain_bytes)
    }

    pub(super) fn start_on(
        path: &Path,
        options: StoreOptions,
        segments: SegmentOptions,
        log_retain_bytes: u64,
    ) -> std::result::Result<TestNode, LogError> {
        let directory = DataDirectory::open(path, "test", false)?;
        let store = Arc::new(Store::open(&path.join("store"), options)?);
        let stats = Arc::new(Stats::default());
        let writer = Arc::<StateWriter>::default();
        let state = Arc::clone(writer.state());
        let log = GroupHandle::start(GroupOptions {
            group: Arc::new(Group { id: FIRST_GROUP, store: Arc::clone(&store), state }),
            connections: None,
            data_directory: path.to_path_buf(),
            node_id: directory.identity.node_id,
            table: &TABLE,
            writer,
            pubsub: Arc::default(),
            stats: Arc::clone(&stats),
            observer: None,
            segments,
            retention: Retention::of_bytes(log_retain_bytes),
            cluster: None,
            edge: None,
            upgrades: true,
            lost_store: None,
        })?;
        Ok(TestNode { store, log, stats, mailbox: Mailbox::new(), _directory: directory })
    }

    pub(super) fn submit(&self, id: u64, words: &[&[u8]]) {
        let mut proposal = ProposalBuilder::commands();
        proposal.push(0, words);
        self.submit_bytes(id, proposal.finish());
    }

    pub(super) fn submit_bytes(&self, id: u64, proposal: Bytes) {
        self.log
            .submit(
                proposal,
                Ticket {
                    mailbox: Arc::clone(&self.mailbox),
                    id,
                    was_forwarded: false,
                    client: 0,
                    work: Work::HOUSEKEEPING,
                },
            )
            .unwrap();
    }

    /// Outcomes in the order in which they come, until there are `count`.
    pub(super) async fn outcomes(&self, count: usize) -> Vec<(u64, Outcome)> {
        let mut got = Vec::new();
        while got.len() < count {
            within(20, self.mailbox.wait()).await;
            self.mailbox.drain(&mut got);
        }
        got
    }

    /// Runs one call and returns its reply.
    pub(super) async fn call(&self, words: &[&[u8]]) -> Reply {
        self.submit(0, words);
        match self.outcomes(1).await.pop().unwrap().1 {
            Outcome::Applied(mut replies) => replies.pop().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn count_of(&self, key: &[u8]) -> Option<i64> {
        let published = self.store.published();
        let row = self.store.blocking_view(&published, 0, ReadTime::At(0)).get(key).unwrap()?;
        Some(std::str::from_utf8(&row.body).unwrap().parse().unwrap())
    }

    pub(super) async fn stop(self) {
        assert!(self.log.shutdown(Duration::from_secs(10)).await);
    }
}

/// Fails instead of waiting for ever.
pub(super) async fn within<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(seconds), future).await.expect("took too long")
}

/// Waits for a condition.
pub(super) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never happened: {what}");
}

/// Copies all files below `from`. A store that is open there changes files of its own accord; then they are copied again.
pub(super) fn copy_directory(from: &Path, to: &Path) {
    for _ in 0..100 {
        // RocksDB's threads go on meanwhile: a manifest must not name a file that came after the directory was listed.
        match files(from).and_then(|before| try_to_copy(from, to).map(|()| before)) {
            Ok(before) if files(from).is_ok_and(|after| after == before) => return,
            Ok(_) => fs::remove_dir_all(to).unwrap(),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !to.exists() => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::remove_dir_all(to).unwrap(),
            Err(error) => panic!("{}: {error}", from.display()),
        }
    }
    panic!("{} changes all the time", from.display());
}

/// All files below a directory, each with its length and the time of its last change.
fn files(directory: &Path) -> io::Result<BTreeMap<PathBuf, (u64, SystemTime)>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        match about.is_dir() {
            true => found.extend(files(&entry.path())?),
            false => drop(found.insert(entry.path(), (about.len(), about.modified()?))),
        }
    }
    Ok(found)
}

fn try_to_copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            try_to_copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
