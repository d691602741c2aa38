//! The log of the process, on standard error: text for people or JSON lines for machines.
//!
//! Meaning of the levels: **error** a human must act, and the line's field `remedy` says how (`tidy.rs` checks that it
//! exists); **warn** something is wrong, and recovers by itself or is reported elsewhere; **info** each thing that the node
//! does, in one line; **debug** details for troubleshooting.

use super::{bars::BesideBars, repeats::Repeats};
use crate::config::{LogFormat, Settings};
use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging. A second call (tests) changes nothing.
pub fn init(settings: &Settings) {
    let level = &settings.log_level;
    // openraft logs every failed call, several times a second and node, and each stop as an error; our own lines already
    // report what an operator must know. For openraft's lines, choose level debug.
    let libraries = if ["debug", "trace"].contains(&level.as_str()) { "warn" } else { "off" };
    let filter = EnvFilter::try_new(format!("{level},openraft={libraries},h2={libraries}"))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().with_writer(|| BesideBars).with_target(true);
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = match settings.log_format {
        LogFormat::Text => lines.with_ansi(is_terminal).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let repeats = Repeats::new(settings.log_format);
    let started = tracing_subscriber::registry().with(filter).with(lines).with(repeats).try_init();
    if started.is_err() {
        tracing::debug!("logging is initialised already");
    }
}
