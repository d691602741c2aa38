//! One run of following a source: from a connection until it breaks, or until nobody wants it any more.

use super::{
    feeder::{Fed, Feeder, Shared, Trouble, Wanted},
    keeper::{Keeper, is_stale},
    link::Link,
};
use crate::{
    replica::StepBuilder,
    resp::ErrorReply,
    session::SourceSettings,
    store::{SourcePhase, SourceRecord},
};
use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};
use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

/// Steps that wait for the log.
const STEPS_MAX: usize = 2;
const TICK: Duration = Duration::from_millis(50);
/// Between two questions where the source is.
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// What is left of the pause of the source's clients when the cut-over is proposed, at least this part of it.
const MARGIN_SHARE: u64 = 4;

/// See the module.
pub(super) struct Following<'k> {
    keeper: &'k Keeper,
    /// As the data have it, or will have it before anything else of this is applied.
    record: SourceRecord,
    control: Link,
    shared: Arc<Shared>,
    fed: Receiver<Fed>,
    asked: Instant,
    cut: Option<Cut>,
}

/// The source's clients are paused.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Where its stream ends.
    target: u64,
    /// Before this, no client of it writes.
    until: Instant,
}

/// What INFO says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct SourceInfo {
    pub offset: Option<u64>,
    pub keys: u64,
}

impl<'k> Following<'k> {
    /// Takes over: what others have proposed and was not applied before, never will be.
    pub(super) fn begin(
        keeper: &'k Keeper,
        before: SourceRecord,
        settings: SourceSettings,
    ) -> Result<Self, Trouble> {
        let control = Link::open(&settings)?;
        let owner = uuid::Uuid::new_v4().as_u64_pair().0;
        let history = keeper.history();
        let record = SourceRecord { owner, history, ..before };
        let record = keeper.change(&record, false).map_err(unwanted_if_stale)?;
        let go_on = match record.phase {
            SourcePhase::Following | SourcePhase::CuttingOver => {
                Some((record.replid.clone(), record.position, record.db))
            }
            _ => None,
        };
        let wanted =
            Wanted { settings, go_on, bytes_per_second: record.bytes_per_second, port: keeper.port() };
        let shared = Arc::new(Shared::default());
        if record.phase != SourcePhase::Loading {
            shared.applied.store(record.position, Ordering::Relaxed);
        }
        let (to, fed) = bounded(STEPS_MAX);
        let feeder = Feeder::new(wanted, Arc::clone(&shared), to);
        thread::Builder::new()
            .name("source-reader".into())
            .spawn(move || feeder.run())
            .map_err(|error| Trouble::Passing(format!("cannot start a thread: {error}")))?;
        let asked = Instant::now();
        Ok(Following { keeper, record, control, shared, fed, asked, cut: None })
    }

    pub(super) fn owner(&self) -> u64 {
        self.record.owner
    }

    pub(super) fn run(mut self) -> Result<(), Trouble> {
        loop {
            if self.keeper.is_stopping() {
                return Err(Trouble::Unwanted);
            }
            match self.fed.recv_timeout(TICK) {
                Ok(fed) => self.take(fed)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Trouble::Passing("its reader has ended".to_owned()));
                }
            }
            self.adopt()?;
            if self.record.phase == SourcePhase::CuttingOver {
                if self.cut_over()? {
                    return Ok(());
                }
            } else if self.asked.elapsed() >= ASK_INTERVAL {
                self.report()?;
            }
        }
    }

    fn take(&mut self, fed: Fed) -> Result<(), Trouble> {
        match fed {
            Fed::Begins { replid, offset, bytes } => self.begin_loading(replid, offset, bytes),
            Fed::GoesOn { replid } => {
                let before = self.record.replid.clone();
                self.update(|record| {
                    record.replid = replid.unwrap_or(before);
                    record.partial_syncs = record.partial_syncs.saturating_add(1);
                    record.error.clear();
                })
            }
            Fed::Step { step, rdb_bytes } => self.step(step, rdb_bytes),
            Fed::Whole(loaded) => {
                tracing::info!(source = %self.record.address, ?loaded, "the source's data are here; following");
                let (offset, now) = (self.record.source_offset, self.keeper.now_ms());
                let record = SourceRecord {
                    phase: SourcePhase::Following,
                    is_partial: false,
                    position: offset,
                    db: 0,
                    level_at: now,
                    keys: loaded.keys,
                    error: String::new(),
                    ..self.record.clone()
                };
                self.record = self.keeper.change(&record, true).map_err(unwanted_if_stale)?;
                self.shared.applied.store(offset, Ordering::Relaxed);
                Ok(())
            }
            Fed::Ended(trouble) => Err(trouble),
        }
    }

    fn begin_loading(&mut self, replid: String, offset: u64, bytes: u64) -> Result<(), Trouble> {
        let was_here = self.record.phase != SourcePhase::Loading && self.record.full_syncs > 0;
        if was_here && replid != self.record.replid {
            return Err(Trouble::Lasting(format!(
                "{} has begun a new history, as a Redis does that was restarted, perhaps without its data; what is here was \
                 not touched. To load it anew, stop following, and start with --replace",
                self.record.address
            )));
        }
        if was_here {
            tracing::warn!(
                source = %self.record.address,
                "the source no longer has the part of its stream that is missing here: all of its data are loaded again"
            );
        }
        let keys_total = self.ask()?.keys;
        let now = self.keeper.now_ms();
        let record = SourceRecord {
            phase: SourcePhase::Loading,
            is_partial: true,
            replid,
            source_offset: offset,
            position: 0,
            db: 0,
            keys: 0,
            bytes: 0,
            commands: 0,
            bytes_total: bytes,
            keys_total,
            loading_at: now,
            full_syncs: self.record.full_syncs.saturating_add(1),
            error: String::new(),
            ..self.record.clone()
        };
        self.cut = None;
        self.record = self.keeper.change(&record, true).map_err(unwanted_if_stale)?;
        Ok(())
    }

    fn step(&mut self, step: StepBuilder, rdb_bytes: u64) -> Result<(), Trouble> {
        if step.is_empty() {
            return Ok(());
        }
        let (from, keys) = (self.record.position, step.keys);
        // A step is made again for a new version: it is only bytes at its beginning.
        let mut proposal = step.finish(self.record.version, from, rdb_bytes);
        loop {
            match self.keeper.propose(&proposal) {
                Ok(position) => {
                    self.record.position = position;
                    self.record.keys = self.record.keys.saturating_add(keys);
                    self.record.bytes = self.record.bytes.max(rdb_bytes);
                    if self.record.phase != SourcePhase::Loading {
                        self.shared.applied.store(position, Ordering::Relaxed);
                    }
                    return Ok(());
                }
                // Only an administrator's wish, perhaps: then the same step follows it.
                Err(error) if is_stale(&error) => {
                    let version = self.record.version;
                    self.adopt()?;
                    if self.record.version == version || self.record.position != from {
                        return Err(Trouble::Unwanted);
                    }
                    proposal = StepBuilder::again(&proposal, self.record.version);
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    /// A step was not done: a command of it failed, or nobody knows.
    fn failed(&self, error: &ErrorReply) -> Trouble {
        match self.keeper.record() {
            Some(record) if record.phase == SourcePhase::Failed && record.owner == self.record.owner => {
                Trouble::Lasting(format!("{}: {error}", record.error))
            }
            _ => Trouble::Passing(error.to_string()),
        }
    }

    /// Follows changes that an administrator has made. Another owner's end this.
    fn adopt(&mut self) -> Result<(), Trouble> {
        let Some(there) = self.keeper.record() else { return Err(Trouble::Unwanted) };
        if there.version <= self.record.version {
            return Ok(());
        }
        if there.owner != self.record.owner || !there.is_active() {
            return Err(Trouble::Unwanted);
        }
        self.record = there;
        Ok(())
    }

    fn update(&mut self, change: impl FnOnce(&mut SourceRecord)) -> Result<(), Trouble> {
        let mut record = self.record.clone();
        change(&mut record);
        match self.keeper.change(&record, false) {
            Ok(record) => {
                self.record = record;
                Ok(())
            }
            // What it said is not worth a new connection.
            Err(error) if is_stale(&error) => self.adopt(),
            Err(error) => Err(Trouble::Passing(error.to_string())),
        }
    }

    /// Asks the source where it is, and notes it if that is news.
    fn report(&mut self) -> Result<(), Trouble> {
        self.asked = Instant::now();
        let info = self.ask()?;
        if self.record.phase != SourcePhase::Following {
            return Ok(());
        }
        let Some(offset) = info.offset else { return Ok(()) };
        let (before, now) = (self.record.source_offset, self.keeper.now_ms());
        let is_level = self.record.position >= offset;
        if offset != before || is_level && self.record.level_at < now.saturating_sub(10_000) {
            self.update(|record| {
                record.source_offset = offset;
                if is_level {
                    record.level_at = now;
                }
            })?;
        }
        Ok(())
    }

    fn ask(&mut self) -> Result<SourceInfo, Trouble> {
        let text = self.control.text(&[b"INFO"])?;
        Ok(SourceInfo::of(&text))
    }

    /// Pauses the source's clients, waits until all is here, and lets clients write here; whether that is done.
    fn cut_over(&mut self) -> Result<bool, Trouble> {
        let pause = Duration::from_millis(self.record.pause_ms);
        let cut = match self.cut {
            Some(cut) => cut,
            None => {
                let began = Instant::now();
                if let Err(why) = self.pause_source() {
                    return self.give_up_cut(why).map(|()| false);
                }
                let Some(target) = self.ask()?.offset else {
                    return self.give_up_cut("it does not say its replication offset".into()).map(|()| false);
                };
                let margin = pause.checked_div(u32::try_from(MARGIN_SHARE).unwrap_or(1)).unwrap_or_default();
                let cut = Cut { target, until: began + pause.saturating_sub(margin) };
                self.cut = Some(cut);
                cut
            }
        };
        if Instant::now() >= cut.until {
            let _ = self.control.call(&[b"CLIENT", b"UNPAUSE"]);
            let why = format!("it was not level within {} ms; its clients go on there", pause.as_millis());
            return self.give_up_cut(why).map(|()| false);
        }
        if self.record.position < cut.target {
            return Ok(false);
        }
        let now = self.keeper.now_ms();
        let record = SourceRecord {
            phase: SourcePhase::CutOver,
            source_offset: cut.target,
            level_at: now,
            error: String::new(),
            ..self.record.clone()
        };
        match self.keeper.change(&record, false) {
            Ok(_) => {}
            Err(error) if is_stale(&error) => return self.adopt().map(|()| false),
            Err(error) => {
                // It may be done, or be done yet: until that is known, nobody may write there.
                let _ = self.pause_source();
                return Err(Trouble::Passing(error.to_string()));
            }
        }
        tracing::info!(source = %record.address, offset = cut.target, "cut over: clients may write here");
        // Its clients have the whole pause to come over.
        if let Err(why) = self.pause_source() {
            tracing::warn!(%why, "the pause of the source's clients could not be made longer");
        }
        self.shared.stop.store(true, Ordering::Relaxed);
        Ok(true)
    }

    fn pause_source(&mut self) -> Result<(), String> {
        let ms = self.record.pause_ms.to_string();
        self.control.done(&[b"CLIENT", b"PAUSE", ms.as_bytes(), b"WRITE"]).map(drop)
    }

    /// The source goes on, and it is followed as before.
    fn give_up_cut(&mut self, why: String) -> Result<(), Trouble> {
        tracing::warn!(source = %self.record.address, %why, "no cut-over");
        self.cut = None;
        self.update(|record| {
            record.phase = SourcePhase::Following;
            record.error = format!("no cut-over: {why}");
        })
    }
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl SourceInfo {
    pub(super) fn of(info: &str) -> Self {
        let mut found = SourceInfo::default();
        for line in info.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name == "master_repl_offset" {
                found.offset = value.trim().parse().ok();
            } else if let Some(keys) = name.strip_prefix("db").and_then(|_| value.strip_prefix("keys=")) {
                let keys = keys.split(',').next().and_then(|keys| keys.parse::<u64>().ok());
                found.keys = found.keys.saturating_add(keys.unwrap_or(0));
            }
        }
        found
    }
}

fn unwanted_if_stale(error: ErrorReply) -> Trouble {
    if is_stale(&error) { Trouble::Unwanted } else { Trouble::Passing(error.to_string()) }
}
