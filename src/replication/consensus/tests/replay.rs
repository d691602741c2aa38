//! The script corpus on a node inside this process; then its log, replayed into an empty store, must give the same state.
//!
//! The replay runs later than the clients did and cuts the log into other batches, so a handler that looks at a clock, at
//! chance or at anything but the state and its entry shows here.

use crate::{
    commands, config, node,
    replica::Replica,
    replication::{
        consensus::{
            apply,
            types::{RaftEntry, to_raft_entry},
        },
        queue::InFlight,
        wal::{SegmentLog, SegmentOptions},
    },
    state::StateWriter,
    store::{Store, StoreOptions},
};
use resp_tests::{
    connection::{Connection, Received},
    corpus,
    ports::free_port,
    run::{InProcess, differences, run_cleaned},
    script,
    value::Value,
};
use std::{
    ffi::OsString,
    fs,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const START_SECONDS_MAX: u64 = 30;
const READ_BYTES_MAX: usize = 1 << 20;

/// A node in a thread of this process.
struct InThread {
    port: u16,
    thread: JoinHandle<()>,
}

fn start(data: &Path, args: &[String]) -> InThread {
    let port = free_port().unwrap();
    let own = ["flotilla", "--http-port", "0", "--peer-port", "0", "--port", &port.to_string(), "--data-dir"];
    let words = own.iter().map(OsString::from).chain([data.into()]).chain(args.iter().map(OsString::from));
    let parsed = config::parse(words, |_| None).unwrap();
    let config = config::Config::new(parsed.values).unwrap();
    let thread = thread::spawn(move || drop(node::run(config).unwrap()));
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    let pong = Received::Reply(Value::Simple(b"PONG".to_vec()));
    let is_ready = || Connection::open(port).and_then(|mut connection| connection.call(&["PING"]));
    // Until then it says LOADING.
    while !is_ready().is_ok_and(|answer| answer == pong) {
        assert!(Instant::now() < deadline && !thread.is_finished(), "the node does not start");
        thread::sleep(Duration::from_millis(5));
    }
    InThread { port, thread }
}

impl InThread {
    fn stop(self) {
        let mut connection = Connection::open(self.port).unwrap();
        assert_eq!(connection.call(&["SHUTDOWN"]).unwrap(), Received::Closed);
        self.thread.join().unwrap();
    }
}

/// The log of a stopped node from its first entry on.
fn entries(data: &Path) -> Vec<RaftEntry> {
    let log = SegmentLog::open(&data.join("log"), &SegmentOptions::default()).unwrap();
    let (purged, last) = log.state();
    assert_eq!(purged, None, "the beginning of the log is gone");
    let end = last.unwrap().index + 1;
    let mut entries = Vec::new();
    let mut next = 0;
    while next < end {
        let read = log.read(next, end, READ_BYTES_MAX).unwrap();
        assert!(!read.is_empty(), "no entry {next}");
        next = read.last().unwrap().index + 1;
        entries.extend(read.into_iter().map(|entry| to_raft_entry(entry).unwrap()));
    }
    entries
}

/// Applies entries to a new store, `at_once` of them in one batch.
fn replay(entries: Vec<RaftEntry>, at_once: usize) -> u32 {
    let home = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&home.path().join("store"), StoreOptions::default()).unwrap());
    let writer = Arc::new(StateWriter::default());
    let in_flight = Arc::new(InFlight::new(Arc::clone(writer.state())));
    let replica = Replica::new(Arc::clone(&store), commands::table());
    let apply::Running { jobs, applier, thread } =
        apply::start(replica, Arc::clone(&writer), in_flight, std::path::PathBuf::new()).unwrap();
    let mut entries = entries.into_iter().map(|entry| (entry, None)).peekable();
    while entries.peek().is_some() {
        applier.lock().entries(entries.by_ref().take(at_once).collect());
    }
    drop(jobs);
    thread.unwrap().join().unwrap();
    store.checksum().unwrap()
}

/// How often a script may differ.
const ATTEMPTS: usize = 3;

/// Every data type and command of the corpus has been through the log by then.
#[test]
fn the_corpus_holds_in_process_and_its_log_gives_every_replica_the_same_state() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let node = start(&data, &[]);
    let mut scripts = 0;
    for file in corpus::files().unwrap() {
        let script = script::parse(&fs::read_to_string(&file.path).unwrap()).unwrap();
        if !script.server_args.is_empty() {
            continue;
        }
        // Keys of some scripts live for some tens of ms, which a busy machine may take for one command.
        let run = || differences(&script, &run_cleaned(&InProcess(node.port), &script).unwrap());
        let found = (0..ATTEMPTS).map(|_| run()).find(Vec::is_empty).unwrap_or_else(run);
        assert!(found.is_empty(), "{}, again and again:\n{}", file.name, found.join("\n"));
        scripts += 1;
    }
    assert!(scripts > 100, "only {scripts} scripts ran");
    // The last script is cleaned up by nobody; something more that a checksum can see.
    let mut connection = Connection::open(node.port).unwrap();
    for db in ["0", "7"] {
        for words in [
            &["SELECT", db][..],
            &["MSET", "a", "1", "b", "2", "c", "3"],
            &["SET", "soon", "gone", "PX", "300"],
            &["SET", "late", "here", "EX", "100000"],
            &["APPEND", "a", "tail"],
            &["INCRBYFLOAT", "b", "0.1"],
            &["DEL", "c"],
        ] {
            assert!(!matches!(
                connection.call(words).unwrap(),
                Received::Reply(Value::Error(_)) | Received::Closed
            ));
        }
    }
    node.stop();
    let store = Store::open(&data.join("store"), StoreOptions::default()).unwrap();
    let original = store.checksum().unwrap();
    drop(store);
    let entries = entries(&data);
    assert!(entries.len() > 500, "only {} entries", entries.len());
    for at_once in [1, 7, usize::MAX] {
        assert_eq!(replay(entries.clone(), at_once), original, "{at_once} entries at once");
    }
    // A state that lacks the last write has another checksum: equality means something.
    let mut shorter = entries;
    shorter.pop();
    assert_ne!(replay(shorter, 7), original);
}
