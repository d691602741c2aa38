//! Keeps log time: steers it on the leader, saves it for the next start, and reports wrong clocks.
//!
//! Setting a wall clock moves log time by at most a twentieth of the time that passes, and not at all while most of the
//! nodes' clocks disagree (`state::WallClocks`). On an edge nothing is steered: its time is the core's.

use crate::{
    environment::Rule,
    limits::EXPIRE_SWEEP_KEYS_MAX,
    replica::ProposalBuilder,
    replication::{
        queue::Queue,
        upkeep::clock_file::{ClockFile, ClockRecord, boot_hash},
        wal::blocking,
    },
    resp::ErrorReply,
    state::{LogClock, ReplicationState},
    time::difference,
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior};

/// Time between two adjustments of log time and two checks of the clocks.
const STEER_INTERVAL: Duration = Duration::from_millis(100);
/// Time between two saves of log time.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);
/// A difference from here on is worth a warning,
const NOTABLE_MS: u64 = 1000;
/// and from here on a human must act: it takes more than twenty minutes to disappear by itself.
const ALARMING_MS: u64 = 60_000;
/// Repeated at this interval while it lasts.
const REPEAT_INTERVAL: Duration = Duration::from_secs(600);

/// Steers log time.
pub struct Timekeeper {
    state: Arc<ReplicationState>,
    directory: PathBuf,
    alarm: Alarm,
    file: Option<Arc<ClockFile>>,
    boot: u64,
}

impl Timekeeper {
    pub fn new(state: Arc<ReplicationState>, directory: PathBuf) -> Self {
        let boot = boot_hash(state.environment().boot().as_deref());
        Timekeeper { state, directory, alarm: Alarm::default(), file: None, boot }
    }

    /// Runs until aborted.
    pub async fn run(mut self) {
        let mut interval = tokio::time::interval(STEER_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut note_at = Instant::now();
        loop {
            interval.tick().await;
            self.steer();
            if Instant::now() >= note_at && self.boot != 0 {
                note_at = Instant::now() + NOTE_INTERVAL;
                self.note().await;
            }
        }
    }

    fn steer(&mut self) {
        let state = &self.state;
        let (log_ms, wall_ms) = (state.clock.now_ms(), state.environment().wall_ms());
        let own = difference(wall_ms, log_ms);
        let steers = self.state.is_leader() && !state.edge.is_edge();
        let agreed = if steers { state.walls.agreed_ahead_of(log_ms, wall_ms) } else { own };
        if steers {
            if !state.environment().keeps(Rule::LogTimeIsBent) {
                state.clock.step(agreed);
            }
            // Without a majority the agreed wall time is unknown.
            state.clock.steer(self.state.has_lease().then_some(agreed));
        }
        state.clock.set_ahead_ms(agreed.saturating_neg());
        if state.clock.is_known() {
            self.alarm.look(steers.then_some(agreed), own);
        }
    }

    /// Notes log time for the next start. What cannot be noted costs precision then, nothing else.
    async fn note(&mut self) {
        let clock = &self.state.clock;
        if !clock.is_known() {
            return;
        }
        let record = ClockRecord { boot: self.boot, offset_us: clock.offset_us(), log_ms: clock.now_ms() };
        let (file, directory) = (self.file.clone(), self.directory.clone());
        let noted = blocking(move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(ClockFile::open(&directory)?),
            };
            file.write(&record).map(|()| file)
        });
        match noted.await {
            Ok(Ok(file)) => self.file = Some(file),
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot note log time");
                self.file = None;
            }
            Err(error) => tracing::debug!(%error, "cannot note log time"),
        }
    }
}

/// The difference between two clocks, as a human should see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Gap {
    #[default]
    Small,
    Notable,
    Alarming,
}

impl Gap {
    /// As this, or as less once the difference has halved.
    fn of(ahead_ms: i64, before: Gap) -> Gap {
        let level = |ms: u64| match ms {
            ALARMING_MS.. => Gap::Alarming,
            NOTABLE_MS.. => Gap::Notable,
            _ => Gap::Small,
        };
        let ms = ahead_ms.unsigned_abs();
        level(ms).max(before.min(level(ms.saturating_mul(2))))
    }
}

/// Logs when clocks differ, and when they agree again.
#[derive(Debug, Default)]
struct Alarm {
    /// The difference between log time and most wall clocks, on the leader.
    agreed: (Gap, Option<Instant>),
    /// This node's wall clock and the others', or (elsewhere) log time.
    own: (Gap, Option<Instant>),
}

impl Alarm {
    /// On the leader wall time is ahead of log time by `agreed`; this node's wall clock is by `own`.
    fn look(&mut self, agreed: Option<i64>, own: i64) {
        if let Some(gap) = due(&mut self.agreed, agreed.unwrap_or(0)) {
            say_agreed(gap, agreed.unwrap_or(0));
        }
        let own = own.saturating_sub(agreed.unwrap_or(0));
        match due(&mut self.own, own) {
            None => {}
            Some(Gap::Small) => tracing::info!("this node's wall clock agrees with log time again"),
            Some(Gap::Notable | Gap::Alarming) => tracing::warn!(
                ahead_ms = own,
                "this node's wall clock and log time disagree; log time does not follow a single node's clock. Synchronize it (NTP)"
            ),
        }
    }
}

fn say_agreed(gap: Gap, wall_ahead_ms: i64) {
    let agrees_in_s = LogClock::agrees_within(wall_ahead_ms).as_secs();
    let log_ahead_ms = wall_ahead_ms.saturating_neg();
    match gap {
        Gap::Small => tracing::info!("log time and the wall clocks agree again"),
        Gap::Notable => tracing::warn!(
            log_ahead_ms,
            agrees_in_s,
            "log time and the wall clocks disagree: was a clock set? Log time approaches them by 5 % of the time that passes"
        ),
        Gap::Alarming => tracing::error!(
            log_ahead_ms,
            agrees_in_s,
            remedy = "set the clocks if they are wrong (NTP); if they are right and log time is behind, 'flotilla admin clock \
                      --step' steps it to them, which expires at once what is due by then",
            "log time and wall clocks are far apart: EXPIREAT and the like are off by as much, lifetimes by 5 % until they agree"
        ),
    }
}

/// What is to be said of a difference now, if anything.
fn due((known, said): &mut (Gap, Option<Instant>), ahead_ms: i64) -> Option<Gap> {
    let gap = Gap::of(ahead_ms, *known);
    let is_again = gap != Gap::Small && said.is_none_or(|said| said.elapsed() >= REPEAT_INTERVAL);
    if std::mem::replace(known, gap) == gap && !is_again {
        return None;
    }
    *said = Some(Instant::now());
    Some(gap)
}

/// CORE CLOCK, on the leader: what the clocks say, as JSON; with `step`, log time is what wall clocks say first.
pub async fn tell(
    state: &ReplicationState,
    queue: &Queue,
    step: bool,
    own_id: u64,
    name: impl Fn(u64) -> String,
) -> Result<serde_json::Value, String> {
    let agreed = || {
        let log_ms = state.clock.now_ms();
        (log_ms, state.walls.agreed_ahead_of(log_ms, state.environment().wall_ms()))
    };
    let (before_ms, ahead_ms) = agreed();
    if step {
        if !state.clock.step(ahead_ms) {
            return Err(format!(
                "log time is {} ms ahead of wall clocks and never goes back, since what has expired is gone; it nears them by \
                 5 % of the time that passes",
                ahead_ms.unsigned_abs()
            ));
        }
        tracing::warn!(
            from_ms = before_ms,
            by_ms = ahead_ms,
            "log time was stepped to wall time by an administrator"
        );
        log_the_time(queue).await?;
    }
    let (log_ms, ahead_ms) = agreed();
    let own = (own_id, difference(state.environment().wall_ms(), log_ms));
    let mut clocks: Vec<(u64, i64)> = state.walls.ahead_of(log_ms).into_iter().chain([own]).collect();
    clocks.sort_unstable();
    let node =
        |(id, ahead_ms): &(u64, i64)| serde_json::json!({ "name": name(*id), "wall_ahead_ms": ahead_ms });
    Ok(serde_json::json!({
        "log_time_ms": log_ms,
        "wall_time_ms": log_ms.saturating_add_signed(ahead_ms),
        "wall_ahead_ms": ahead_ms,
        "agrees_in_ms": LogClock::agrees_within(ahead_ms).as_millis() as u64,
        "stepped_by_ms": if step { log_ms.saturating_sub(before_ms) } else { 0 },
        "nodes": clocks.iter().map(node).collect::<Vec<_>>(),
    }))
}

/// Logs an entry with the present time: from then on no node's time is before it, whichever node leads.
async fn log_the_time(queue: &Queue) -> Result<(), String> {
    let sweep = ProposalBuilder::sweep(EXPIRE_SWEEP_KEYS_MAX);
    let outcome = queue.propose(sweep, true).await.map_err(|why| ErrorReply::from(why).to_string())?;
    match outcome.applied() {
        Err(error) => {
            Err(format!("log time was stepped here, but that is not in the log: {error}; look at it again"))
        }
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_closed_when_it_has_halved() {
        let mut gap = Gap::Small;
        for (ahead_ms, expected) in [
            (999, Gap::Small),
            (-1000, Gap::Notable),
            (-501, Gap::Notable),
            (60_000, Gap::Alarming),
            (31_000, Gap::Alarming),
            (29_000, Gap::Notable),
            (499, Gap::Small),
            (999, Gap::Small),
        ] {
            gap = Gap::of(ahead_ms, gap);
            assert_eq!(gap, expected, "{ahead_ms}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_is_said_once_and_again_after_a_while() {
        let mut state = (Gap::Small, None);
        assert_eq!(due(&mut state, 10), None);
        assert_eq!(due(&mut state, 5000), Some(Gap::Notable));
        assert_eq!(due(&mut state, 4000), None);
        assert_eq!(due(&mut state, 262_000), Some(Gap::Alarming));
        tokio::time::advance(REPEAT_INTERVAL).await;
        assert_eq!(due(&mut state, 250_000), Some(Gap::Alarming));
        assert_eq!(due(&mut state, 0), Some(Gap::Small));
        tokio::time::advance(REPEAT_INTERVAL).await;
        assert_eq!(due(&mut state, 0), None);
    }
}
