//! Limits repeated lines. Each log statement writes at most `LINES_MAX` lines per `WINDOW`; the others are counted, and the
//! first line after that window gives the count. So a storm fills neither the disk nor the reader's screen. Lines of the
//! levels debug and trace, which are only on by request, are all written.

use super::bars::BesideBars;
use crate::config::LogFormat;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    io::Write,
    time::{Duration, Instant},
};
use tracing::{Event, Level, Metadata, Subscriber, callsite::Identifier};
use tracing_subscriber::{
    Layer,
    fmt::{format::Writer, time::FormatTime, time::SystemTime},
    layer::Context,
};

const LINES_MAX: u64 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// Limits repeated lines.
pub(super) struct Repeats {
    format: LogFormat,
    /// By log statement, of which there is a fixed number.
    seen: Mutex<HashMap<Identifier, Seen>>,
}

/// The current window of one statement.
#[derive(Debug, Clone, Copy)]
struct Seen {
    since: Instant,
    lines: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Write,
    /// So many before it were left out.
    WriteAfter(u64),
    LeaveOut,
}

impl Seen {
    fn next(&mut self, now: Instant) -> Line {
        if now.saturating_duration_since(self.since) >= WINDOW {
            let left_out = self.lines.saturating_sub(LINES_MAX);
            *self = Seen { since: now, lines: 1 };
            return if left_out > 0 { Line::WriteAfter(left_out) } else { Line::Write };
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines > LINES_MAX { Line::LeaveOut } else { Line::Write }
    }
}

impl Repeats {
    pub(super) fn new(format: LogFormat) -> Self {
        Repeats { format, seen: Mutex::default() }
    }

    fn tell(&self, place: &Metadata<'_>, left_out: u64) {
        let mut at = String::new();
        // Writing to a String cannot fail; a clock before the epoch leaves it empty.
        let _ = SystemTime.format_time(&mut Writer::new(&mut at));
        let (level, target) = (place.level(), place.target());
        let message = format!("{left_out} more lines like the next one were suppressed");
        let line = match self.format {
            LogFormat::Text => format!("{at} {level:>5} {target}: {message}"),
            LogFormat::Json => {
                let fields = serde_json::json!({ "message": message, "left_out": left_out });
                let (level, target) = (level.to_string(), target.to_owned());
                serde_json::json!({ "timestamp": at, "level": level, "fields": fields, "target": target })
                    .to_string()
            }
        };
        // If standard error is gone, there is no one to report it to.
        let _ = BesideBars.write_all(format!("{line}\n").as_bytes());
    }
}

impl<S: Subscriber> Layer<S> for Repeats {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let place = event.metadata();
        if *place.level() > Level::INFO {
            return true;
        }
        let now = Instant::now();
        let fresh = Seen { since: now, lines: 0 };
        let line = self.seen.lock().entry(place.callsite()).or_insert(fresh).next(now);
        match line {
            Line::Write => true,
            Line::WriteAfter(left_out) => {
                self.tell(place, left_out);
                true
            }
            Line::LeaveOut => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_told_with_the_next_line() {
        let began = Instant::now();
        let mut seen = Seen { since: began, lines: 0 };
        for _ in 0..LINES_MAX {
            assert_eq!(seen.next(began), Line::Write);
        }
        for _ in 0..7 {
            assert_eq!(seen.next(began + WINDOW / 2), Line::LeaveOut);
        }
        assert_eq!(seen.next(began + WINDOW), Line::WriteAfter(7));
        assert_eq!(seen.next(began + WINDOW), Line::Write);
        assert_eq!(seen.next(began + WINDOW * 3), Line::Write, "nothing was left out");
    }

    #[test]
    fn a_storm_from_one_place_leaves_other_places_alone() {
        use std::sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        };
        use tracing_subscriber::layer::SubscriberExt;
        struct Count(Arc<AtomicU64>);
        impl<S: Subscriber> Layer<S> for Count {
            fn on_event(&self, _event: &Event<'_>, _context: Context<'_, S>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let written = Arc::new(AtomicU64::new(0));
        let layers = tracing_subscriber::registry()
            .with(Count(Arc::clone(&written)))
            .with(Repeats::new(LogFormat::Text));
        tracing::subscriber::with_default(layers, || {
            for _ in 0..1000 {
                tracing::warn!("a storm");
            }
            assert_eq!(written.load(Ordering::Relaxed), LINES_MAX);
            tracing::warn!("something else");
            assert_eq!(written.load(Ordering::Relaxed), LINES_MAX + 1);
        });
    }
}
