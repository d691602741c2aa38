//! What this node says of itself, for the status page, `flotilla top` and `flotilla admin doctor`: JSON, written once a second on the
//! HTTP thread, so that no command waits for it and no reader costs anything; kept in `state/report.rs`.
//!
//! `now.rs` writes how things are, `rates.rs` what came of the last seconds, `history.rs` the last hour.
//!
//! Unlike the metrics it shows names of keys, and words of slow calls: who may read it is for those who pass it on to decide.

mod history;
mod now;
mod rates;

use crate::{
    ops::certificates::{self, Certificate},
    session::{Node, ProcessUsage},
    time::now_ms,
};
use bytes::Bytes;
use history::History;
use rates::Rates;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::time::MissedTickBehavior;

const INTERVAL: Duration = Duration::from_secs(1);
/// Certificates are read from their files that rarely.
const CERTIFICATES_EVERY: u64 = 30;
/// A point of the history is made of so many seconds.
const POINT_SECONDS: u64 = 10;
/// Stalls are told of for so many points.
const STALL_POINTS: usize = 60;

/// Writes the report for ever.
pub(super) async fn run(node: Arc<Node>) {
    let (mut rates, mut history) = (Rates::default(), History::default());
    let mut shown: Vec<Certificate> = Vec::new();
    let mut stalls = Stalls::default();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for second in 0_u64.. {
        ticks.tick().await;
        if second.is_multiple_of(CERTIFICATES_EVERY) {
            let settings = node.config.settings();
            // A disk that stalls holds up neither metrics nor health.
            let read = tokio::task::spawn_blocking(move || certificates::of(&settings)).await;
            shown = read.unwrap_or_default();
        }
        let process = ProcessUsage::read();
        let sample = rates.sample(&node, &process);
        let engine = node.group.store.engine_stats();
        let recent = stalls.recent((engine.stops, engine.delays), second % POINT_SECONDS == 0);
        let report = now::report(&node, &process, &sample, now::Around { shown: &shown, engine, recent });
        node.group.state.report.set_now(Bytes::from(report.to_string()));
        if second % POINT_SECONDS == POINT_SECONDS - 1 {
            history.add(now_ms(), history::point(&node, &process, &sample));
            node.group.state.report.set_history(Bytes::from(history.to_json()));
        }
    }
}

/// How often the store has stopped and slowed writes of late.
#[derive(Debug, Default)]
struct Stalls(VecDeque<(u64, u64)>);

impl Stalls {
    /// Stops and delays of the last ten minutes, of these since the store was opened. `is_point`: it is time to remember them.
    fn recent(&mut self, now: (u64, u64), is_point: bool) -> (u64, u64) {
        let (stops, delays) = now;
        // A snapshot that replaced the data has begun to count anew.
        if self.0.back().is_some_and(|last| last.0 > stops || last.1 > delays) {
            self.0.clear();
            self.0.push_back((0, 0));
        }
        if is_point {
            if self.0.len() >= STALL_POINTS {
                self.0.pop_front();
            }
            self.0.push_back(now);
        }
        let (old_stops, old_delays) = self.0.front().copied().unwrap_or(now);
        (stops.saturating_sub(old_stops), delays.saturating_sub(old_delays))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_are_recent_for_ten_minutes() {
        let mut stalls = Stalls::default();
        assert_eq!(stalls.recent((3, 4), true), (0, 0), "before anybody looked");
        assert_eq!(stalls.recent((5, 4), false), (2, 0));
        for _ in 0..STALL_POINTS {
            stalls.recent((5, 4), true);
        }
        assert_eq!(stalls.recent((5, 4), true), (0, 0));
        assert_eq!(stalls.recent((1, 0), true), (1, 0), "counted anew");
    }
}
