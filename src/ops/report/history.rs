//! The last hour of this node, a point every ten seconds: a ring of 360 points of a few numbers each, 30 KiB.

use super::{POINT_SECONDS, rates::Sample};
use crate::{
    session::{Node, ProcessUsage},
    state::DurationCounts,
};
use serde_json::{Value, json};
use std::collections::VecDeque;

const POINTS_MAX: usize = 360;

/// Names of the numbers of a point, in their order.
const SERIES: [&str; 10] = [
    "commands",
    "errors",
    "read_p99_us",
    "write_p99_us",
    "in_bytes",
    "out_bytes",
    "clients",
    "rss_bytes",
    "disk_left_bytes",
    "lag_ms",
];

/// `None`: there was nothing to measure.
pub(super) type Point = [Option<f64>; SERIES.len()];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct History {
    /// When the last point was added.
    at_ms: u64,
    points: VecDeque<Point>,
}

/// What was measured of late.
pub(super) fn point(node: &Node, process: &ProcessUsage, sample: &Sample) -> Point {
    let state = &node.group.state;
    let p99 = |counts: &DurationCounts| (counts.count() > 0).then(|| counts.quantile(0.99) as f64 / 1000.0);
    let lag = state.edge.is_edge().then(|| state.edge.lag().as_millis() as f64);
    [
        Some(sample.window.commands),
        Some(sample.window.errors),
        p99(sample.reads()),
        p99(sample.writes()),
        Some(sample.window.in_bytes),
        Some(sample.window.out_bytes),
        Some(node.clients.len() as f64),
        Some(process.rss_bytes as f64),
        Some(state.disk.left() as f64),
        lag,
    ]
}

impl History {
    pub(super) fn add(&mut self, at_ms: u64, point: Point) {
        if self.points.len() >= POINTS_MAX {
            self.points.pop_front();
        }
        self.points.push_back(point);
        self.at_ms = at_ms;
    }

    /// By series, the oldest point first.
    pub(super) fn to_json(&self) -> String {
        let series = SERIES.into_iter().enumerate().map(|(at, name)| {
            let values = self.points.iter().map(|point| rounded(point.get(at).copied().flatten()));
            (name.to_owned(), Value::Array(values.collect()))
        });
        let series: serde_json::Map<String, Value> = series.collect();
        json!({ "at_ms": self.at_ms, "step_ms": POINT_SECONDS * 1000, "series": series }).to_string()
    }
}

/// Nobody sees more digits.
fn rounded(value: Option<f64>) -> Value {
    value.map_or(Value::Null, |value| match value.abs() < 100.0 {
        true => json!((value * 10.0).round() / 10.0),
        false => json!(value.round() as i64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut history = History::default();
        for number in 0..POINTS_MAX + 5 {
            let mut point = [None; SERIES.len()];
            point[0] = Some(number as f64 + 0.04);
            history.add(number as u64, point);
        }
        let told: Value = serde_json::from_str(&history.to_json()).unwrap();
        let commands = told["series"]["commands"].as_array().unwrap();
        assert_eq!((commands.len(), &commands[0], &commands[359]), (POINTS_MAX, &json!(5.0), &json!(364)));
        assert_eq!((&told["at_ms"], &told["series"]["lag_ms"][0]), (&json!(364), &Value::Null));
        assert!(history.to_json().len() < 64 << 10);
    }
}
