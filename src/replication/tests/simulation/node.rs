//! One simulated machine: a directory, and while it is up the product's raft thread on a runtime of its own, whose clock
//! moves only when the simulation moves it. Dropping that runtime is the crash: every task of the node is gone at once.

use crate::{
    config::FeedSettings,
    peer::{FIRST_GROUP, LocalIdentity},
    replication::{
        consensus::tests::said::voters,
        edge::Frames,
        group::{ClusterOptions, GroupHandle, GroupOptions},
        queue::Mailbox,
        tests::{
            simulation::{checker, command::TABLE},
            support::copy_directory,
        },
        wal::{LogError, SegmentLog, SegmentOptions, tests::hand::writer_of},
    },
    session::{ClusterIdentity, Group},
    state::{ClientPorts, StateWriter},
    store::{Store, StoreOptions},
    tests::stage::{Dice, ENVIRONMENT, Links, Stage, Worker, disk::PowerCut, network::deliver},
};
use parking_lot::RwLock;
use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};
use tokio::runtime::Runtime;

/// Segments of a few entries, so that they are left, purged and missed.
const SEGMENTS: SegmentOptions = SegmentOptions {
    segment_bytes: 2 << 10,
    first_segment_bytes: 1 << 10,
    cache_bytes: 1 << 10,
    environment: ENVIRONMENT,
};
const RETAIN_BYTES: u64 = 4 << 10;

pub(super) fn address(slot: usize) -> String {
    format!("n{slot}:1")
}

/// A simulated node.
pub(super) struct Node {
    pub(super) slot: usize,
    pub(super) id: u64,
    /// Every life has a directory of its own in it: what a crash leaves is copied to the next one's.
    root: PathBuf,
    lives: u64,
    members: Vec<(String, String)>,
    cluster: Arc<RwLock<ClusterIdentity>>,
    pub(super) running: Option<Running>,
    /// Until when it is down or (running) stands still; 0 = it does not.
    pub(super) away_until: u64,
    /// When its power goes.
    pub(super) doomed_at: Option<u64>,
    /// Thousandths of a millisecond that its clock goes in one.
    pub(super) pace: u64,
    owed: u64,
    /// How long its disk takes for what is queued, at most.
    pub(super) disk_ms: u64,
    /// How often its id was given up with its disk.
    wipes: u64,
    /// How often it was started.
    starts: u64,
}

/// A life of a node.
pub(super) struct Running {
    pub(super) runtime: Runtime,
    pub(super) handle: GroupHandle,
    log: Arc<SegmentLog>,
    pub(super) frames: Arc<Frames>,
    pub(super) mailbox: Arc<Mailbox>,
    worker: Box<dyn Worker>,
    work_at: Option<u64>,
    /// The power went while it worked.
    is_stuck: bool,
    /// It is to stop, and will when others let it.
    pub(super) is_asked_to_stop: AtomicBool,
    /// Its raft thread has come to its end, as it was asked to.
    has_ended: Arc<AtomicBool>,
}

/// Why a node is not up.
pub(super) enum NotUp {
    PowerCut,
    Refused(String),
}

impl Node {
    pub(super) fn new(slot: usize, nodes: usize, root: &Path, pace: u64, disk_ms: u64) -> Self {
        let root = root.join(format!("n{slot}"));
        fs::create_dir_all(root.join("0")).unwrap();
        Node {
            slot,
            id: slot as u64 + 1,
            root,
            lives: 0,
            members: (0..nodes).map(|slot| (format!("n{slot}"), address(slot))).collect(),
            cluster: Arc::default(),
            running: None,
            away_until: 0,
            doomed_at: None,
            pace,
            owed: 0,
            disk_ms,
            wipes: 0,
            starts: 0,
        }
    }

    fn home(&self) -> PathBuf {
        self.root.join(self.lives.to_string())
    }

    pub(super) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn log(&self) -> Option<&SegmentLog> {
        self.running.as_ref().map(|running| &*running.log)
    }

    pub(super) fn store(&self) -> Option<&Store> {
        self.running.as_ref().map(|running| &**running.handle.store())
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.is_stuck)
    }

    pub(super) fn is_asked_to_stop(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.is_asked_to_stop.load(Ordering::Relaxed))
    }

    pub(super) fn is_leader(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.handle.state().is_leader())
    }

    /// In which of its lives it is, log time, and whether it knows that.
    pub(super) fn log_time(&self) -> Option<(u64, u64, bool)> {
        let clock = &self.running.as_ref()?.handle.state().clock;
        Some((self.starts, clock.now_ms(), clock.is_known()))
    }

    /// Starts it on what its directory holds.
    pub(super) fn start(&mut self, stage: &Stage) -> Result<(), NotUp> {
        stage.turn_to(self.slot);
        (self.away_until, self.starts) = (0, self.starts + 1);
        stage.note(format_args!("starts"));
        match catch_unwind(AssertUnwindSafe(|| self.begin(stage))) {
            Ok(Ok(running)) => {
                self.running = Some(running);
                Ok(())
            }
            Ok(Err(error)) => Err(NotUp::Refused(error.to_string())),
            Err(payload) if payload.is::<PowerCut>() => {
                stage.count("power cuts amid a start", 1);
                Err(NotUp::PowerCut)
            }
            Err(payload) => resume_unwind(payload),
        }
    }

    fn begin(&self, stage: &Stage) -> Result<Running, LogError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        // Its clock is that of all that begins here.
        let entered = runtime.enter();
        let options = StoreOptions {
            block_cache_bytes: 1 << 20,
            hot_cache_bytes: 64 << 10,
            environment: ENVIRONMENT,
            ..Default::default()
        };
        let store = Arc::new(Store::open(&self.home().join("store"), options)?);
        let writer = Arc::new(StateWriter::new(ENVIRONMENT));
        let (handle, raft_thread) = GroupHandle::prepare(GroupOptions {
            group: Arc::new(Group { id: FIRST_GROUP, store, state: Arc::clone(writer.state()) }),
            connections: None,
            data_directory: self.home(),
            node_id: self.id,
            table: &TABLE,
            writer,
            pubsub: Arc::default(),
            stats: Arc::default(),
            observer: None,
            segments: SEGMENTS,
            retention: crate::replication::wal::Retention::of_bytes(RETAIN_BYTES),
            cluster: Some(self.cluster_options()),
            edge: None,
            upgrades: true,
            lost_store: None,
        })?;
        let (log, worker) = (Arc::clone(&raft_thread.parts.log), writer_of(stage.hosted().pop().unwrap()));
        let has_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&has_ended);
        runtime.spawn(async move {
            let (started, start) = std::sync::mpsc::sync_channel(1);
            raft_thread.serve(&started).await;
            ended.store(true, Ordering::Relaxed);
            if let Ok(Err(error)) = start.try_recv() {
                crate::fail::stop_the_process(&format!("cannot start: {error}"));
            }
        });
        drop(entered);
        let mailbox = Mailbox::new();
        Ok(Running {
            runtime,
            handle,
            frames: Arc::new(Frames::new(Arc::clone(&log))),
            log,
            mailbox,
            worker,
            work_at: None,
            is_stuck: false,
            is_asked_to_stop: AtomicBool::new(false),
            has_ended,
        })
    }

    fn cluster_options(&self) -> ClusterOptions {
        let cluster = Arc::clone(&self.cluster);
        let known = cluster.read().clone();
        let is_known = !known.cluster_id.is_empty();
        let name = format!("n{}", self.slot);
        let own = is_known.then(|| known.cluster_id.clone());
        ClusterOptions {
            is_alone: false,
            feed: FeedSettings { edges_max: 0, bootstraps_max: 1, bootstrap_bytes_per_second: 0 },
            members: self.members.clone(),
            join: vec![],
            standby: false,
            compare_interval: Duration::ZERO,
            verify_interval: Duration::ZERO,
            verify_bytes_per_second: 0,
            repair_damaged: false,
            identity: Arc::new(LocalIdentity::new(self.id, name, address(self.slot), own).on_network(&Links)),
            cluster_id: if is_known { known.cluster_id } else { format!("cluster of n{}", self.slot) },
            history_id: if is_known { known.history_id } else { "history".into() },
            adopt: Arc::new({
                let cluster = Arc::clone(&cluster);
                move |cluster_id, history_id| {
                    let mut known = cluster.write();
                    if !known.cluster_id.is_empty() && known.cluster_id != cluster_id {
                        return Err(LogError::Raft(format!("this node is of {}", known.cluster_id)));
                    }
                    cluster_id.clone_into(&mut known.cluster_id);
                    history_id.clone_into(&mut known.history_id);
                    Ok(())
                }
            }),
            cluster,
            // Nobody listens on it: the stage's network takes the calls.
            groups: Arc::default(),
            listener: Some(TcpListener::bind("127.0.0.1:0").unwrap()),
            client_ports: ClientPorts { first: 1, tls: 0 },
            client_host: String::new(),
            snapshot_bytes_per_second: 0,
            master_name: "flotilla".into(),
        }
    }

    /// One millisecond of the world goes by.
    pub(super) fn step(&mut self, stage: &Stage, dice: &mut Dice) {
        let now = stage.now();
        stage.turn_to(self.slot);
        let Some(running) = &mut self.running else {
            // Refuses.
            let arrived = stage.network.borrow_mut().arrived(self.slot, now);
            arrived.into_iter().for_each(|packet| deliver(stage, packet));
            return;
        };
        self.owed += self.pace;
        if self.away_until > now {
            return;
        }
        let ms = self.owed / 1000;
        self.owed %= 1000;
        // After standing still all timers ring at once, before anything that came meanwhile is looked at.
        if self.away_until != 0 && ms > 1 {
            self.away_until = 0;
            let _inside = running.runtime.enter();
            let mut leap = pin!(tokio::time::advance(Duration::from_millis(ms - 1)));
            let _ = leap.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            self.read_at_once("after standing still");
            return self.step_by(stage, dice, 1);
        }
        self.step_by(stage, dice, ms);
    }

    fn step_by(&mut self, stage: &Stage, dice: &mut Dice, ms: u64) {
        let now = stage.now();
        let Some(running) = &mut self.running else { return };
        let arrived = stage.network.borrow_mut().arrived(self.slot, now);
        running.runtime.block_on(async {
            arrived.into_iter().for_each(|packet| deliver(stage, packet));
            match ms {
                0 => tokio::task::yield_now().await,
                ms => tokio::time::sleep(Duration::from_millis(ms)).await,
            }
        });
        let _inside = running.runtime.enter();
        if running.is_stuck || !running.worker.gather() {
            return;
        }
        let at = *running.work_at.get_or_insert_with(|| now + dice.below(self.disk_ms + 1));
        if at > now {
            return;
        }
        running.work_at = None;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| running.worker.work())) {
            running.is_stuck = true;
            // Why it stopped itself is known to the stage.
            if payload.is::<PowerCut>() {
                stage.note(format_args!("its disk does nothing any more"));
                stage.count("power cuts amid a write", 1);
            }
        }
    }

    /// The power goes, with all that was not durable.
    pub(super) fn lose_power(&mut self, stage: &Stage) {
        stage.turn_to(self.slot);
        self.doomed_at = None;
        stage.network.borrow_mut().break_off(self.slot);
        let home = self.home();
        let lost = stage.disk.borrow_mut().cut_power(self.slot, &home);
        stage.note(format_args!("loses power: {lost:?}"));
        stage.count("sectors lost", lost.sectors as u64);
        stage.count("names lost", lost.names as u64);
        checker::with(|checker| checker.forgets(self.slot));
        // RocksDB's memory is lost as well: closing it would write it, so it closes in the old directory.
        self.lives += 1;
        copy_directory(&home, &self.home());
        self.end();
        fs::remove_dir_all(home).unwrap();
    }

    /// All that runs is gone.
    fn end(&mut self) {
        if let Some(Running { runtime, handle, log, frames, mailbox, worker, .. }) = self.running.take() {
            drop(runtime);
            drop((handle, frames, log, mailbox, worker));
        }
    }

    /// Closes it if it has stopped as it was asked to; whether it had.
    pub(super) fn has_stopped(&mut self, stage: &Stage) -> bool {
        let has_ended = |running: &Running| running.has_ended.load(Ordering::Relaxed);
        if !self.running.as_ref().is_some_and(has_ended) {
            return false;
        }
        stage.turn_to(self.slot);
        stage.note(format_args!("has stopped"));
        self.outcomes(stage);
        stage.network.borrow_mut().break_off(self.slot);
        checker::with(|checker| checker.forgets(self.slot));
        // Closing the log writes what is queued.
        if let Some(running) = &mut self.running
            && running.worker.gather()
        {
            running.worker.work();
        }
        self.end();
        true
    }

    /// Its disk is lost, and with it who it was.
    pub(super) fn wipe(&mut self, stage: &Stage) {
        self.lose_power(stage);
        stage.note(format_args!("loses its disk"));
        fs::remove_dir_all(self.home()).unwrap();
        fs::create_dir_all(self.home()).unwrap();
        self.wipes += 1;
        self.id = self.slot as u64 + 1 + 100 * self.wipes;
        self.cluster = Arc::default();
    }

    /// The voters, as far as this node has applied the log.
    pub(super) fn voters(&self) -> BTreeSet<u64> {
        self.store().map(voters).unwrap_or_default()
    }

    pub(super) fn stop_for_good(&mut self, stage: &Stage) {
        stage.turn_to(self.slot);
        self.end();
    }
}
