//! Bars on a terminal that show progress, beside the log. None if standard error is not a terminal.

use crate::state::{Following, ReplicationState};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, LazyLock},
    time::Duration,
};

/// All bars of the process; it draws nothing where there is no terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
const TEMPLATE: &str =
    "bootstrap snapshot [{bar:30}] {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";
const FILE_TEMPLATE: &str =
    "[{bar:30}] {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {msg} keys  {eta} left";
const KEYS_TEMPLATE: &str = "[{bar:30}] {percent:>3} %  {pos} of {len} keys  {per_sec}  {eta} left";

/// Standard error for the log: bars make way for a line, and come back below it.
pub(super) struct BesideBars;

impl Write for BesideBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// On an edge: shows how far a bootstrap snapshot of the core's data has come. Ends only where it would show nothing.
pub(super) async fn show(status: Arc<ReplicationState>) {
    if !io::stderr().is_terminal() || !status.edge.is_edge() {
        return;
    }
    let mut bar: Option<ProgressBar> = None;
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        looks.tick().await;
        let following = status.edge.following.read().clone();
        match following {
            Following::Bootstrap { bytes, of_bytes } => {
                let bar = bar.get_or_insert_with(|| BARS.add(ProgressBar::new(of_bytes).with_style(style())));
                bar.set_length(of_bytes);
                bar.set_position(bytes);
            }
            _ => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            }
        }
    }
}

/// A bar for a file of so many bytes; its message is the number of keys read.
pub fn bytes_bar(bytes: u64) -> ProgressBar {
    bar(bytes, FILE_TEMPLATE)
}

/// A bar for so many keys.
pub fn keys_bar(keys: u64) -> ProgressBar {
    bar(keys, KEYS_TEMPLATE)
}

fn bar(len: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    BARS.add(ProgressBar::new(len).with_style(style))
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_have_their_own_styles() {
        for template in [TEMPLATE, FILE_TEMPLATE, KEYS_TEMPLATE] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
