//! LATENCY GRAPH: samples as columns of letters, as redis-server draws them.

use crate::state::{LatencySample, LatencySeries};

const COLUMNS: usize = 80;
const ROWS: usize = 4;
/// The top of a column; what is below it is filled.
const TOPS: [char; 3] = ['_', 'o', '#'];
const FILLED: char = '|';

/// The drawing. Labels say how long ago each sample was.
pub(super) fn draw(event: &str, series: &LatencySeries, now_seconds: u64) -> String {
    let all: Vec<LatencySample> = series.samples.iter().copied().collect();
    let high = all.iter().map(|sample| sample.ms).max().unwrap_or(0);
    let low = all.iter().map(|sample| sample.ms).min().unwrap_or(0);
    let mut out = format!("{event} - high {high} ms, low {low} ms (all time high {} ms)\n", series.max_ms);
    out.push_str(&"-".repeat(COLUMNS));
    out.push('\n');
    for (part, samples) in all.chunks(COLUMNS).enumerate() {
        if part > 0 {
            out.push('\n');
        }
        draw_part(samples, (low, high), now_seconds, &mut out);
    }
    out
}

fn draw_part(samples: &[LatencySample], (low, high): (u64, u64), now_seconds: u64, out: &mut String) {
    let steps = (TOPS.len() * ROWS) as u64;
    let range = high.saturating_sub(low).max(1);
    let heights: Vec<usize> = samples
        .iter()
        .map(|sample| {
            let step = sample.ms.saturating_sub(low).saturating_mul(steps) / range;
            usize::try_from(step.min(steps.saturating_sub(1))).unwrap_or(0)
        })
        .collect();
    for row in (0..ROWS).rev() {
        out.extend(heights.iter().map(|height| match height.checked_sub(row * TOPS.len()) {
            Some(above) => TOPS.get(above).copied().unwrap_or(FILLED),
            None => ' ',
        }));
        out.push('\n');
    }
    out.push_str(&" ".repeat(samples.len()));
    out.push('\n');
    let labels: Vec<Vec<char>> =
        samples.iter().map(|sample| ago(now_seconds.saturating_sub(sample.at_seconds))).collect();
    for at in 0..labels.iter().map(Vec::len).max().unwrap_or(0) {
        out.extend(labels.iter().map(|label| label.get(at).copied().unwrap_or(' ')));
        out.push('\n');
    }
}

fn ago(seconds: u64) -> Vec<char> {
    let label = match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    };
    label.chars().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(samples: &[(u64, u64)]) -> String {
        let samples =
            samples.iter().map(|(at_seconds, ms)| LatencySample { at_seconds: *at_seconds, ms: *ms });
        draw("command", &LatencySeries { samples: samples.collect(), max_ms: 20 }, 10_000)
    }

    #[test]
    fn it_is_drawn_as_by_redis() {
        let line = "-".repeat(80);
        let one =
            format!("command - high 10 ms, low 10 ms (all time high 20 ms)\n{line}\n \n \n \n_\n \n2\ns\n");
        assert_eq!(drawn(&[(9998, 10)]), one);
        let two = format!(
            "command - high 6 ms, low 1 ms (all time high 20 ms)\n{line}\n #\n |\n |\n_|\n  \n32\nms\n"
        );
        assert_eq!(drawn(&[(9800, 1), (9998, 6)]), two);
        let many: Vec<(u64, u64)> = (0..160).map(|at| (9000 + at, at)).collect();
        assert!(drawn(&many).lines().all(|line| line.chars().count() <= 80));
    }
}
