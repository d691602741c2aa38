//! Log time as this node knows it: what entries are stamped with, and what decides for reads which keys have expired.
//!
//! ```text
//!            this node leads                      it follows                       it has just started
//!  bends to  what most wall clocks say (`steer`)  the leader's time (`heard`)      nothing: goes on from a time that has been
//!  steps     forward, if an operator says so      forward, to what it hears        forward: another node's word, or (first of
//!                                                                                  all, nobody knows) the wall clocks
//! ```
//! A wall clock is trusted at once only if there is nothing else: when a cluster starts and no node knows the time. From
//! then on log time follows the monotonic clock. A new leader continues the time that it followed.
//!
//! **Invariants.** `now_ms` never goes back, and is never before the time of any entry that this node has applied. A
//! follower's time is not ahead of its leader's, except by as much as a former leader was ahead of the present one.

use super::log_line::{LogLine, SLEW_PART};
use crate::{environment::Environment, time::difference};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

/// A follower listens this long before it concludes that it is ahead: some messages are delayed.
const LISTEN_US: u64 = 1_000_000;
/// No cluster is down for longer; a wall clock that claims so is not trusted without an operator.
const AWAY_MAX: Duration = Duration::from_secs(366 * 86_400);

/// The clock.
#[derive(Debug, Default)]
pub struct LogClock {
    environment: Environment,
    line: ArcSwap<LogLine>,
    state: Mutex<State>,
    is_known: AtomicBool,
    /// The time of the last entry applied.
    logged_ms: AtomicU64,
    /// Milliseconds by which log time is ahead of wall time: on the leader that of a majority, elsewhere this node's own.
    ahead_ms: AtomicI64,
}

#[derive(Debug, Default)]
struct State {
    leads: bool,
    /// Since when it listens, and the latest time heard since then.
    listens: Option<(u64, i64)>,
}

/// How a cluster sets log time if no node knows it at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// Some node knew it.
    Known,
    /// Log time is wall time.
    Wall,
    /// Wall clocks are ahead of the last entry by this many ms, which is not trusted.
    NotBelieved(u64),
}

impl LogClock {
    /// By the clocks of this environment.
    pub fn new(environment: Environment) -> Self {
        LogClock { environment, ..LogClock::default() }
    }

    /// Log time, ms since the epoch.
    pub fn now_ms(&self) -> u64 {
        self.at_ms(self.environment.monotonic_us())
    }

    /// Log time at this reading of the monotonic clock (µs).
    pub fn at_ms(&self, monotonic_us: u64) -> u64 {
        self.line.load().at(monotonic_us) / 1000
    }

    /// The offset to the monotonic clock, µs.
    pub fn offset_us(&self) -> i64 {
        self.line.load().offset_at(self.environment.monotonic_us())
    }

    /// Whether this is more than a past time: another node reported it, or it has run on since it was known.
    pub fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Acquire)
    }

    /// For other nodes: log time, or 0 while it is not known here.
    pub fn known_ms(&self) -> u64 {
        if self.is_known() { self.now_ms() } else { 0 }
    }

    /// At the start: log time has been `past_ms`, and (if that is known) the monotonic clock lacked so much of it.
    pub fn begin(&self, past_ms: u64, offset_us: Option<i64>) {
        self.begin_at(self.environment.monotonic_us(), past_ms, offset_us);
    }

    fn begin_at(&self, now: u64, past_ms: u64, offset_us: Option<i64>) {
        let mut state = self.state.lock();
        let past = past_ms.saturating_mul(1000);
        let gone_on = offset_us.map_or(0, |offset| now.saturating_add_signed(offset));
        self.line.store(Arc::new(LogLine::through(now, past.max(gone_on))));
        self.is_known.store(offset_us.is_some(), Ordering::Release);
        self.logged_ms.store(past_ms, Ordering::Relaxed);
        *state = State::default();
    }

    /// An entry of this time is applied here.
    pub fn logged(&self, at_ms: u64) {
        if self.logged_ms.load(Ordering::Relaxed) < at_ms {
            self.logged_ms.fetch_max(at_ms, Ordering::Relaxed);
            self.forward(self.environment.monotonic_us(), at_ms);
        }
    }

    /// Another node knows this time: it is not earlier now.
    pub fn told(&self, known_ms: u64) {
        self.told_at(self.environment.monotonic_us(), known_ms);
    }

    fn told_at(&self, now: u64, known_ms: u64) {
        if known_ms > 0 {
            self.forward(now, known_ms);
            self.is_known.store(true, Ordering::Release);
        }
    }

    /// Steps forward to a time, if it is in the future; returns the step (µs).
    fn forward(&self, now: u64, to_ms: u64) -> u64 {
        let to = to_ms.saturating_mul(1000);
        // Nearly always: the message was in transit.
        if self.line.load().at(now) >= to {
            return 0;
        }
        let _writer = self.state.lock();
        let line = **self.line.load();
        self.line.store(Arc::new(line.raised(now, to)));
        to.saturating_sub(line.at(now))
    }

    /// For a follower: the leader's log time. 0: unknown to the leader.
    pub fn heard(&self, leader_ms: u64) {
        self.heard_at(self.environment.monotonic_us(), leader_ms);
    }

    fn heard_at(&self, now: u64, leader_ms: u64) {
        if leader_ms == 0 {
            return;
        }
        self.told_at(now, leader_ms);
        let mut state = self.state.lock();
        let heard = difference(leader_ms.saturating_mul(1000), now);
        if std::mem::replace(&mut state.leads, false) {
            self.bend(now, None);
            state.listens = None;
        }
        let (since, most) = state.listens.map_or((now, heard), |(since, most)| (since, most.max(heard)));
        state.listens = Some((since, most));
        if now.saturating_sub(since) >= LISTEN_US {
            state.listens = None;
            // Heard in whole ms: it may have been up to a ms later.
            let ahead = self.line.load().offset_at(now).saturating_sub(most);
            self.bend(now, (ahead > 1000).then_some(most));
        }
    }

    /// To this offset, or straight on. The caller holds the state.
    fn bend(&self, now: u64, target: Option<i64>) {
        let line = **self.line.load();
        let target = target.unwrap_or_else(|| line.offset_at(now));
        self.line.store(Arc::new(line.bent(now, target)));
    }

    /// This node leads from now on. If no node knows the time, it becomes wall time, `ahead_ms` from now, unless that
    /// cannot be trusted.
    pub fn lead(&self, ahead_ms: i64) -> Beginning {
        self.lead_at(self.environment.monotonic_us(), ahead_ms)
    }

    fn lead_at(&self, now: u64, ahead_ms: i64) -> Beginning {
        self.state.lock().leads = true;
        if self.is_known() {
            return Beginning::Known;
        }
        let ahead_ms = ahead_ms.max(0).unsigned_abs();
        let is_new = self.logged_ms.load(Ordering::Relaxed) == 0;
        let is_believed = is_new || u128::from(ahead_ms) <= AWAY_MAX.as_millis();
        if is_believed {
            self.forward(now, self.at_ms(now).saturating_add(ahead_ms));
        }
        self.is_known.store(true, Ordering::Release);
        if is_believed { Beginning::Wall } else { Beginning::NotBelieved(ahead_ms) }
    }

    /// For the leader, periodically: wall clocks are ahead by this much. `None`: unknown, so log time runs straight on.
    pub fn steer(&self, wall_ahead_ms: Option<i64>) {
        self.steer_at(self.environment.monotonic_us(), wall_ahead_ms);
    }

    fn steer_at(&self, now: u64, wall_ahead_ms: Option<i64>) {
        let state = self.state.lock();
        if !state.leads {
            return;
        }
        let offset = self.line.load().offset_at(now);
        self.bend(now, wall_ahead_ms.map(|ms| offset.saturating_add(ms.saturating_mul(1000))));
    }

    /// An operator sets log time to wall time, now. It never goes back: `false`, nothing is done.
    pub fn step(&self, wall_ahead_ms: i64) -> bool {
        let now = self.environment.monotonic_us();
        wall_ahead_ms > 0
            && self.forward(now, self.at_ms(now).saturating_add(wall_ahead_ms.unsigned_abs())) > 0
    }

    /// By how much log time is ahead of wall clocks, ms.
    pub fn ahead_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::Relaxed)
    }

    pub fn set_ahead_ms(&self, ahead_ms: i64) {
        self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
    }

    /// Time until log time and wall time agree.
    pub fn agrees_within(ahead_ms: i64) -> Duration {
        Duration::from_millis(ahead_ms.unsigned_abs().saturating_mul(SLEW_PART))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000;
    /// Any moment will do.
    const T: u64 = 1_700_000_000_000;

    /// A clock that has led since 1 s of the monotonic clock, when it was T.
    fn leader() -> LogClock {
        let clock = LogClock::default();
        clock.begin_at(SECOND, 0, None);
        assert_eq!(clock.lead_at(SECOND, T as i64), Beginning::Wall);
        assert_eq!(clock.at_ms(SECOND), T);
        clock
    }

    #[test]
    fn the_first_leader_of_all_believes_the_wall_clocks_and_nobody_later_does() {
        let clock = leader();
        // A year ahead, all of a sudden: a twentieth.
        clock.steer_at(2 * SECOND, Some(365 * 86_400_000));
        assert_eq!(clock.at_ms(12 * SECOND), T + 11_500);
        // Leading again changes nothing.
        assert_eq!(clock.lead_at(12 * SECOND, 86_400_000), Beginning::Known);
        assert_eq!(clock.at_ms(12 * SECOND), T + 11_500);
    }

    #[test]
    fn a_cluster_that_was_away_goes_on_with_the_wall_clocks_unless_they_are_years_ahead() {
        let begin = |ahead_ms| {
            let clock = LogClock::default();
            clock.begin_at(SECOND, T, None);
            assert!(!clock.is_known() && clock.known_ms() == 0);
            (clock.lead_at(SECOND, ahead_ms), clock.at_ms(SECOND), clock.is_known())
        };
        assert_eq!(begin(3_600_000), (Beginning::Wall, T + 3_600_000, true));
        assert_eq!(begin(-3_600_000), (Beginning::Wall, T, true));
        let ages = 3 * 365 * 86_400_000;
        assert_eq!(begin(ages), (Beginning::NotBelieved(ages as u64), T, true));
    }

    #[test]
    fn a_restarted_node_goes_on_from_its_own_monotonic_clock_or_from_what_another_one_says() {
        let clock = LogClock::default();
        clock.begin_at(100 * SECOND, T, Some((T * 1000) as i64));
        assert_eq!((clock.at_ms(100 * SECOND), clock.is_known()), (T + 100_000, true));
        assert_eq!(clock.lead_at(100 * SECOND, 3_600_000), Beginning::Known);
        let other = LogClock::default();
        other.begin_at(SECOND, T, None);
        other.told_at(SECOND, T + 700);
        assert_eq!(other.lead_at(SECOND, 3_600_000), Beginning::Known);
        assert_eq!(other.at_ms(SECOND), T + 700);
    }

    #[test]
    fn an_entry_brings_it_forward_and_nothing_back() {
        let clock = leader();
        let before = clock.now_ms();
        clock.logged(before + 5000);
        assert!(clock.now_ms() >= before + 5000);
        clock.logged(before + 100);
        assert!(clock.now_ms() >= before + 5000);
        assert!(!clock.step(-5) && clock.step(10_000) && clock.now_ms() >= before + 15_000);
    }

    #[test]
    fn a_follower_is_as_late_as_the_fastest_word_and_slows_down_if_it_is_ahead() {
        let clock = LogClock::default();
        clock.begin_at(0, 0, None);
        // Words are on their way for 3 to 300 ms; the leader's time is T at 0.
        for tick in 0..100_u64 {
            let (now, late) = (tick * SECOND / 10, [3, 40, 300, 5][tick as usize % 4]);
            let at = clock.at_ms(now);
            clock.heard_at(now, T + tick * 100 - late);
            assert!(clock.at_ms(now) >= at);
        }
        assert_eq!(clock.at_ms(10 * SECOND), T + 10_000 - 3);
        // Another one leads that is 500 ms behind.
        let mut before = clock.at_ms(10 * SECOND);
        for tick in 101..300_u64 {
            let now = tick * SECOND / 10;
            clock.heard_at(now, T + tick * 100 - 500);
            let at = clock.at_ms(now);
            assert!((94..=100).contains(&(at - before)), "{tick}: {}", at - before);
            before = at;
        }
        assert!((-2..=2).contains(&(before as i64 - (T + 29_900 - 500) as i64)));
    }

    #[test]
    fn a_leader_that_stood_still_has_not_run_away() {
        let clock = leader();
        clock.steer_at(2 * SECOND, Some(50));
        // For an hour nobody steered it.
        assert_eq!(clock.at_ms(3602 * SECOND), T + 3_601_000 + 50);
        clock.heard_at(3602 * SECOND, T + 3_601_020);
        assert_eq!(clock.at_ms(3603 * SECOND), T + 3_602_050);
    }

    proptest! {
        /// Leaders come and go, wall clocks are set to anything, messages are delayed: the cluster's time passes at no less
        /// than nine tenths and no more than eleven tenths of real time, and no node's time goes back.
        #[test]
        fn ten_seconds_last_between_nine_and_eleven(
            steps in proptest::collection::vec((0_usize..3, -300_000_i64..300_000, 0_u64..40, any::<bool>()), 20..200),
        ) {
            let clocks = [leader(), leader(), leader()];
            let (mut walls, mut leads) = ([0_i64; 3], 0);
            let mut seen = [T; 3];
            let mut led = vec![(0_u64, T)];
            for (tick, (node, wall, late, change)) in steps.iter().enumerate() {
                walls[*node] = *wall;
                if *change && tick % 5 == 0 {
                    leads = *node;
                    clocks[leads].lead_at((tick as u64 * 1000 + 1) * 1000 + SECOND, walls[leads]);
                }
                for part in 0..10_u64 {
                    let ms = tick as u64 * 1000 + part * 100 + 50;
                    let now = ms * 1000 + SECOND;
                    let time = clocks[leads].at_ms(now);
                    let ahead = (T + ms) as i64 + walls[leads] - time as i64;
                    clocks[leads].steer_at(now, Some(ahead));
                    for (at, clock) in clocks.iter().enumerate() {
                        if at != leads {
                            clock.heard_at(now, clocks[leads].at_ms(now - late * 1000));
                        }
                        prop_assert!(clock.at_ms(now) >= seen[at]);
                        seen[at] = clock.at_ms(now);
                    }
                    led.push((ms, clocks[leads].at_ms(now)));
                }
            }
            for (at, (ms, time)) in led.iter().enumerate() {
                if let Some((later_ms, later)) = led.get(at + 100) {
                    let (passed, felt) = (later_ms - ms, later - time);
                    prop_assert!(felt * 10 >= passed * 9 && felt * 10 <= passed * 11, "{felt} in {passed}");
                }
            }
        }
    }
}
